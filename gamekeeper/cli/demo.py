"""`gamekeeper demo`: bots keep a running world alive, and show that nothing gets lost in it."""

import asyncio
import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from cyclopts import Parameter, validators

from .failures import Exit, NoKeys
from .local import KEYS, LocalKeys, read_keys
from .options import Json, answer
from .serve import is_loopback

if TYPE_CHECKING:
    from .playing import Outcome

DEFAULT_URL: Final = "http://127.0.0.1:8420"
SECONDS: Final = datetime.timedelta(seconds=30)
Span = Annotated[datetime.timedelta, Parameter(name="--for", help="How long: 30s, 5m, 1h.")]
Rate = Annotated[
    float, Parameter(help="Commands in a second, of all bots together."), Parameter(validator=validators.Number(gt=0, lte=100_000))
]
Bots = Annotated[int, Parameter(help="How many play."), Parameter(validator=validators.Number(gte=2, lte=10_000))]


def demo(
    *,
    span: Span = SECONDS,
    rate: Rate = 50.0,
    bots: Bots = 16,
    items: Annotated[Path | None, Parameter(help="Hyperscape's items.json: load it, and play with that game's items.")] = None,
    url: Annotated[str | None, Parameter(help="The server; the one that was started in this folder if not given.")] = None,
    key_file: Annotated[Path, Parameter(help="Keys as `gamekeeper dev` writes them.")] = KEYS,
    json: Json = False,
) -> int:
    """Let bots play in a running world: gather, equip, use up, drop, pick up, trade. Then check that the books are right.

    Raises: NO_SERVER, NO_KEYS, FILE_REFUSED, INVALID_PACK, SERVER_REFUSED.
    """
    from .playing import Plan, play

    where, keys = _server(url, key_file)
    outcome = asyncio.run(play(Plan(where, keys, span.total_seconds(), rate, bots, items)))
    if json:
        answer("demo", {"conserved": outcome.conserved, **_plain(outcome)})
    else:
        _tell(outcome)
    return _exit(outcome)


def _server(url: str | None, file: Path) -> tuple[str, LocalKeys]:
    """Give the server and the keys for it.

    Raises: NO_KEYS, FILE_REFUSED.
    """
    keys = read_keys(file)
    where = url or (DEFAULT_URL if keys is None else keys.url)
    # The keys that lie in the folder are for servers of this machine; another one would learn them.
    if keys is None or (file == KEYS and not is_loopback(urlsplit(where).hostname or "")):
        if keys is None:
            _require_server(where)
        raise NoKeys(file=str(file), server=where)
    return where, keys


def _require_server(url: str) -> None:
    """Without keys it is worth knowing first whether there is a server at all.

    Raises: NO_SERVER.
    """
    from .api import Api, Tally

    async def ready() -> None:
        api = Api(url, Tally())
        try:
            await api.ready()
        finally:
            await api.close()

    asyncio.run(ready())


def _plain(outcome: "Outcome") -> dict[str, object]:
    return {name: getattr(outcome, name) for name in outcome.__struct_fields__}


def _exit(outcome: "Outcome") -> Exit:
    if not outcome.conserved:
        return Exit.INTEGRITY
    if outcome.faults:
        return Exit.UNEXPECTED
    return Exit.INTERRUPTED if outcome.interrupted else Exit.OK


def _tell(outcome: "Outcome") -> None:
    rate = outcome.commands / max(outcome.seconds, 0.001)
    print(
        f"{outcome.bots} bots, {outcome.seconds:.1f} s: {outcome.commands:,} commands ({rate:.0f}/s), {outcome.trades:,} trades completed"
    )
    _tell_counts("done", outcome.done)
    _tell_counts("refused", outcome.problems)
    if outcome.sent_again:
        print(f"  {outcome.sent_again:,} were sent again because no answer came; their keys kept them from being done twice")
    _tell_balances(outcome)


def _tell_counts(what: str, counts: dict[str, int]) -> None:
    if counts:
        print(f"  {what + ':':<9}" + ", ".join(f"{name} {count:,}" for name, count in counts.items()))


def _tell_balances(outcome: "Outcome") -> None:
    seen = [one for one in outcome.balances if one.minted or one.burned or one.held]
    wide = max((len(one.item) for one in seen), default=4)
    print(f"\n  {'item':<{wide}}  {'minted':>10} - {'burned':>10} = {'held':>10}")
    for one in seen:
        wrong = f"   WRONG by {one.difference:,}" if one.difference else ""
        print(f"  {one.item:<{wide}}  {one.minted:>10,} - {one.burned:>10,} = {one.held:>10,}{wrong}")
    for holder in outcome.wrong_holders:
        print(f"  WRONG: {holder}")
    print("\nOK: nothing was lost or duplicated." if outcome.conserved else "\nWRONG: the books of this world are not right.")
