"""Mossbrook, the village that `gamekeeper dev` begins with: who lives there, what they have and what they agreed on."""

from typing import Final, Literal

from msgspec import Struct

WORLD: Final = "mossbrook"
TITLE: Final = "Mossbrook"

Calling = Literal["miner", "woodcutter", "angler", "guard", "archer", "herbalist", "trader", "cook", "wanderer"]
Ending = Literal["completed", "confirm", "offer", "request", "declined", "cancelled"]
"""How far a trade went: to its end, to the screen on which it stands open, or until somebody left."""


class Kit(Struct, frozen=True):
    """What somebody of a calling wears, carries and has in the purse."""

    wears: tuple[str, ...]
    carries: dict[str, int]
    coins: int
    room: str
    bank: dict[str, int] = {}
    quiver: dict[str, int] = {}
    """worn too, but more than one of it"""


class Bargain(Struct, frozen=True):
    """A trade: what either side offers, and how it ended."""

    asks: str
    answers: str
    gives: dict[str, int]
    gets: dict[str, int]
    ending: Ending


KITS: Final[dict[Calling, Kit]] = {
    "miner": Kit(("miners_pick", "bronze_cap"), {"tin_ore": 4, "copper_ore": 3, "mill_loaf": 2}, 35, "mine", {"bog_iron": 3}),
    "woodcutter": Kit(("hatchet", "hedgers_gloves"), {"willow_logs": 6, "hearthoak_logs": 2, "tinderbox": 1}, 28, "wood"),
    "angler": Kit(("marsh_boots",), {"fishing_rod": 1, "earthworms": 40, "raw_minnow": 5, "smoked_lake_trout": 2}, 22, "lake"),
    "guard": Kit(("iron_longsword", "barrel_lid_shield", "bronze_cap", "quilted_jack"), {"mill_loaf": 3, "mending_draught": 1}, 60, "gate"),
    "archer": Kit(("willow_bow", "shepherds_cloak"), {"smoked_lake_trout": 2}, 40, "wood", quiver={"goose_arrows": 80}),
    "herbalist": Kit(("rowan_staff",), {"millwort": 5, "candlecap": 3, "empty_vial": 4, "mending_draught": 2}, 45, "marsh"),
    "trader": Kit(
        ("garnet_ring", "shepherds_cloak"),
        {"bronze_bar": 4, "rough_garnet": 2, "lake_sapphire": 1, "candlelight_tonic": 2},
        420,
        "square",
        {"bronze_shortsword": 3, "quilted_breeches": 2},
    ),
    "cook": Kit(("hedgers_gloves",), {"mill_loaf": 6, "fried_minnow": 4, "burnt_fish": 1}, 31, "mill"),
    "wanderer": Kit(("bronze_shortsword", "marsh_boots", "shepherds_cloak"), {"tinderbox": 1, "mill_loaf": 1}, 12, "ferry"),
}

TRAINED: Final[dict[Calling, dict[str, int]]] = {
    "miner": {"mining": 2_411},
    "woodcutter": {"woodcutting": 3_115, "strength": 388},
    "angler": {"fishing": 2_107},
    "guard": {"attack": 1_358, "strength": 1_154},
    "herbalist": {"magic": 650},
}
"""The experience that a calling brings with it."""

PEOPLE: Final[tuple[tuple[str, Calling], ...]] = (
    ("Wren Tallow", "trader"),
    ("Osric Fenn", "miner"),
    ("Mabyn Hollowell", "herbalist"),
    ("Tamsin Oakapple", "woodcutter"),
    ("Corvin Reed", "angler"),
    ("Isolde Marchbank", "guard"),
    ("Pell", "wanderer"),
    ("Hester Quillon", "cook"),
    ("Bram Underhay", "miner"),
    ("Linnet Sparrowhawk", "archer"),
    ("Old Jory", "angler"),
    ("Sorrel Vane", "herbalist"),
    ("Dunstan Pike", "guard"),
    ("Ottoline Bray", "trader"),
    ("Fitch", "wanderer"),
    ("Rosamund Thorne", "woodcutter"),
    ("Alder Greywater", "angler"),
    ("Nessa Coldbrook", "miner"),
    ("Garrick Stobb", "cook"),
    ("Ysolt the Younger", "archer"),
    ("Merrin Duskwood", "woodcutter"),
    ("Cob Wainwright", "trader"),
    ("Elowen Marsh", "herbalist"),
    ("Tobias Kettle", "cook"),
    ("Hale Ironside", "guard"),
    ("Petronel Swift", "archer"),
    ("Jem Larkin", "wanderer"),
    ("Avice Penhallow", "trader"),
    ("Rook Ashby", "miner"),
    ("Sunniva Dell", "herbalist"),
    ("Wat Tinker", "miner"),
    ("Briony Catchpole", "guard"),
    ("Lorcan Mist", "angler"),
    ("Dorrit Yarrow", "herbalist"),
    ("Edric Holt", "woodcutter"),
    ("Maud of the Ferry", "angler"),
    ("Silas Grimble", "trader"),
    ("Fenella Brook", "cook"),
    ("Hob Gadling", "wanderer"),
    ("Perrin Stile", "archer"),
    ("Gwenith Moor", "woodcutter"),
    ("Tam o' the Mill", "cook"),
    ("Ravenna Sedge", "herbalist"),
    ("Ludo Copperpot", "trader"),
    ("Anselm Birch", "woodcutter"),
    ("Kestrel Downs", "archer"),
    ("Ebba Stonecrop", "miner"),
    ("Marlo Finch", "wanderer"),
    ("Thessaly Rime", "guard"),
    ("Jossamy Wick", "cook"),
)

PLAYERS: Final[tuple[str, ...]] = ("marigold", "thistle.down", "old_mill", "foxglove")
"""Who plays some of them: the first ones, four each. The others belong to nobody, as a game's own people do."""
CHARACTERS_EACH: Final = 4

TREASURES: Final[tuple[tuple[str, str], ...]] = (
    ("Hale Ironside", "wheelwrights_hammer"),
    ("Maud of the Ferry", "lantern_of_the_last_ferry"),
    ("Thessaly Rime", "crown_of_bramble"),
)
"""Each of a kind, with an id for life."""

BARGAINS: Final[tuple[Bargain, ...]] = (
    Bargain("Osric Fenn", "Wren Tallow", {"tin_ore": 3}, {"coins": 18}, "completed"),
    Bargain("Tamsin Oakapple", "Hester Quillon", {"willow_logs": 4}, {"mill_loaf": 3}, "completed"),
    Bargain("Corvin Reed", "Garrick Stobb", {"raw_minnow": 5}, {"coins": 12, "fried_minnow": 1}, "completed"),
    Bargain("Mabyn Hollowell", "Isolde Marchbank", {"mending_draught": 1}, {"coins": 25}, "completed"),
    Bargain("Linnet Sparrowhawk", "Ottoline Bray", {"coins": 30}, {"rough_garnet": 1}, "completed"),
    Bargain("Bram Underhay", "Cob Wainwright", {"copper_ore": 3, "tin_ore": 2}, {"bronze_bar": 1}, "completed"),
    Bargain("Sorrel Vane", "Dunstan Pike", {"millwort": 2, "candlecap": 1}, {"coins": 15}, "completed"),
    Bargain("Avice Penhallow", "Rosamund Thorne", {"coins": 60}, {"hearthoak_logs": 2}, "confirm"),
    Bargain("Elowen Marsh", "Silas Grimble", {"mending_draught": 2}, {"candlelight_tonic": 1}, "offer"),
    Bargain("Pell", "Ludo Copperpot", {}, {}, "request"),
    Bargain("Nessa Coldbrook", "Tobias Kettle", {"tin_ore": 1}, {"mill_loaf": 1}, "cancelled"),
    Bargain("Fitch", "Petronel Swift", {}, {}, "declined"),
)

FALLEN: Final[tuple[tuple[str, str], ...]] = (
    ("Rook Ashby", "copper_ore"),
    ("Merrin Duskwood", "willow_logs"),
    ("Alder Greywater", "smoked_lake_trout"),
    ("Edric Holt", "hearthoak_logs"),
    ("Fenella Brook", "burnt_fish"),
    ("Dorrit Yarrow", "candlecap"),
)
"""Who let what fall to the ground."""


def id_of(name: str) -> str:
    """Give the id of somebody in Mossbrook.

    >>> id_of("Tam o' the Mill")
    'tam-o-the-mill'
    """
    return "-".join(name.lower().replace("'", "").split())
