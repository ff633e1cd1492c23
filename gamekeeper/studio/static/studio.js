// What the Studio's pages do in the browser: local times, the theme, keys, and care while parts refresh themselves.
"use strict";
(() => {
  const sameDay = (one, other) => one.toDateString() === other.toDateString();

  // Times come as UTC; people read local ones. The title keeps UTC.
  function localize(root) {
    const now = new Date();
    for (const node of root.querySelectorAll("time[datetime]:not([data-local])")) {
      const at = new Date(node.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
      const day = at.getFullYear() === now.getFullYear() ? { day: "numeric", month: "short" } : { day: "numeric", month: "short", year: "numeric" };
      node.textContent = sameDay(at, now) ? at.toLocaleTimeString("en-GB", clock) : at.toLocaleString("en-GB", { ...day, ...clock });
      node.title = `${node.title} (UTC)`;
      node.dataset.local = "";
    }
  }

  function theme() {
    const root = document.documentElement;
    return root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  }

  function label(button) {
    const other = theme() === "dark" ? "light" : "dark";
    button.setAttribute("aria-label", `Use the ${other} theme`);
    button.title = `Use the ${other} theme`;
  }

  function toggleTheme(button) {
    const next = theme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("studio-theme", next);
    } catch {
      // It lasts for this page only.
    }
    label(button);
    document.dispatchEvent(new CustomEvent("studio:theme"));
  }

  // A notice stays in sight for a while, then in its place at the top.
  function settle() {
    for (const notice of document.querySelectorAll(".notice.fresh")) setTimeout(() => notice.classList.remove("fresh"), 6000);
  }

  function typing(target) {
    return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
  }

  document.addEventListener("DOMContentLoaded", () => {
    localize(document);
    settle();
    const button = document.getElementById("theme");
    if (button) {
      button.hidden = false;
      label(button);
      button.addEventListener("click", () => toggleTheme(button));
    }
  });

  document.addEventListener("keydown", (event) => {
    const search = document.getElementById("search");
    if (!search) return;
    if (event.key === "/" && !typing(event.target) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "Escape" && event.target === search) {
      search.blur();
    }
  });

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) event.preventDefault();
    else if (form.method === "post") {
      form.dataset.sent = "1";
      setTimeout(() => delete form.dataset.sent, 2000);
    }
  });

  // A choice that only filters needs no button where there is a script.
  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-submits]")) event.target.form.requestSubmit();
  });

  // What refreshes itself rests while nobody looks, and while somebody is inside of it.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const part = event.detail.elt;
    if (part.dataset.live === undefined) return;
    const reading = part.contains(document.activeElement) || String(getSelection()).length > 0;
    if (document.hidden || reading) event.preventDefault();
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    localize(document);
    settle();
    // "Older" is replaced by what it loaded: go on reading there, not at the top of the page.
    const asked = event.detail.requestConfig && event.detail.requestConfig.elt;
    if (asked && asked.matches("[data-more]")) {
      const pages = document.querySelectorAll("[data-first]");
      if (pages.length) pages[pages.length - 1].focus({ preventScroll: true });
    }
  });

  document.addEventListener("pageshow", (event) => {
    if (event.persisted) for (const form of document.forms) delete form.dataset.sent;
  });
})();
