"""What can go wrong with NPCs."""

from gamekeeper.errors import GameError, Kind


class NpcNotFound(GameError):
    """No loaded pack defines this NPC."""

    code = "NPC_NOT_FOUND"
    kind = Kind.NOT_FOUND
    npc: str
