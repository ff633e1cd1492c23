"""Evening: the close of characters' days, with all that ends, is judged or is earned when a day is over."""

from .commands import MOST_CHARACTERS, DaysClosed, close_days

__all__ = ["MOST_CHARACTERS", "DaysClosed", "close_days"]
