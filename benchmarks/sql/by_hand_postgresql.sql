-- The tables of the hand-written peer of W10: gamekeeper's own, column for column, without its append-only triggers.
-- To be kept in step with gamekeeper/kernel/store/schema.py and gamekeeper/modules/items/records.py.
CREATE TABLE owners (
  id text PRIMARY KEY, kind text NOT NULL, version bigint NOT NULL, epoch bigint NOT NULL, lease_holder text, lease_expires_at bigint,
  head_hash bytea NOT NULL, journal_seq bigint NOT NULL, data_key bytea,
  CHECK (version >= 0 AND epoch >= 0 AND journal_seq >= 0)
) WITH (fillfactor = 70);

CREATE TABLE holdings (
  owner_id text NOT NULL, container text NOT NULL, slot bigint NOT NULL, item_id text NOT NULL,
  quantity bigint NOT NULL CHECK (quantity BETWEEN 1 AND 9007199254740991), item_uid text, metadata text NOT NULL,
  PRIMARY KEY (owner_id, container, slot)
) WITH (fillfactor = 70);

CREATE TABLE item_movements (
  owner_id text NOT NULL, movement_id text NOT NULL, at bigint NOT NULL, item_id text NOT NULL, quantity bigint NOT NULL CHECK (quantity >= 1),
  from_account text NOT NULL, to_account text NOT NULL, reason text NOT NULL, command_id text NOT NULL,
  PRIMARY KEY (owner_id, movement_id)
);

CREATE TABLE journal (
  owner_id text NOT NULL, seq bigint NOT NULL, command_id text NOT NULL, at bigint NOT NULL, command text NOT NULL, actor text NOT NULL,
  reason text, origin_id text NOT NULL, owners text, arguments text, result text, idempotency_key text, changes text NOT NULL, hash bytea NOT NULL,
  PRIMARY KEY (owner_id, seq)
);
CREATE INDEX ON journal (command_id);

CREATE TABLE idempotency (
  actor text NOT NULL, key text NOT NULL, request_hash bytea NOT NULL, response text, at bigint NOT NULL, PRIMARY KEY (actor, key)
);
