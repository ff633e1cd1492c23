"""What may be asked of experience."""

from gamekeeper.kernel.queries import Reader, query
from gamekeeper.modules import characters, content

from .records import CharacterProgress, CurveDefinition
from .rules import Curve, known_curve


@query
async def curve(read: Reader, *, curve: content.DefinitionId) -> Curve:
    """Give the experience at which each level of a curve begins, and the most that it counts.

    Raises: UNKNOWN_CURVE.
    """
    return known_curve(read.definitions(CurveDefinition).get(curve), curve)


@query(access="player")
async def progress(read: Reader, *, character: characters.CharacterId) -> CharacterProgress:
    """Show how far a character has come, skills apart.

    Raises: CHARACTER_NOT_FOUND.
    """
    _, loaded = await characters.load_alive(read, character, CharacterProgress)
    return loaded.one(CharacterProgress) or CharacterProgress(character)
