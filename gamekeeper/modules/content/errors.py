"""What can go wrong when content is loaded."""

from gamekeeper.errors import GameError


class DefinitionTaken(GameError):
    """Another pack defines this id already."""

    code = "DEFINITION_TAKEN"
    of_kind: str
    id: str
    pack: str
