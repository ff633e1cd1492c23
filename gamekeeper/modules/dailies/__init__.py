"""Dailies: quests of a day or a week, and what each local day of a character comes to: streaks, debuffs and grace."""

from .calendars import Calendar, Calendars, day_now, find_days, find_due, today_of
from .closing import TOUCHES, ClosedDay, Closing, QuestDone, close_day, due_days, judge_day, open_day, state_of
from .commands import Counted, Reported, assign, begin, count, enter, give_up, report, use_grace
from .definitions import Category, PartialReward, QuestTemplate, QuestType, Stat
from .errors import DayClosed, DayNotBegun, NoBrokenStreak, NoGraceTokens, QuestOver, QuestTemplateNotFound
from .queries import DayView, DueCharacter, QuestView, due, history, today, with_strays
from .records import DailyLog, DayState, QuestLog, Status
from .rules import Streaks, after_day, closes_at, is_settled, is_streak_day, share

__all__ = [
    "TOUCHES",
    "Calendar",
    "Calendars",
    "Category",
    "ClosedDay",
    "Closing",
    "Counted",
    "DailyLog",
    "DayClosed",
    "DayNotBegun",
    "DayState",
    "DayView",
    "DueCharacter",
    "NoBrokenStreak",
    "NoGraceTokens",
    "PartialReward",
    "QuestDone",
    "QuestLog",
    "QuestOver",
    "QuestTemplate",
    "QuestTemplateNotFound",
    "QuestType",
    "QuestView",
    "Reported",
    "Stat",
    "Status",
    "Streaks",
    "after_day",
    "assign",
    "begin",
    "close_day",
    "closes_at",
    "count",
    "day_now",
    "due",
    "due_days",
    "enter",
    "find_days",
    "find_due",
    "give_up",
    "history",
    "is_settled",
    "is_streak_day",
    "judge_day",
    "open_day",
    "report",
    "share",
    "state_of",
    "today",
    "today_of",
    "use_grace",
    "with_strays",
]
