-- The tables of the hand-written peer of W10: gamekeeper's own, column for column, without its append-only triggers.
-- To be kept in step with gamekeeper/kernel/store/schema.py and gamekeeper/modules/items/records.py.
CREATE TABLE owners (
  id TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL, version INTEGER NOT NULL, epoch INTEGER NOT NULL, lease_holder TEXT, lease_expires_at INTEGER,
  head_hash BLOB NOT NULL, journal_seq INTEGER NOT NULL, data_key BLOB,
  CHECK (version >= 0 AND epoch >= 0 AND journal_seq >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE holdings (
  owner_id TEXT NOT NULL, container TEXT NOT NULL, slot INTEGER NOT NULL, item_id TEXT NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 9007199254740991), item_uid TEXT, metadata TEXT NOT NULL,
  PRIMARY KEY (owner_id, container, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE item_movements (
  owner_id TEXT NOT NULL, movement_id TEXT NOT NULL, at INTEGER NOT NULL, item_id TEXT NOT NULL, quantity INTEGER NOT NULL CHECK (quantity >= 1),
  from_account TEXT NOT NULL, to_account TEXT NOT NULL, reason TEXT NOT NULL, command_id TEXT NOT NULL,
  PRIMARY KEY (owner_id, movement_id)
) STRICT;

CREATE TABLE journal (
  owner_id TEXT NOT NULL, seq INTEGER NOT NULL, command_id TEXT NOT NULL, at INTEGER NOT NULL, command TEXT NOT NULL, actor TEXT NOT NULL,
  reason TEXT, origin_id TEXT NOT NULL, owners TEXT, arguments TEXT, result TEXT, idempotency_key TEXT, changes TEXT NOT NULL, hash BLOB NOT NULL,
  PRIMARY KEY (owner_id, seq)
) STRICT;
CREATE INDEX ix_journal_command_id ON journal (command_id);

CREATE TABLE idempotency (
  actor TEXT NOT NULL, key TEXT NOT NULL, request_hash BLOB NOT NULL, response TEXT, at INTEGER NOT NULL, PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;
