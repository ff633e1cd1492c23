"""What can go wrong when content is loaded."""

from gamekeeper.errors import GameError


class DefinitionTaken(GameError):
    """Another pack defines this id already."""

    code = "DEFINITION_TAKEN"
    of_kind: str
    id: str
    pack: str


class ReferenceUnknown(GameError):
    """A definition names another one that neither this pack nor any other loaded one holds."""

    code = "REFERENCE_UNKNOWN"
    path: str
    of_kind: str
    id: str
    also: list[str]
    """paths of more such names"""


class DefinitionNeeded(GameError):
    """A definition of another pack names this one, which the pack no longer holds."""

    code = "DEFINITION_NEEDED"
    of_kind: str
    id: str
    pack: str
    by: str
    """the definition that names it, as kind and id"""
