"""A small world for the Studio's tests, made by commands only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.modules import characters, chat, content, items, moderation, sessions, skills, trades, users, worlds

DAY_SECONDS = 86_400.0

PAYLOADS = (
    "<script>window.owned=1</script>",
    '"><script>window.owned=1</script>',
    "'><img src=x onerror=window.owned=1>",
    "<img src=x onerror=window.owned=1>",
    "<svg onload=window.owned=1>",
    "<svg><script>window.owned=1</script></svg>",
    "</title><script>window.owned=1</script>",
    "</textarea><script>window.owned=1</script>",
    "</style><script>window.owned=1</script>",
    "<iframe srcdoc='<script>parent.owned=1</script>'></iframe>",
    "<a href='javascript:window.owned=1'>click</a>",
    "<body onload=window.owned=1>",
    "<details open ontoggle=window.owned=1>",
    "<input autofocus onfocus=window.owned=1>",
    "<math><mtext><script>window.owned=1</script></mtext></math>",
    "{{ 7 * 7 }}{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
    "${window.owned=1}`${window.owned=1}`",
    "<div hx-get='/' hx-trigger='load' hx-on:load='window.owned=1'></div>",
    "<base href='https://example.invalid/'>",
    "<meta http-equiv=refresh content='0;url=https://example.invalid/'>",
    "javascript:window.owned=1",
    "\u202egnp.exe\u202c\u200b\u0007<b>bold</b>",
)
"""What a player may write where a player writes; `window.owned` tells whether any of it ran."""


class World(Struct):
    """Who lives in the world."""

    ada: str
    bob: str
    gone: str
    mallory: str
    """whose every text wants to run"""
    user: str
    hammer: str
    """the id of a unique item"""
    traded: str
    """a completed trade"""
    offered: str
    """an open one"""
    troll: str
    """a user who is banned, with a long name and a note of staff"""
    leaving: str
    """a guest who wants to be forgotten"""
    said: str
    """a message"""
    whispered: str
    """a whisper"""


async def seed(keep: Keep, clock: ManualClock) -> World:
    """Fill a keep."""
    pack = content.read_pack(Path(content.__file__).parent / "starter")
    definitions = [one for kind in content.KINDS.values() for one in pack.of(kind.type)]
    relic = content.ItemDefinition(id="old_relic", name="Old relic")
    with_relic = content.pack_of(*definitions, relic, id=pack.id, version=pack.version, title=pack.title)
    await keep.do(content.load_pack(pack=with_relic), actor="operator:seed")
    user = (await keep.do(users.register(username="Rowan", password="correct horse battery"))).user_id
    await keep.do(worlds.create_world(name="Mossbrook", world="world"), actor="operator:seed")
    ada = await _character(keep, "Ada Thornfield", user)
    bob = await _character(keep, "Bob of the Mill", None)
    gone = await _character(keep, "Edda Long Gone", None)
    mallory = await _character(keep, "Mallory", None)
    await _hostile(keep, mallory)
    for name in ("Clara Reed", "Dorn", "Fenn Ashby", "Gerda", "Hale", "Imke", "Jorun"):
        await _character(keep, name, user if len(name) > 4 else None)
    await keep.do(characters.delete(character=gone), actor="operator:seed", reason="asked for it by mail")
    await _outfit(keep, ada)
    hammer = (await keep.do(items.grant(holder=bob, item="wheelwrights_hammer", quantity=1, source="boss"))).item_uids[0]
    await keep.do(items.grant(holder=bob, item="smoked_lake_trout", quantity=3, source="loot"))
    await _days(keep, clock, ada, bob)
    await keep.do(items.grant(holder=ada, item="old_relic", quantity=1, source="event"))
    await keep.do(content.load_pack(pack=pack), actor="operator:seed", reason="the event is over")
    traded = await _trade(keep, clock, ada, bob)
    clock.move(30)
    offered = (await keep.do(trades.request(initiator=bob, receiver=ada))).trade_id
    await keep.do(trades.respond(character=ada, trade=offered, accept=True))
    await keep.do(trades.offer(character=bob, trade=offered, items=[trades.OfferedItem(1, 1)]))
    clock.move(95)
    troll, leaving = await _people(keep, clock, user, ada)
    said, whispered = await _talk(keep, clock, ada, bob, mallory)
    await keep.do(characters.move_to(character=ada, room_id="mill/upper", x=12.5, y=1.0, z=-7.25))
    return World(ada, bob, gone, mallory, user, hammer, traded, offered, troll, leaving, said, whispered)


async def _people(keep: Keep, clock: ManualClock, user: str, ada: str) -> tuple[str, str]:
    """Sessions, bans and notes, and somebody who leaves."""
    troll = (await keep.do(users.register(username="Wolfeschlegelsteinhausenbergerdo", password="correct horse battery"))).user_id
    leaving = (await keep.do(users.create_guest())).user_id
    await keep.do(moderation.ban(user=user, reason="a mistake", preset="day"), actor="operator:tess")
    await keep.do(moderation.unban(user=user, reason="it was somebody else"), actor="operator:otto")
    await keep.do(sessions.open_session(user=leaving, client_type="unity", ip_address="2001:db8:85a3:8d3:1319:8a2e:370:7348"))
    opened = await keep.do(sessions.open_session(user=user, client_type="web", ip_address="192.0.2.77", user_agent=PAYLOADS[3]))
    await keep.do(characters.select(user=user, session_id=opened.session_id, character=ada))
    await keep.do(sessions.open_session(user=user, client_type="launcher", ip_address=PAYLOADS[3], long_lived=True))
    clock.move(4000)
    await keep.do(moderation.ban(user=troll, reason=PAYLOADS[0], preset="hour"), actor="operator:tess")
    clock.move(4000)
    why = "sold gold in the market, again and again, in spite of two warnings by two moderators"
    await keep.do(moderation.ban(user=troll, reason=why, preset="permanent"), actor="operator:tess")
    await keep.do(moderation.add_note(user=troll, text="\n".join(PAYLOADS[:-1])), actor="operator:tess")
    await keep.do(moderation.add_note(user=troll, text="Says that a brother did it.\n\nThe brother says so too."), actor="operator:otto")
    await keep.do(users.request_deletion(user=leaving))
    return troll, leaving


async def _talk(keep: Keep, clock: ManualClock, ada: str, bob: str, mallory: str) -> tuple[str, str]:
    """Something of everything that is said."""
    for payload in PAYLOADS[:-1]:
        clock.move(3)
        await keep.do(chat.say(character=mallory, message=payload))
    await keep.do(chat.yell(character=bob, message="Market day at the mill!"))
    said = (
        await keep.do(chat.say(character=ada, message="Who left the sluice open? " + "The whole lower floor is under water. " * 6))
    ).message_id
    await keep.do(chat.say(character=bob, message="W" * 200))
    whispered = (await keep.do(chat.whisper(character=bob, recipient=ada, message="It was me."))).message_id
    await keep.do(chat.whisper(character=ada, recipient=bob, message="I knew it."))
    return said, whispered


async def _character(keep: Keep, name: str, user: str | None) -> str:
    return (await keep.do(characters.create(name=name, user=user))).character_id


async def _outfit(keep: Keep, ada: str) -> None:
    await keep.do(skills.gain_many(character=ada, gains={"attack": 2_000, "strength": 2_000}))
    for item in ("iron_longsword", "barrel_lid_shield", "bronze_cap", "quilted_jack", "marsh_boots", "river_pearl_amulet"):
        slot = (await keep.do(items.grant(holder=ada, item=item, quantity=1, source="starter"))).slots[0]
        await keep.do(items.equip(character=ada, slot=slot))
    for item, quantity in (("willow_logs", 3), ("bog_iron", 5), ("mill_loaf", 4), ("lake_sapphire", 1), ("mending_draught", 2)):
        await keep.do(items.grant(holder=ada, item=item, quantity=quantity, source="loot"), reason="a good day")
    await keep.do(items.grant(holder=ada, item="goose_arrows", quantity=350, source="shop"))
    await keep.do(items.grant(holder=ada, item="miners_pick", quantity=1, source="craft", metadata={"maker": "Gerda", "charges": 12}))
    await keep.do(characters.set_vitals(character=ada, vitals={"health": 64_50, "mana": 20_00}))
    for attribute, base in (("strength", 14), ("agility", 11), ("spirit", 9)):
        await keep.do(characters.set_attribute(character=ada, attribute=attribute, base=base, bonus=2 if attribute == "agility" else 0))


async def _days(keep: Keep, clock: ManualClock, ada: str, bob: str) -> None:
    for day in range(18):
        clock.move(DAY_SECONDS)
        await keep.do(items.grant(holder=ada, item="coins", quantity=400 + 90 * (day * 7 % 5), source="loot", container="pouch"))
        await keep.do(items.use_up(holder=ada, item="coins", quantity=150 + 70 * (day * 5 % 4), sink="shop", container="pouch"))
    await keep.do(items.grant(holder=bob, item="goose_arrows", quantity=2**31 - 1, source="event"))


async def _trade(keep: Keep, clock: ManualClock, ada: str, bob: str) -> str:
    trade = (await keep.do(trades.request(initiator=ada, receiver=bob))).trade_id
    await keep.do(trades.respond(character=bob, trade=trade, accept=True))
    await keep.do(trades.offer(character=bob, trade=trade, items=[trades.OfferedItem(0, 1)]))
    clock.move(12)
    stage = await keep.do(trades.offer(character=ada, trade=trade, items=[trades.OfferedItem(0, 500, container="pouch")]))
    for revision in (stage.revision, stage.revision + 1):
        for character in (ada, bob):
            await keep.do(trades.accept(character=character, trade=trade, revision=revision))
    return trade


async def _hostile(keep: Keep, mallory: str) -> None:
    """Everything that a player or a game server may fill with text of their own."""
    for number, payload in enumerate(PAYLOADS):
        metadata: dict[str, Any] = {f"key{number}" if number % 2 else payload[:20]: payload}
        await keep.do(items.grant(holder=mallory, item="candlecap", quantity=1, source="loot", metadata=metadata), reason=payload)
        await keep.do(characters.set_setting(character=mallory, name=f"note.{number}", value=payload), actor=payload, reason=payload)
    offer = [trades.OfferedItem(slot, 1) for slot in range(len(PAYLOADS))]
    other = await _character(keep, "Trent", None)
    trade = (await keep.do(trades.request(initiator=mallory, receiver=other))).trade_id
    await keep.do(trades.respond(character=other, trade=trade, accept=True))
    await keep.do(trades.offer(character=mallory, trade=trade, items=offer), reason=PAYLOADS[0])
