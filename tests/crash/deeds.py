"""What characters do besides trading: they die and take back what was lost, bring things to the bank and fetch them, and do quests.

All of it is told by the rows that it leaves, so that what was done by half shows.
"""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Call
from gamekeeper.modules import banks, combat, content, items, quests, skills, worlds, xp
from tests.crash.bank import Bank
from tests.modules import scene

PEOPLE = 24
CARRIED = [items.Line("arrow", 40), items.Line("crown", 1), items.Line("coins", 30, "bank:0"), items.Line("arrow", 60, "bank:0")]
PAY = 5
XP = 50

CHORE = quests.QuestDefinition(
    id="chore",
    name="Sweeping",
    replayable=True,
    stages=(quests.Stage(id="sweep", type="interact", target="broom"),),
    rewards=quests.Rewards(quest_points=1, xp={"attack": XP}, items=(quests.ItemAmount("coins", PAY),)),
)
CURVE = xp.CurveDefinition(id="runescape", name="RuneScape", formula="runescape")
ATTACK = skills.SkillDefinition(id="attack", name="Attack", curve="runescape")


async def found_deeds(keep: Keep) -> Bank:
    """Make the characters, their bank accounts and a world with a ground."""
    await scene.stock(keep)
    await keep.do(content.load_pack(pack=scene.pack(CURVE, ATTACK, CHORE, id="deeds")))
    await keep.do(worlds.create_world(world="world", name="World"))
    syllables = [consonant + vowel for vowel in "aeou" for consonant in "bdfgkmnprstvz"]
    people = await scene.people(keep, *(f"Doer {syllable}" for syllable in syllables[:PEOPLE]))
    await keep.do(*(items.grant_many(holder=one, items=CARRIED, source="starter") for one in people))
    return Bank(people, "world", {"arrow": 100 * PEOPLE, "coins": 30 * PEOPLE, "crown": PEOPLE})


def deed(bank: Bank, dice: random.Random) -> Call[Any]:
    """One thing that one of them does; many are refused, because it is not the time for it."""
    who = dice.choice(bank.people)
    kinds: tuple[Callable[[], Call[Any]], ...] = (
        lambda: combat.die(character=who, keeps=0),
        lambda: combat.recover(character=who),
        lambda: banks.withdraw(character=who, slot=dice.randint(0, 1), placeholder=True),
        lambda: banks.deposit(character=who, item=dice.choice(["arrow", "coins"])),
        lambda: quests.start(character=who, quest="chore"),
        lambda: quests.advance(character=who, quest="chore", stage="sweep"),
        lambda: quests.complete(character=who, quest="chore"),
    )
    return dice.choice(kinds)()


def named(bank: Bank, key: str) -> str:
    """The name of the command that a key stands for."""
    return deed(bank, random.Random(key)).command.name


async def supply_now(keep: Keep, bank: Bank) -> Bank:
    """What there must be by now: as much as in the beginning, and what quests have paid."""
    paid = sum([await _completed(keep, one) for one in bank.people])
    return msgspec.structs.replace(bank, supply=bank.supply | {"coins": bank.supply["coins"] + PAY * paid})


async def _completed(keep: Keep, who: str) -> int:
    row = await keep.reader.get(quests.QuestProgress, who, "chore")
    return 0 if row is None else row.times_completed


async def half_done(keep: Keep, bank: Bank) -> list[str]:
    """All of the deaths, accounts and quests of which only a part is there."""
    wrong = []
    for one in bank.people:
        wrong += [f"{one}: {fault}" for fault in (*await _deaths(keep, one), *await _account(keep, one), *await _quest(keep, one))]
    return wrong


async def _deaths(keep: Keep, who: str) -> list[str]:
    """An open death has its gravestone, and a gravestone that nobody has been at holds what was lost."""
    rows = await keep.reader.all(combat.PlayerDeath, who)
    lock = await keep.reader.get(combat.DeathLock, who)
    standing = [row for row in rows if row.status == "open"]
    if [row.death_id for row in standing] != ([] if lock is None or lock.death_id is None else [lock.death_id]):
        return ["the open death is not the one of the lock"]
    wrong = []
    for row in rows:
        inside = await keep.ask(items.inventory(holder=row.gravestone_id)) if row.gravestone_id else []
        count = sum(one.quantity for one in inside)
        whole = count == row.item_count if row.recovered_at is None else 0 < count < row.item_count
        if not (whole if row.status == "open" else count == 0):
            wrong.append(f"a death that is {row.status} took {row.item_count}, and its gravestone holds {count}")
    return wrong


async def _account(keep: Keep, who: str) -> list[str]:
    """Both slots hold what they are for, or wait for it."""
    lying = {row.slot: row.item for row in await keep.ask(items.inventory(holder=who)) if row.container == "bank:0"}
    waiting = {row.slot: row.item_id for row in await keep.reader.all(banks.BankPlaceholder, who)}
    if lying.keys() & waiting.keys() or lying | waiting != {0: "coins", 1: "arrow"}:
        return [f"the bank holds {lying} and waits for {waiting}"]
    return []


async def _quest(keep: Keep, who: str) -> list[str]:
    """What was paid of everything is as much as what was completed."""
    log = Counter(row.action for row in await keep.reader.all(quests.QuestAuditLog, who))
    points = {row.quest_points_awarded for row in await keep.reader.all(quests.QuestAuditLog, who) if row.action == "completed"}
    row = await keep.reader.get(skills.CharacterSkill, who, "attack")
    moved = [one for one in (await keep.ask(items.movements(holder=who, limit=200))).items if one.from_id == "mint:quest"]
    done = await _completed(keep, who)
    told = (log["completed"], 0 if row is None else row.xp // XP, len(moved))
    return [] if told == (done, done, done) and points <= {1} else [f"completed {done} times, and paid {told}"]
