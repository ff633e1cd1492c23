"""What can go wrong when content is loaded."""

from gamekeeper.errors import GameError, Kind


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


class DefinitionsInCircle(GameError):
    """Each of these definitions needs the one before it, so that none could ever begin."""

    code = "DEFINITIONS_IN_CIRCLE"
    of_kinds: list[str]
    ids: list[str]


class DefinitionNeeded(GameError):
    """A definition of another pack names this one, which the pack no longer holds."""

    code = "DEFINITION_NEEDED"
    of_kind: str
    id: str
    pack: str
    by: str
    """the definition that names it, as kind and id"""


class PackVersionNotFound(GameError):
    """No such version of this pack was ever loaded."""

    code = "PACK_VERSION_NOT_FOUND"
    kind = Kind.NOT_FOUND
    pack: str
    number: int


class NoFormerVersion(GameError):
    """No version of this pack was in force before."""

    code = "NO_FORMER_VERSION"
    pack: str


class PackHasChanged(GameError):
    """Somebody else put another version of the pack in force at the same moment."""

    code = "PACK_HAS_CHANGED"
    pack: str


class ConfigChanged(GameError):
    """The key is at another version by now."""

    code = "CONFIG_CHANGED"
    key: str
    expected: int
    current: int
    """0 when nobody has set it"""


class ConfigNotSet(GameError):
    """Nobody has set a value for this key: what the packs say of it counts."""

    code = "CONFIG_NOT_SET"
    kind = Kind.NOT_FOUND
    key: str


class ConfigNotFound(GameError):
    """Neither a pack nor an operator gives this key a value."""

    code = "CONFIG_NOT_FOUND"
    kind = Kind.NOT_FOUND
    key: str
