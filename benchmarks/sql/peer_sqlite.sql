-- The same natural schema on SQLite, as Drizzle would declare it; ids and indexes as on PostgreSQL.
CREATE TABLE characters (
  id TEXT PRIMARY KEY NOT NULL, user_id TEXT NOT NULL, name TEXT NOT NULL UNIQUE, rank TEXT NOT NULL DEFAULT 'normal',
  x REAL NOT NULL DEFAULT 0, y REAL NOT NULL DEFAULT 0, z REAL NOT NULL DEFAULT 0, room_id TEXT,
  power INTEGER NOT NULL DEFAULT 10, speed INTEGER NOT NULL DEFAULT 10, spirit INTEGER NOT NULL DEFAULT 10, recovery INTEGER NOT NULL DEFAULT 10,
  level INTEGER NOT NULL DEFAULT 1, total_xp INTEGER NOT NULL DEFAULT 0,
  health INTEGER NOT NULL DEFAULT 100, max_health INTEGER NOT NULL DEFAULT 100, mana INTEGER NOT NULL DEFAULT 50, stamina INTEGER NOT NULL DEFAULT 50,
  coins INTEGER NOT NULL DEFAULT 0, prayer_points INTEGER NOT NULL DEFAULT 1, prayer_max INTEGER NOT NULL DEFAULT 1,
  active_prayers TEXT NOT NULL DEFAULT '[]', quest_points INTEGER NOT NULL DEFAULT 0, auto_retaliate INTEGER NOT NULL DEFAULT 1,
  current_streak INTEGER NOT NULL DEFAULT 0, longest_streak INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT '{}',
  version INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL DEFAULT 0, updated_at INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE character_skills (
  character_id TEXT NOT NULL REFERENCES characters (id) ON DELETE CASCADE, skill TEXT NOT NULL,
  level INTEGER NOT NULL, xp INTEGER NOT NULL, PRIMARY KEY (character_id, skill)
);
CREATE TABLE character_inventory (
  id INTEGER PRIMARY KEY, character_id TEXT NOT NULL REFERENCES characters (id) ON DELETE CASCADE,
  item_id TEXT NOT NULL, quantity INTEGER NOT NULL DEFAULT 1, slot INTEGER, metadata TEXT
);
CREATE TABLE character_essences (
  id INTEGER PRIMARY KEY, character_id TEXT NOT NULL REFERENCES characters (id) ON DELETE CASCADE,
  essence_type TEXT NOT NULL, attribute_bound TEXT NOT NULL, rank_bonded TEXT NOT NULL, created_at INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE character_abilities (
  id INTEGER PRIMARY KEY, character_id TEXT NOT NULL REFERENCES characters (id) ON DELETE CASCADE,
  essence_id INTEGER NOT NULL REFERENCES character_essences (id) ON DELETE CASCADE, ability_name TEXT NOT NULL, current_rank TEXT NOT NULL,
  awakened INTEGER NOT NULL DEFAULT 0, metadata TEXT, created_at INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE trade_audit (
  id INTEGER PRIMARY KEY, created_at INTEGER NOT NULL DEFAULT (unixepoch()), from_inventory_id INTEGER NOT NULL, to_inventory_id INTEGER NOT NULL,
  item_id TEXT NOT NULL, quantity INTEGER NOT NULL
);

-- The ledger of experience as the fitness game's ORM declares it, with the modifiers of each award.
CREATE TABLE xp_events (
  id INTEGER PRIMARY KEY, character_id TEXT NOT NULL REFERENCES characters (id), event_source TEXT NOT NULL, source_id TEXT NOT NULL,
  base_xp INTEGER NOT NULL, final_xp INTEGER NOT NULL, total_xp_before INTEGER NOT NULL, total_xp_after INTEGER NOT NULL,
  level_before INTEGER NOT NULL, level_after INTEGER NOT NULL, event_hash TEXT NOT NULL, created_at INTEGER NOT NULL DEFAULT (unixepoch()),
  UNIQUE (character_id, event_source, source_id)
);
CREATE TABLE xp_modifiers (
  id INTEGER PRIMARY KEY, xp_event_id INTEGER NOT NULL REFERENCES xp_events (id), "order" INTEGER NOT NULL, type TEXT NOT NULL,
  multiplier REAL NOT NULL, reason TEXT NOT NULL, xp_before INTEGER NOT NULL, xp_after INTEGER NOT NULL
);
