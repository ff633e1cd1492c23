// The characters that every contestant plays with. Ids are those of `character_id(number)` in sql/peer_postgresql.sql.
import crypto from 'node:crypto';
import { command } from './clock.mjs';

export const characterId = (number) => 'c' + crypto.createHash('md5').update(String(number)).digest('hex').slice(0, 23);

const below = (limit) => Math.floor(Math.random() * limit);

// Hashing is no part of the workload, so the ids are made beforehand.
const numbers = ['W4'].includes(command.workload) ? command.hot : command.characters;
export const ids = Array.from({ length: numbers }, (_, index) => characterId(index + 1));
export const dirty = ids.slice(0, command.dirty);
export const anyCharacter = () => ids[below(ids.length)];

/** What a game server saves of a character: position, health and progress. Fresh values, or SQLite would write nothing. */
export function savedFields() {
  const value = below(1000);
  return {
    x: value, y: 2.5, z: value % 77, roomId: 'room_' + (value % 500), health: value % 100, mana: 50, stamina: value % 60, coins: value * 3,
    level: value % 99, totalXp: value * 100, prayerPoints: 5, activePrayers: '["thick_skin"]', questPoints: value % 300, version: value,
    updatedAt: new Date(),
  };
}

/** Two characters, and the item that each of them gives. */
export function anyTrade() {
  const left = below(ids.length);
  const right = (left + 1 + below(ids.length - 1)) % ids.length;
  return { left: ids[left], right: ids[right], gives: 'item_' + below(command.stacks), takes: 'item_' + below(command.stacks) };
}

/** The four stacks that a swap of one unit each way changes, or null if it cannot be done. */
export function stacksOf(rows, { left, right, gives, takes }) {
  const find = (owner, item) => rows.find((row) => row.characterId === owner && row.itemId === item);
  const stacks = { leftGives: find(left, gives), rightGets: find(right, gives), rightGives: find(right, takes), leftGets: find(left, takes) };
  if (!stacks.leftGives || !stacks.rightGets || !stacks.rightGives || !stacks.leftGets) return null;
  return stacks.leftGives.quantity < 1 || stacks.rightGives.quantity < 1 ? null : stacks;
}

const BONUSES = [{ type: 'STREAK_BONUS', multiplier: 1.15, reason: '14 days' }, { type: 'WEEKEND_BONUS', multiplier: 1.1, reason: 'Saturday' }];

/** An award: whose it is, for what, and its base. */
export const anyAward = () => ({ characterId: anyCharacter(), sourceId: crypto.randomBytes(12).toString('hex'), baseXp: 10 + below(490) });

/** What an award leads to, as the fitness game reckons it: the event after the last one, and a row for each bonus. */
export function awarded({ characterId, sourceId, baseXp }, { totalXp, level }, last) {
  let xp = baseXp;
  const modifiers = BONUSES.map((bonus, index) => {
    const before = xp;
    xp = Math.floor(before * bonus.multiplier);
    return { ...bonus, order: index + 1, xpBefore: before, xpAfter: xp };
  });
  const total = totalXp + xp;
  let reached = 1;
  while (Math.floor((115 * (reached + 1) ** 2) / 2) + 25 * (reached + 1) <= total) reached++;
  const content = [characterId, baseXp, xp, last?.eventHash ?? 'genesis', new Date().toISOString()].join(':');
  const event = {
    characterId, sourceId, eventSource: 'QUEST_COMPLETION', baseXp, finalXp: xp, totalXpBefore: totalXp, totalXpAfter: total,
    levelBefore: level, levelAfter: reached, eventHash: crypto.createHash('sha256').update(content).digest('hex'),
  };
  return { event, modifiers };
}
