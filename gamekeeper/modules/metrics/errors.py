"""What can go wrong with metrics."""

from gamekeeper.errors import GameError


class UnknownMetric(GameError):
    """No pack defines this metric."""

    code = "UNKNOWN_METRIC"
    metric: str


class MetricIsMark(GameError):
    """This metric follows from others, and nobody reports it."""

    code = "METRIC_IS_MARK"
    metric: str


class MetricOutOfRange(GameError):
    """The value is not within the metric's bounds."""

    code = "METRIC_OUT_OF_RANGE"
    metric: str
    value: str
    minimum: str
    maximum: str


class DayNotOpen(GameError):
    """The day is closed already, or has not begun."""

    code = "DAY_NOT_OPEN"
    day: str
    earliest: str
    latest: str


class TooManySources(GameError):
    """More sources have reported this metric for one day than are kept apart."""

    code = "TOO_MANY_SOURCES"
    metric: str
    day: str
    most: int
