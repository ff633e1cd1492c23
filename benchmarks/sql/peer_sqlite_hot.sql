-- The contested market: :hot characters with :stacks stacks each. Row id = (character - 1) * :stacks + item + 1, item from 0.
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :hot)
INSERT INTO characters (id, user_id, name) SELECT character_id(i), 'u' || i, 'Hero ' || i FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :hot),
  items (item) AS (SELECT 0 UNION ALL SELECT item + 1 FROM items WHERE item < :stacks - 1)
INSERT INTO character_inventory (id, character_id, item_id, quantity, slot)
  SELECT (i - 1) * :stacks + item + 1, character_id(i), 'item_' || item, :quantity, item FROM n, items ORDER BY i, item;
