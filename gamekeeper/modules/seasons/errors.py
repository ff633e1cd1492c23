"""What can go wrong with seasons."""

from gamekeeper.errors import GameError, Kind, OwnerNotFound


class SeasonNotFound(OwnerNotFound):
    """There is no such season, or it has not been started yet."""

    code = "SEASON_NOT_FOUND"


class UnknownSeason(GameError):
    """No pack defines this season."""

    code = "UNKNOWN_SEASON"
    season: str


class SeasonsClash(GameError):
    """Another season is on at a time when this one is; only their packs can put that right."""

    code = "SEASONS_CLASH"
    season: str
    other: str


class SeasonStillOn(GameError):
    """The season is not over yet; to end it sooner, change its `ends_at` in the pack first."""

    code = "SEASON_STILL_ON"
    season: str
    until: int


class SeasonNotClosed(GameError):
    """The season's standing is not complete yet."""

    code = "SEASON_NOT_CLOSED"
    kind = Kind.STALE
    season: str


class NotInSeason(GameError):
    """The character has no part in the season's standing."""

    code = "NOT_IN_SEASON"
    character: str
    season: str


class NoSeasonReward(GameError):
    """The season has no reward for this rank."""

    code = "NO_SEASON_REWARD"
    season: str
    rank: int


class SeasonRewardClaimed(GameError):
    """The season's reward has been claimed already."""

    code = "SEASON_REWARD_CLAIMED"
    season: str
    claimed_at: int | None


class Disqualified(GameError):
    """The character was taken off the season's board."""

    code = "DISQUALIFIED"
    character: str
    season: str
