// Draws what came, what went and what there is by day, from the table's own numbers in data-chart; data-labels names the three.
"use strict";
(() => {
  const holder = document.querySelector("[data-chart]");
  if (!holder || typeof uPlot === "undefined") return;
  const [days, came, went, there] = JSON.parse(holder.dataset.chart);
  const [first, second, third] = JSON.parse(holder.dataset.labels);
  let chart = null;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const compact = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
  const exact = new Intl.NumberFormat("en-GB");
  const day = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);

  function options() {
    const bars = uPlot.paths.bars({ size: [0.7, 28] });
    const grid = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: colour("--quiet"), grid, ticks: { ...grid, size: 4 }, font: "12px system-ui, sans-serif" };
    const value = (_, one) => (one === null || one === undefined ? "–" : exact.format(Math.abs(one)));
    return {
      width: holder.clientWidth,
      height: 260,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      // One day alone would stand in the middle of a year.
      scales: { x: { range: (_, low, high) => (days.length > 1 ? [low - 43200, high + 43200] : [days[0] - 302400, days[0] + 302400]) } },
      axes: [
        { ...axis, grid: { show: false }, space: 70, values: (_, ticks) => ticks.map((one) => day(one).slice(5)) },
        { ...axis, size: 56, values: (_, ticks) => ticks.map((one) => compact.format(Math.abs(one))) },
        { ...axis, side: 1, size: 56, scale: "there", grid: { show: false }, values: (_, ticks) => ticks.map((one) => compact.format(one)) },
      ],
      series: [
        { label: "day (UTC)", value: (_, one) => (one === null ? "–" : day(one)) },
        { label: first, fill: colour("--ok"), stroke: colour("--ok"), width: 0, paths: bars, points: { show: false }, value },
        { label: second, fill: colour("--alarm"), stroke: colour("--alarm"), width: 0, paths: bars, points: { show: false }, value },
        { label: third, scale: "there", stroke: colour("--accent"), width: 2, points: { size: 5 }, value },
      ],
    };
  }

  function draw() {
    if (chart) chart.destroy();
    chart = new uPlot(options(), [days, came, went, there], holder);
  }

  draw();
  document.addEventListener("studio:theme", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(() => {
    if (chart && holder.clientWidth && chart.width !== holder.clientWidth) chart.setSize({ width: holder.clientWidth, height: 260 });
  }).observe(holder);
})();
