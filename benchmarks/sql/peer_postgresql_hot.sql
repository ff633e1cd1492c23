-- The contested market: :hot characters with :stacks stacks each. Row id = (character - 1) * :stacks + item + 1, item from 0.
INSERT INTO characters (id, user_id, name) SELECT character_id(i), 'u' || i, 'Hero ' || i FROM generate_series(1, :hot) i;
INSERT INTO character_inventory (id, character_id, item_id, quantity, slot)
  SELECT (i - 1) * :stacks + item + 1, character_id(i), 'item_' || item, :quantity, item
  FROM generate_series(1, :hot) i, generate_series(0, :stacks - 1) item;
