"""What is stored of chat: each message until it is pruned, how much a character may say, and whom it does not hear."""

from typing import Annotated, Literal

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import EpochMs, Key, Record, Secret
from gamekeeper.modules import characters, worlds

MAX_MESSAGE = 500
"""Characters of a message as it is stored."""
MAX_GIVEN = 2_000
"""Characters of a message as it is sent: decomposed letters and the spaces around it go away."""

Channel = Literal["say", "yell", "whisper"]
"""Who hears it: the room, the world, or one character."""
Aloud = Literal["say", "yell"]
"""What others hear too."""
NameThen = Annotated[str, Meta(max_length=40, description="a character's name at that moment")]
GivenMessage = Secret[
    Annotated[str, Meta(max_length=MAX_GIVEN, description="1 to 500 characters once normalized and trimmed, on one line, without controls")]
]


class ChatMessage(
    Record,
    table="chat_messages",
    loads="key",
    indexes=(
        ("world_id", "room", "at", "message_id"),
        ("world_id", "channel", "at", "message_id"),
        # Null when forgotten, and not in these indexes then; a recipient only whispers have.
        ("character_id", "channel", "at", "message_id"),
        ("recipient_character_id", "at", "message_id"),
        ("user_id", "at", "message_id"),
    ),
    checks=(
        "(channel = 'whisper') = (recipient IS NOT NULL)",
        "channel = 'whisper' OR recipient_character_id IS NULL",
    ),
):
    """What somebody said. The ids of the people are empty once they are forgotten; their names of that moment stay.

    The world owns it, for a message outlives its author, and whoever clears a world clears what was said there. The text is secret, so
    that a pruned one does not live on in the journal: that keeps its digest.
    """

    world_id: Key[worlds.WorldId]
    message_id: Key[Id]
    channel: Channel
    room: characters.RoomId
    character_id: Id | None
    user_id: Id | None
    author: NameThen
    recipient_character_id: Id | None
    recipient: NameThen | None
    message: Secret[Annotated[str, Meta(min_length=1, max_length=MAX_MESSAGE)]]
    at: EpochMs


class ChatBudget(Record, table="chat_budgets"):
    """How much a character may say: the time at which it has paid for all that it has said."""

    character_id: Key[characters.CharacterId]
    paid_at: EpochMs


class ChatBlock(Record, table="chat_blocks"):
    """Somebody whose whispers do not reach a character, by the name at that moment."""

    character_id: Key[characters.CharacterId]
    blocked_id: Key[Id]
    name: NameThen
    at: EpochMs
