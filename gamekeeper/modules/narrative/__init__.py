"""Narrative: what a game says to its players, in texts with places for names and numbers."""

from .errors import NarrativeNotFound
from .queries import Told, list_texts, tell
from .records import Category, NarrativeDefinition
from .rules import placeholders, told

__all__ = [
    "Category",
    "NarrativeDefinition",
    "NarrativeNotFound",
    "Told",
    "list_texts",
    "placeholders",
    "tell",
    "told",
]
