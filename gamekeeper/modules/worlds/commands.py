"""What may be done with worlds."""

from gamekeeper.kernel.commands import command
from gamekeeper.kernel.workingset import Context

from .records import NewWorldId, World, WorldName


@command(touches=[World], access="operator")
def create_world(ctx: Context, *, world: NewWorldId | None = None, name: WorldName) -> World:
    """Make a world, open from the start.

    Raises: ALREADY_EXISTS.
    """
    made = World(ctx.create_owner("world", world), name, "open", ctx.now)
    ctx.put(made)
    return made
