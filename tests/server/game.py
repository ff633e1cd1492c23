"""A module as a game developer writes one: declared here, served without a word more."""

from typing import Annotated

from msgspec import Meta, Struct

from gamekeeper.errors import GameError
from gamekeeper.kernel.commands import belongs_to, command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Page, Reader, query
from gamekeeper.kernel.records import JsonObject, Key, OwnedBy, Quantity, Record, Secret
from gamekeeper.kernel.workingset import Context

GuildId = Annotated[Id, OwnedBy("guild")]
NewGuildId = Annotated[Id, OwnedBy("guild", creates=True)]
UserId = Annotated[Id, OwnedBy("user")]
Word = Annotated[str, Meta(min_length=1, max_length=20)]


class GuildVault(Record, table="test_guild_vaults", value=True):
    """What a guild has saved."""

    guild_id: Key[GuildId]
    leader_id: Id
    coins: int = 0
    note: JsonObject = {}


class VaultEmpty(GameError):
    """The guild has not saved so much."""

    code = "VAULT_EMPTY"
    held: int
    needed: int


class Founded(Struct, frozen=True):
    """The new guild."""

    guild_id: str


class Saved(Struct, frozen=True):
    """What the guild has now."""

    coins: int


@command(touches=[GuildVault], access="player", module="guilds")
def found(ctx: Context, *, guild: NewGuildId | None = None, user: UserId, motto: Secret[Word] = "none") -> Founded:
    """Found a guild, led by its founder."""
    made = ctx.create_owner("guild", guild)
    ctx.put(GuildVault(made, user))
    return Founded(made)


@command(touches=[GuildVault], access="player", module="guilds")
def save(ctx: Context, *, guild: GuildId, coins: Quantity, note: JsonObject | None = None) -> Saved:
    """Put coins into the vault."""
    vault = ctx.get(GuildVault, guild)
    assert vault is not None
    return Saved(ctx.change(vault, coins=vault.coins + coins, note=note or vault.note).coins)


@command(touches=[GuildVault], access="player", module="guilds")
def spend(ctx: Context, *, guild: GuildId, coins: Quantity) -> Saved:
    """Take coins out of the vault.

    More is told here.

    Raises: VAULT_EMPTY,
    INVALID_ARGUMENT.
    """
    vault = ctx.get(GuildVault, guild)
    assert vault is not None
    if vault.coins < coins:
        raise VaultEmpty(held=vault.coins, needed=coins, status="a fact that must not hide a member")
    return Saved(ctx.change(vault, coins=vault.coins - coins).coins)


@command(touches=[], access="server", module="guilds")
def explode(ctx: Context, *, word: Secret[Word]) -> None:
    """Fail in a way that nobody planned."""
    raise RuntimeError(f"canary {word}")


@query(access="player", module="guilds")
async def vault(read: Reader, *, guild: GuildId) -> GuildVault | None:
    """Show the vault."""
    return await read.get(GuildVault, guild)


@query(access="public", module="guilds")
async def echo(
    read: Reader, *, words: list[Word] | None = None, times: Quantity = 1, loud: bool = False, share: float = 0.5
) -> Page[list[str]]:
    """Say words again."""
    said = [word.upper() if loud else word for word in words or []]
    return Page([said] * min(times, 3), f"{share}")


@query(access="player", module="guilds")
async def late(read: Reader, *, guild: GuildId, first: bool) -> list[int]:
    """Load the guild first, or after something else was read."""
    seen = [] if first else [len(await read.all(GuildVault, guild))]
    loaded = await read.load(guild, GuildVault)
    return seen if loaded is None else [*seen, loaded.root.version]


@query(access="public", module="guilds")
async def measure(read: Reader, *, shape: dict[str, int]) -> int:
    """Add up a shape."""
    return sum(shape.values())


@query(access="player", module="guilds")
async def motto(read: Reader) -> str:
    """Say what guilds say."""
    return "together"


@query(access="server", module="guilds")
async def whisper(read: Reader, *, word: Secret[Word]) -> int:
    """Measure a secret."""
    return len(word)


@belongs_to("guild")
async def users_of(read: Reader, guild: str) -> tuple[str, ...]:
    """A guild is its leader's."""
    row = await read.get(GuildVault, guild)
    return () if row is None else (row.leader_id,)
