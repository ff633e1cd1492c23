"""Chat: what characters say to a room, to a world and to each other, and how it is cleared away."""

from .commands import Forgotten, Pruned, Said, block, forget_author, forget_user, prune, say, unblock, whisper, yell
from .errors import BlocksFull, MessageNotFound, NotDelivered, NotInRoom, NotInWorld, TextInvalid, TooFast, ToOneself, WorldChanged
from .queries import Around, History, Message, around, blocked, room_history, whispers, world_history
from .records import Channel, ChatBlock, ChatBudget, ChatMessage
from .rules import BURST, MAX_BLOCKS, MESSAGE_MS, checked_text

__all__ = [
    "BURST",
    "MAX_BLOCKS",
    "MESSAGE_MS",
    "Around",
    "BlocksFull",
    "Channel",
    "ChatBlock",
    "ChatBudget",
    "ChatMessage",
    "Forgotten",
    "History",
    "Message",
    "MessageNotFound",
    "NotDelivered",
    "NotInRoom",
    "NotInWorld",
    "Pruned",
    "Said",
    "TextInvalid",
    "ToOneself",
    "TooFast",
    "WorldChanged",
    "around",
    "block",
    "blocked",
    "checked_text",
    "forget_author",
    "forget_user",
    "prune",
    "room_history",
    "say",
    "unblock",
    "whisper",
    "whispers",
    "world_history",
    "yell",
]
