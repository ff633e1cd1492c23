"""People: whole persons over all modules, who are handed out what is kept of them and forgotten when they want to be."""

from .archive import Exportable, Writable, export
from .commands import Erased, ErasedDue, erase, erase_due
from .rules import ERASE_LIMIT, PAGE

__all__ = [
    "ERASE_LIMIT",
    "PAGE",
    "Erased",
    "ErasedDue",
    "Exportable",
    "Writable",
    "erase",
    "erase_due",
    "export",
]
