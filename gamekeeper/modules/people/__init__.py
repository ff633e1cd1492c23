"""People: whole persons over all modules, who leave, are handed out what is kept of them, and are forgotten when they want to be."""

from .archive import Exportable, Writable, export
from .commands import Erased, ErasedDue, LoggedOut, erase, erase_due, log_out, log_out_everywhere
from .rules import ERASE_LIMIT, PAGE

__all__ = [
    "ERASE_LIMIT",
    "PAGE",
    "Erased",
    "ErasedDue",
    "Exportable",
    "LoggedOut",
    "Writable",
    "erase",
    "erase_due",
    "export",
    "log_out",
    "log_out_everywhere",
]
