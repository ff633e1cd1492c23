"""Importers: readers of other games' files."""

from .hyperscape import Note, read_hyperscape

__all__ = ["Note", "read_hyperscape"]
