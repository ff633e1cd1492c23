"""The command line: `gamekeeper VERB`. One file for each group of verbs, imported only when one of them is used."""

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import gamekeeper
from gamekeeper.errors import GameError
from gamekeeper.kernel.memory import look_seldom_for_cycles

from .failures import Exit, described, exit_code, redacted, warn

if TYPE_CHECKING:
    from cyclopts import App

VERBS: Final[Mapping[str, tuple[str, str]]] = {
    "dev": ("dev:dev", "Start a small living world in this folder, with its API and Studio."),
    "demo": ("demo:demo", "Let bots play in a running world, and check that nothing was lost or duplicated."),
    "serve": ("serve:serve", "Serve a world in production."),
    "online": ("online:online", "List who plays where, and how many in each world and on each server."),
    "verify": ("verify:verify", "Recompute every chain and balance, and name the first rows that are wrong."),
    "studio-link": ("studio:studio_link", "Print a link that opens the Studio of a running server once."),
    "content load": ("content:load", "Load a pack of definitions, a folder or a file, into a world."),
    "content check": ("content:check", "Read a pack, and say what is wrong with it."),
    "content diff": ("content:diff", "Say what loading a pack would change."),
    "content versions": ("content:versions", "List the versions of a pack that were ever loaded."),
    "content activate": ("content:activate", "Put a version of a pack that was loaded before in force."),
    "content rollback": ("content:rollback", "Put the version of a pack in force that was so before."),
    "content list": ("content:list_content", "List what is defined, and what of it this program cannot read."),
    "content config list": ("configs:list_configs", "List what a game reads while it runs, and who said it."),
    "content config set": ("configs:set_config", "Set a key of the configuration, instead of what the packs say."),
    "content config reset": ("configs:reset", "Let what the packs say of a key count again."),
    "key create": ("key:create", "Make an API key for a game server or an operator."),
    "key list": ("key:list_keys", "List the API keys of a user."),
    "key revoke": ("key:revoke", "End an API key at once."),
    "token create": ("tokens:create", "Log a user in, and print the token of the session."),
    "token list": ("tokens:list_tokens", "List the sessions of a user whose tokens are good."),
    "token revoke": ("tokens:revoke", "End a session, or all of a user, at once."),
    "user create": ("user:create", "Make a user who logs in by name and password."),
    "user show": ("people:show", "Show a user, with open sessions and characters."),
    "user role": ("people:role", "Give a user another role."),
    "user ban": ("people:ban", "Ban a user, for an hour, a day, a week, a month or for good."),
    "user unban": ("people:unban", "Lift the bans of a user."),
    "user export": ("people:export", "Write everything that is kept of a person into one archive."),
    "user erase": ("erasing:erase", "Forget a person who has asked for it."),
    "character show": ("character:show", "Show a character with all that it has and has done."),
    "character progress": ("progress:show", "Show how far a character has come, its day, its titles and its ledger."),
    "character play": ("online:play", "Show how long a character has played, and whether it is played now."),
    "character list": ("character:list_characters", "List the characters, of one world or all."),
    "character rename": ("character:rename", "Give a character another name."),
    "character delete": ("character:delete", "Delete a character; what it had stays where it is."),
    "character restore": ("character:restore", "Bring back a character that was deleted."),
    "character give": ("character:give", "Give new items to a character."),
    "item show": ("item:show", "Show a unique item, with every movement since it came into the world."),
    "item find": ("item:find", "Find who holds an item."),
    "item trace": ("item:trace", "List what went to and from a character, the newest first."),
    "season list": ("season:list_seasons", "List the seasons, and how many take part in each."),
    "season show": ("season:show", "Show a season with its board, or how it ended."),
    "season close": ("season:close", "Close a season that is over, or say who would win what."),
    "state upgrade": ("state:upgrade", "Bring all documents of free state into the latest form."),
    "jobs list": ("jobs:list_jobs", "List what a world does by the clock: when each job runs, and how it went."),
    "jobs run": ("jobs:run", "Run a job now, or say what it would do."),
    "jobs history": ("jobs:history", "List the runs of jobs, the newest first."),
    "jobs work": ("jobs:work", "Run jobs when they are due, beside servers or instead of them."),
    "openapi": ("openapi:openapi", "Print the OpenAPI document of the HTTP API."),
    "bench": ("bench:bench", "Measure against the peers, in a checkout of the repository."),
    "version": ("version:version", "Print the version."),
}
"""Where each verb is, and what it does."""
GROUPS: Final[Mapping[str, str]] = {
    "character": "Characters: who acts in a world.",
    "content": "Definitions that designers author.",
    "content config": "What a game reads while it runs.",
    "state": "Free state: documents of players, entities, worlds and apps.",
    "item": "Items: who holds what, and how it came there.",
    "jobs": "Work that is done by the clock.",
    "season": "Seasons: times in which what is earned counts apart.",
    "key": "API keys of game servers and operators.",
    "token": "Sessions of users, and the tokens that open them.",
    "user": "Users: who somebody is.",
}
GLOBAL: Final[Mapping[str, tuple[int, str]]] = {
    "--config": (1, "FILE  settings; gamekeeper.toml in this folder if not given"),
    "--url": (1, "URL      the database: sqlite:///PATH or postgresql://... (demo: the server)"),
    "--json": (0, "        print one JSON object to the standard output"),
    "--debug": (0, "       show where a failure came from"),
}
"""Options that may stand before the verb too: how many values each has, and what it says."""

MOST_WORDS: Final = 3
"""Words of a verb."""
_HELP: Final = frozenset({"--help", "-h", "help"})
_PACKAGE: Final = "gamekeeper.cli"


def main() -> None:
    """Run the command line."""
    # A game's own modules lie in the folder that the command is run in, as `python -m` would find them.
    sys.path.insert(0, os.getcwd())
    look_seldom_for_cycles()
    sys.exit(run(sys.argv[1:]))


def run(tokens: Sequence[str]) -> int:
    """Run one verb and give its exit code."""
    words = [word for word in tokens if word != "--debug"]
    # The front page is asked for most, and cyclopts alone would take longer than all of this.
    if not words or (len(words) == 1 and words[0] in _HELP):
        print(front_page())
        return Exit.OK
    if words == ["--version"]:
        words = ["version"]
    return _guarded(_verb_first(words), debug="--debug" in tokens)


def _guarded(tokens: Sequence[str], *, debug: bool) -> int:
    """Run a verb; whatever goes wrong becomes two lines and an exit code."""
    try:
        code = _dispatch(tokens)
        sys.stdout.flush()
        return code
    except GameError as error:
        if debug:
            traceback.print_exc()
        warn(described(error))
        return exit_code(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough of it; what is still buffered goes nowhere, instead of failing at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception as error:  # noqa: BLE001 - nobody is shown a traceback who did not ask for it
        if debug:
            traceback.print_exc()
        warn(redacted(f"UNEXPECTED: {type(error).__name__}: {error}") + "\n  Run it again with --debug, and report what it says.")
        return Exit.UNEXPECTED


def _dispatch(tokens: Sequence[str]) -> int:
    from cyclopts.exceptions import CycloptsError  # see front_page

    try:
        result: Any = _app()(list(tokens), exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        warn(f"USAGE: {error}\n  `gamekeeper {_named(tokens)}--help` shows what it takes.")
        return Exit.USAGE
    return result if isinstance(result, int) else Exit.OK


def _app() -> "App":
    """Give cyclopts the verbs by name: a verb's file is imported when it is used."""
    from cyclopts import App  # see front_page

    words: dict[str, Any] = {"help_format": "plaintext", "version_flags": []}
    app = App(name="gamekeeper", help=(gamekeeper.__doc__ or "").split("\n")[0], **words)
    groups = {name: App(name=name.rpartition(" ")[2], help=text, **words) for name, text in GROUPS.items()}
    for name, (target, text) in VERBS.items():
        group, _, verb = name.rpartition(" ")
        (groups[group] if group else app).command(f"{_PACKAGE}.{target}", name=verb, help=text)
    for name, one in groups.items():
        outer = name.rpartition(" ")[0]
        (groups[outer] if outer else app).command(one)
    return app


def front_page() -> str:
    """Give the list of verbs, without a library: it is there before one finger is off the key."""
    wide = max(map(len, VERBS))
    lines = [f"gamekeeper {gamekeeper.__version__}: {(gamekeeper.__doc__ or '').split(': ', 1)[-1].split(chr(10))[0]}", ""]
    lines += ["Usage: gamekeeper VERB [OPTIONS]", ""]
    lines += [f"  {name:<{wide}}  {text}" for name, (_, text) in VERBS.items()]
    lines += ["", "`gamekeeper VERB --help` shows what a verb takes. Every verb that prints data has:", ""]
    lines += [f"  {name} {text}" for name, (_, text) in GLOBAL.items()]
    lines += ["", "Begin with `gamekeeper dev` in an empty folder."]
    return "\n".join(lines)


def _verb_first(tokens: Sequence[str]) -> list[str]:
    """Move options that stand before the verb behind it.

    >>> _verb_first(["--json", "--url", "sqlite:///w.db", "verify"])
    ['verify', '--json', '--url', 'sqlite:///w.db']
    """
    at = 0
    while at < len(tokens):
        name, equals, _ = tokens[at].partition("=")
        if name not in GLOBAL:
            break
        at += 1 if equals else 1 + GLOBAL[name][0]
    return [*tokens[at:], *tokens[:at]]


def _named(tokens: Sequence[str]) -> str:
    """Give the verb of a line, as far as there is one, with a space behind it."""
    for words in range(min(MOST_WORDS, len(tokens)), 0, -1):
        named = " ".join(tokens[:words])
        if named in VERBS or named in GROUPS:
            return named + " "
    return ""
