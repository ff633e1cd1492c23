// Drizzle on better-sqlite3, written as its documentation shows, plain or prepared. The driver is synchronous: one loop.
import Database from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { integer, primaryKey, real, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { desc, eq, inArray, relations, sql } from 'drizzle-orm';
import { Refused, command, driveLoop } from './clock.mjs';
import { anyAward, anyCharacter, anyTrade, awarded, dirty, savedFields, stacksOf } from './world.mjs';

const flag = (name) => integer(name, { mode: 'boolean' }).notNull();
const json = (name) => text(name, { mode: 'json' });
const moment = (name) => integer(name, { mode: 'timestamp_ms' }).notNull().default(new Date(0));

const characters = sqliteTable('characters', {
  id: text('id').primaryKey(), userId: text('user_id').notNull(), name: text('name').notNull(), rank: text('rank').notNull().default('normal'),
  x: real('x').notNull().default(0), y: real('y').notNull().default(0), z: real('z').notNull().default(0), roomId: text('room_id'),
  power: integer('power').notNull().default(10), speed: integer('speed').notNull().default(10), spirit: integer('spirit').notNull().default(10),
  recovery: integer('recovery').notNull().default(10), level: integer('level').notNull().default(1), totalXp: integer('total_xp').notNull().default(0),
  health: integer('health').notNull().default(100), maxHealth: integer('max_health').notNull().default(100), mana: integer('mana').notNull().default(50),
  stamina: integer('stamina').notNull().default(50), coins: integer('coins').notNull().default(0), prayerPoints: integer('prayer_points').notNull().default(1),
  prayerMax: integer('prayer_max').notNull().default(1), activePrayers: text('active_prayers').notNull().default('[]'),
  questPoints: integer('quest_points').notNull().default(0), autoRetaliate: flag('auto_retaliate').default(true),
  currentStreak: integer('current_streak').notNull().default(0), longestStreak: integer('longest_streak').notNull().default(0),
  state: json('state').notNull().default({}), version: integer('version').notNull().default(0), createdAt: moment('created_at'), updatedAt: moment('updated_at'),
});
const skills = sqliteTable('character_skills', {
  characterId: text('character_id').notNull(), skill: text('skill').notNull(), level: integer('level').notNull(), xp: integer('xp').notNull(),
}, (table) => [primaryKey({ columns: [table.characterId, table.skill] })]);
const inventory = sqliteTable('character_inventory', {
  id: integer('id').primaryKey(), characterId: text('character_id').notNull(), itemId: text('item_id').notNull(),
  quantity: integer('quantity').notNull().default(1), slot: integer('slot'), metadata: json('metadata'),
});
const essences = sqliteTable('character_essences', {
  id: integer('id').primaryKey(), characterId: text('character_id').notNull(), essenceType: text('essence_type').notNull(),
  attributeBound: text('attribute_bound').notNull(), rankBonded: text('rank_bonded').notNull(), createdAt: moment('created_at'),
});
const abilities = sqliteTable('character_abilities', {
  id: integer('id').primaryKey(), characterId: text('character_id').notNull(), essenceId: integer('essence_id').notNull(),
  abilityName: text('ability_name').notNull(), currentRank: text('current_rank').notNull(), awakened: flag('awakened').default(false),
  metadata: json('metadata'), createdAt: moment('created_at'),
});
const tradeAudit = sqliteTable('trade_audit', {
  id: integer('id').primaryKey(), createdAt: integer('created_at').notNull().default(sql`(unixepoch())`), fromInventoryId: integer('from_inventory_id').notNull(),
  toInventoryId: integer('to_inventory_id').notNull(), itemId: text('item_id').notNull(), quantity: integer('quantity').notNull(),
});
const xpEvents = sqliteTable('xp_events', {
  id: integer('id').primaryKey(), characterId: text('character_id').notNull(), eventSource: text('event_source').notNull(),
  sourceId: text('source_id').notNull(), baseXp: integer('base_xp').notNull(), finalXp: integer('final_xp').notNull(),
  totalXpBefore: integer('total_xp_before').notNull(), totalXpAfter: integer('total_xp_after').notNull(),
  levelBefore: integer('level_before').notNull(), levelAfter: integer('level_after').notNull(), eventHash: text('event_hash').notNull(),
  createdAt: integer('created_at').notNull().default(sql`(unixepoch())`),
});
const xpModifiers = sqliteTable('xp_modifiers', {
  id: integer('id').primaryKey(), xpEventId: integer('xp_event_id').notNull(), order: integer('order').notNull(), type: text('type').notNull(),
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

const file = new Database(command.url);
for (const pragma of ['journal_mode = wal', 'synchronous = full', 'cache_size = -65536', 'mmap_size = 268435456']) file.pragma(pragma);
const db = drizzle(file, { schema });

const whole = { skills: true, inventory: true, essences: { with: { abilities: true } } };
const savedColumns = Object.keys(savedFields());
const placeholders = Object.fromEntries(savedColumns.map((column) => [column, sql.placeholder(column)]));
const excluded = Object.fromEntries(savedColumns.map((column) => [column, sql.raw(`excluded.${characters[column].name}`)]));

const load = () => db.query.characters.findFirst({ where: eq(characters.id, anyCharacter()), with: whole }).sync();
const loadPrepared = () => {
  const prepared = db.query.characters.findFirst({ where: eq(characters.id, sql.placeholder('id')), with: whole }).prepare();
  return () => prepared.execute({ id: anyCharacter() }).sync();
};

const save = () => db.update(characters).set(savedFields()).where(eq(characters.id, anyCharacter())).run();
const preparedSave = () => db.update(characters).set(placeholders).where(eq(characters.id, sql.placeholder('id'))).prepare();
const savePrepared = () => {
  const prepared = preparedSave();
  return () => prepared.run({ id: anyCharacter(), ...savedFields() });
};

const saveAllInLoop = () => db.transaction((tx) => {
  for (const id of dirty) tx.update(characters).set(savedFields()).where(eq(characters.id, id)).run();
}, { behavior: 'immediate' });
const saveAllInBatch = () => db.insert(characters)
  .values(dirty.map((id, index) => ({ id, userId: 'u', name: 'Hero ' + (index + 1), ...savedFields() })))
  .onConflictDoUpdate({ target: characters.id, set: excluded }).run();
const saveAllPrepared = () => {
  const prepared = preparedSave();
  return () => db.transaction(() => { for (const id of dirty) prepared.run({ id, ...savedFields() }); }, { behavior: 'immediate' });
};

const held = { id: inventory.id, characterId: inventory.characterId, itemId: inventory.itemId, quantity: inventory.quantity };
const auditOf = (stacks, wish) => [
  { fromInventoryId: stacks.leftGives.id, toInventoryId: stacks.rightGets.id, itemId: wish.gives, quantity: 1 },
  { fromInventoryId: stacks.rightGives.id, toInventoryId: stacks.leftGets.id, itemId: wish.takes, quantity: 1 },
];
const trade = () => {
  const wish = anyTrade();
  db.transaction((tx) => {
    const stacks = stacksOf(tx.select(held).from(inventory).where(inArray(inventory.characterId, [wish.left, wish.right])).orderBy(inventory.id).all(), wish);
    if (!stacks) throw new Refused('not enough');
    const add = (stack, amount) => tx.update(inventory).set({ quantity: sql`${inventory.quantity} + ${amount}` }).where(eq(inventory.id, stack.id)).run();
    add(stacks.leftGives, -1);
    add(stacks.rightGets, 1);
    add(stacks.rightGives, -1);
    add(stacks.leftGets, 1);
    tx.insert(tradeAudit).values(auditOf(stacks, wish)).run();
  }, { behavior: 'immediate' });
};
const tradePrepared = () => {
  const both = [sql.placeholder('left'), sql.placeholder('right')];
  const select = db.select(held).from(inventory).where(inArray(inventory.characterId, both)).orderBy(inventory.id).prepare();
  const add = db.update(inventory).set({ quantity: sql`${inventory.quantity} + ${sql.placeholder('amount')}` })
    .where(eq(inventory.id, sql.placeholder('id'))).prepare();
  const audit = db.insert(tradeAudit).values({
    fromInventoryId: sql.placeholder('fromInventoryId'), toInventoryId: sql.placeholder('toInventoryId'), itemId: sql.placeholder('itemId'),
    quantity: sql.placeholder('quantity'),
  }).prepare();
  return () => {
    const wish = anyTrade();
    db.transaction(() => {
      const stacks = stacksOf(select.all({ left: wish.left, right: wish.right }), wish);
      if (!stacks) throw new Refused('not enough');
      add.run({ id: stacks.leftGives.id, amount: -1 });
      add.run({ id: stacks.rightGets.id, amount: 1 });
      add.run({ id: stacks.rightGives.id, amount: -1 });
      add.run({ id: stacks.leftGets.id, amount: 1 });
      for (const row of auditOf(stacks, wish)) audit.run(row);
    }, { behavior: 'immediate' });
  };
};

const award = () => {
  const wish = anyAward();
  db.transaction((tx) => {
    const who = tx.select({ totalXp: characters.totalXp, level: characters.level }).from(characters).where(eq(characters.id, wish.characterId)).get();
    const last = tx.select({ eventHash: xpEvents.eventHash }).from(xpEvents)
      .where(eq(xpEvents.characterId, wish.characterId)).orderBy(desc(xpEvents.id)).limit(1).get();
    const { event, modifiers } = awarded(wish, who, last);
    const made = tx.insert(xpEvents).values(event).returning({ id: xpEvents.id }).get();
    tx.insert(xpModifiers).values(modifiers.map((row) => ({ ...row, xpEventId: made.id }))).run();
    tx.update(characters).set({ totalXp: event.totalXpAfter, level: event.levelAfter }).where(eq(characters.id, wish.characterId)).run();
  }, { behavior: 'immediate' });
};

const operations = {
  'W1 plain': () => load, 'W1 prepared': loadPrepared, 'W2 plain': () => save, 'W2 prepared': savePrepared,
  'W3 loop': () => saveAllInLoop, 'W3 batch': () => saveAllInBatch, 'W3 prepared loop': saveAllPrepared,
  'W4 plain': () => trade, 'W4 prepared': tradePrepared, 'W5 plain': () => award,
};
driveLoop(`Drizzle ${command.variant}`, operations[`${command.workload} ${command.variant}`]());
file.close();
