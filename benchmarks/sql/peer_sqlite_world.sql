-- :characters whole characters of 1 + 13 + 28 + 4 + 40 rows.
CREATE TEMP TABLE numbers (i INTEGER PRIMARY KEY, id TEXT NOT NULL);
INSERT INTO numbers WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :characters) SELECT i, character_id(i) FROM n;
INSERT INTO characters (id, user_id, name, x, y, z, room_id, total_xp, coins, active_prayers, state)
  SELECT id, 'u' || i, 'Hero ' || i, i, i / 2.0, 1, 'room_' || i % 500, i * 100, i, '["thick_skin"]',
    '{"time":"day","rotation":{"x":0,"y":1.5,"z":0,"w":1},"flags":["a","b"],"hotbar":[1,2,3,4,5,6,7,8]}' FROM numbers ORDER BY i;
INSERT INTO character_skills
  SELECT numbers.id, skill.value, 1 + i % 99, i * 37 FROM numbers, json_each('["attack","strength","defense","constitution","ranged","prayer",
    "woodcutting","mining","fishing","firemaking","cooking","smithing","agility"]') skill ORDER BY i;
WITH RECURSIVE slots (slot) AS (SELECT 0 UNION ALL SELECT slot + 1 FROM slots WHERE slot < 27)
INSERT INTO character_inventory (character_id, item_id, quantity, slot, metadata)
  SELECT id, 'item_' || (i * slot) % 997, 1000, slot, CASE WHEN slot % 4 = 0 THEN '{"enchant":"fire","level":3,"durability":87.5}' END
  FROM numbers, slots ORDER BY i, slot;
WITH RECURSIVE parts (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM parts WHERE n < 4)
INSERT INTO character_essences (character_id, essence_type, attribute_bound, rank_bonded)
  SELECT id, 'essence_' || n, json_extract('["power","speed","spirit","recovery"]', '$[' || (n - 1) || ']'), 'normal'
  FROM numbers, parts ORDER BY i, n;
WITH RECURSIVE parts (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM parts WHERE n < 10)
INSERT INTO character_abilities (character_id, essence_id, ability_name, current_rank, awakened, metadata)
  SELECT e.character_id, e.id, 'Ability of ' || e.essence_type || ' ' || n, 'iron', n % 2 = 0, CASE WHEN n % 3 = 0 THEN '{"cooldown":12.5,"cost":{"mana":10}}' END
  FROM character_essences e, parts ORDER BY e.id, n;
