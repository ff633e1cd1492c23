// Drizzle on node-postgres, written as its documentation shows, plain or prepared.
import pg from 'pg';
import { drizzle } from 'drizzle-orm/node-postgres';
import { bigint, boolean, integer, jsonb, pgTable, primaryKey, real, text, timestamp } from 'drizzle-orm/pg-core';
import { desc, eq, inArray, relations, sql } from 'drizzle-orm';
import { Refused, command, driveTasks } from './clock.mjs';
import { anyAward, anyCharacter, anyTrade, awarded, dirty, savedFields, stacksOf } from './world.mjs';

const big = (name) => bigint(name, { mode: 'number' });
const serial = () => big('id').generatedByDefaultAsIdentity().primaryKey();
const moment = (name) => timestamp(name, { withTimezone: true }).notNull().defaultNow();

const characters = pgTable('characters', {
  id: text('id').primaryKey(), userId: text('user_id').notNull(), name: text('name').notNull(), rank: text('rank').notNull().default('normal'),
  x: real('x').notNull().default(0), y: real('y').notNull().default(0), z: real('z').notNull().default(0), roomId: text('room_id'),
  power: integer('power').notNull().default(10), speed: integer('speed').notNull().default(10), spirit: integer('spirit').notNull().default(10),
  recovery: integer('recovery').notNull().default(10), level: integer('level').notNull().default(1), totalXp: big('total_xp').notNull().default(0),
  health: integer('health').notNull().default(100), maxHealth: integer('max_health').notNull().default(100), mana: integer('mana').notNull().default(50),
  stamina: integer('stamina').notNull().default(50), coins: big('coins').notNull().default(0), prayerPoints: integer('prayer_points').notNull().default(1),
  prayerMax: integer('prayer_max').notNull().default(1), activePrayers: text('active_prayers').notNull().default('[]'),
  questPoints: integer('quest_points').notNull().default(0), autoRetaliate: boolean('auto_retaliate').notNull().default(true),
  currentStreak: integer('current_streak').notNull().default(0), longestStreak: integer('longest_streak').notNull().default(0),
  state: jsonb('state').notNull().default({}), version: integer('version').notNull().default(0), createdAt: moment('created_at'), updatedAt: moment('updated_at'),
});
const skills = pgTable('character_skills', {
  characterId: text('character_id').notNull(), skill: text('skill').notNull(), level: integer('level').notNull(), xp: big('xp').notNull(),
}, (table) => [primaryKey({ columns: [table.characterId, table.skill] })]);
const inventory = pgTable('character_inventory', {
  id: serial(), characterId: text('character_id').notNull(), itemId: text('item_id').notNull(), quantity: integer('quantity').notNull().default(1),
  slot: integer('slot'), metadata: jsonb('metadata'),
});
const essences = pgTable('character_essences', {
  id: serial(), characterId: text('character_id').notNull(), essenceType: text('essence_type').notNull(), attributeBound: text('attribute_bound').notNull(),
  rankBonded: text('rank_bonded').notNull(), createdAt: moment('created_at'),
});
const abilities = pgTable('character_abilities', {
  id: serial(), characterId: text('character_id').notNull(), essenceId: big('essence_id').notNull(), abilityName: text('ability_name').notNull(),
  currentRank: text('current_rank').notNull(), awakened: boolean('awakened').notNull().default(false), metadata: jsonb('metadata'), createdAt: moment('created_at'),
});
const tradeAudit = pgTable('trade_audit', {
  id: serial(), createdAt: moment('created_at'), fromInventoryId: big('from_inventory_id').notNull(), toInventoryId: big('to_inventory_id').notNull(),
  itemId: text('item_id').notNull(), quantity: integer('quantity').notNull(),
});
const xpEvents = pgTable('xp_events', {
  id: serial(), characterId: text('character_id').notNull(), eventSource: text('event_source').notNull(), sourceId: text('source_id').notNull(),
  baseXp: integer('base_xp').notNull(), finalXp: integer('final_xp').notNull(), totalXpBefore: big('total_xp_before').notNull(),
  totalXpAfter: big('total_xp_after').notNull(), levelBefore: integer('level_before').notNull(), levelAfter: integer('level_after').notNull(),
  eventHash: text('event_hash').notNull(), createdAt: moment('created_at'),
});
const xpModifiers = pgTable('xp_modifiers', {
  id: serial(), xpEventId: big('xp_event_id').notNull(), order: integer('order').notNull(), type: text('type').notNull(),
  multiplier: real('multiplier').notNull(), reason: text('reason').notNull(), xpBefore: integer('xp_before').notNull(), xpAfter: integer('xp_after').notNull(),
});
const of = (table) => ({ fields: [table.characterId], references: [characters.id] });
const schema = {
  characters, skills, inventory, essences, abilities, tradeAudit,
  characterRelations: relations(characters, ({ many }) => ({ skills: many(skills), inventory: many(inventory), essences: many(essences) })),
  skillRelations: relations(skills, ({ one }) => ({ character: one(characters, of(skills)) })),
  inventoryRelations: relations(inventory, ({ one }) => ({ character: one(characters, of(inventory)) })),
  essenceRelations: relations(essences, ({ one, many }) => ({ character: one(characters, of(essences)), abilities: many(abilities) })),
  abilityRelations: relations(abilities, ({ one }) => ({ essence: one(essences, { fields: [abilities.essenceId], references: [essences.id] }) })),
};

const pool = new pg.Pool({ connectionString: command.url, max: command.connections });
const db = drizzle(pool, { schema });

const whole = { skills: true, inventory: true, essences: { with: { abilities: true } } };
const savedColumns = Object.keys(savedFields());
const placeholders = Object.fromEntries(savedColumns.map((column) => [column, sql.placeholder(column)]));
const excluded = Object.fromEntries(savedColumns.map((column) => [column, sql.raw(`excluded.${characters[column].name}`)]));

const load = () => db.query.characters.findFirst({ where: eq(characters.id, anyCharacter()), with: whole });
const loadPrepared = () => {
  const prepared = db.query.characters.findFirst({ where: eq(characters.id, sql.placeholder('id')), with: whole }).prepare('load_character');
  return () => prepared.execute({ id: anyCharacter() });
};

const save = () => db.update(characters).set(savedFields()).where(eq(characters.id, anyCharacter()));
const savePrepared = () => {
  const prepared = db.update(characters).set(placeholders).where(eq(characters.id, sql.placeholder('id'))).prepare('save_character');
  return () => prepared.execute({ id: anyCharacter(), ...savedFields() });
};

const saveAllInLoop = () => db.transaction(async (tx) => {
  for (const id of dirty) await tx.update(characters).set(savedFields()).where(eq(characters.id, id));
});
const saveAllInBatch = () => db.insert(characters)
  .values(dirty.map((id, index) => ({ id, userId: 'u', name: 'Hero ' + (index + 1), ...savedFields() })))
  .onConflictDoUpdate({ target: characters.id, set: excluded });

const trade = () => {
  const wish = anyTrade();
  return db.transaction(async (tx) => {
    const rows = await tx.select({ id: inventory.id, characterId: inventory.characterId, itemId: inventory.itemId, quantity: inventory.quantity })
      .from(inventory).where(inArray(inventory.characterId, [wish.left, wish.right])).orderBy(inventory.id).for('update');
    const stacks = stacksOf(rows, wish);
    if (!stacks) throw new Refused('not enough');
    const add = (stack, amount) => tx.update(inventory).set({ quantity: sql`${inventory.quantity} + ${amount}` }).where(eq(inventory.id, stack.id));
    await add(stacks.leftGives, -1);
    await add(stacks.rightGets, 1);
    await add(stacks.rightGives, -1);
    await add(stacks.leftGets, 1);
    await tx.insert(tradeAudit).values([
      { fromInventoryId: stacks.leftGives.id, toInventoryId: stacks.rightGets.id, itemId: wish.gives, quantity: 1 },
      { fromInventoryId: stacks.rightGives.id, toInventoryId: stacks.leftGets.id, itemId: wish.takes, quantity: 1 },
    ]);
  });
};

const award = () => {
  const wish = anyAward();
  return db.transaction(async (tx) => {
    const [who] = await tx.select({ totalXp: characters.totalXp, level: characters.level }).from(characters)
      .where(eq(characters.id, wish.characterId)).for('update');
    const [last] = await tx.select({ eventHash: xpEvents.eventHash }).from(xpEvents)
      .where(eq(xpEvents.characterId, wish.characterId)).orderBy(desc(xpEvents.id)).limit(1);
    const { event, modifiers } = awarded(wish, who, last);
    const [made] = await tx.insert(xpEvents).values(event).returning({ id: xpEvents.id });
    await tx.insert(xpModifiers).values(modifiers.map((row) => ({ ...row, xpEventId: made.id })));
    await tx.update(characters).set({ totalXp: event.totalXpAfter, level: event.levelAfter }).where(eq(characters.id, wish.characterId));
  });
};

const operations = {
  'W1 plain': () => load, 'W1 prepared': loadPrepared, 'W2 plain': () => save, 'W2 prepared': savePrepared,
  'W3 loop': () => saveAllInLoop, 'W3 batch': () => saveAllInBatch, 'W4 plain': () => trade, 'W5 plain': () => award,
};
await driveTasks(`Drizzle ${command.variant}`, operations[`${command.workload} ${command.variant}`]());
await pool.end();
