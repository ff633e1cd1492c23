"""Combat: what was killed, who has died, and the gravestones that hold what was lost."""

from .commands import Died, Expired, Kills, Recovered, count_kills, die, expire_gravestones, kill, recover
from .errors import AlreadyDead, DeathChanged, GravestoneProtected, NoGravestone
from .queries import OpenDeath, deaths, gravestones, kills, open_death
from .records import GRAVESTONE, DeathLock, DeathStatus, KilledBy, NpcKill, PlayerDeath, ZoneType
from .rules import PROTECTION_MS, RESPAWN_MS

__all__ = [
    "GRAVESTONE",
    "PROTECTION_MS",
    "RESPAWN_MS",
    "AlreadyDead",
    "DeathChanged",
    "DeathLock",
    "DeathStatus",
    "Died",
    "Expired",
    "GravestoneProtected",
    "KilledBy",
    "Kills",
    "NoGravestone",
    "NpcKill",
    "OpenDeath",
    "PlayerDeath",
    "Recovered",
    "ZoneType",
    "count_kills",
    "deaths",
    "die",
    "expire_gravestones",
    "gravestones",
    "kill",
    "kills",
    "open_death",
    "recover",
]
