-- :characters whole characters of 1 + 13 + 28 + 4 + 40 rows.
INSERT INTO characters (id, user_id, name, x, y, z, room_id, total_xp, coins, active_prayers, state)
  SELECT character_id(i), 'u' || substr(md5('u' || i), 1, 23), 'Hero ' || i, i, i / 2.0, 1, 'room_' || i % 500, i * 100, i, '["thick_skin"]',
    '{"time":"day","rotation":{"x":0,"y":1.5,"z":0,"w":1},"flags":["a","b"],"hotbar":[1,2,3,4,5,6,7,8]}'
  FROM generate_series(1, :characters) i;
INSERT INTO character_skills
  SELECT character_id(i), skill, 1 + i % 99, i * 37 FROM generate_series(1, :characters) i,
    unnest(array['attack', 'strength', 'defense', 'constitution', 'ranged', 'prayer', 'woodcutting', 'mining', 'fishing', 'firemaking',
      'cooking', 'smithing', 'agility']) skill;
INSERT INTO character_inventory (character_id, item_id, quantity, slot, metadata)
  SELECT character_id(i), 'item_' || (i * slot) % 997, 1000, slot,
    CASE WHEN slot % 4 = 0 THEN '{"enchant":"fire","level":3,"durability":87.5}'::jsonb END
  FROM generate_series(1, :characters) i, generate_series(0, 27) slot;
INSERT INTO character_essences (character_id, essence_type, attribute_bound, rank_bonded)
  SELECT character_id(i), 'essence_' || n, (array['power', 'speed', 'spirit', 'recovery'])[n], 'normal'
  FROM generate_series(1, :characters) i, generate_series(1, 4) n;
INSERT INTO character_abilities (character_id, essence_id, ability_name, current_rank, awakened, metadata)
  SELECT e.character_id, e.id, 'Ability of ' || e.essence_type || ' ' || n, 'iron', n % 2 = 0,
    CASE WHEN n % 3 = 0 THEN '{"cooldown":12.5,"cost":{"mana":10}}'::jsonb END
  FROM character_essences e, generate_series(1, 10) n;
