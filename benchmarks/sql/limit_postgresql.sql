-- What only the limit uses: a list of dirty characters, and the plain transfer as one stored function.
CREATE TABLE dirty_characters (id text PRIMARY KEY);
INSERT INTO dirty_characters SELECT character_id(i) FROM generate_series(1, :dirty) i;

CREATE FUNCTION transfer(giver bigint, taker bigint, moved int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  held record;
  seen int := 0;
  available int;
  item text;
  audit_id bigint;
BEGIN
  FOR held IN SELECT id, item_id, quantity FROM character_inventory WHERE id IN (giver, taker) ORDER BY id FOR UPDATE LOOP
    seen := seen + 1;
    IF held.id = giver THEN available := held.quantity; item := held.item_id; END IF;
  END LOOP;
  IF seen < 2 THEN RETURN -1; END IF;
  IF available < moved THEN RETURN -2; END IF;
  UPDATE character_inventory SET quantity = quantity + CASE WHEN id = giver THEN -moved ELSE moved END WHERE id IN (giver, taker);
  INSERT INTO trade_audit (from_inventory_id, to_inventory_id, item_id, quantity) VALUES (giver, taker, item, moved) RETURNING id INTO audit_id;
  RETURN audit_id;
END $$;
