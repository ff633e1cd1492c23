\set number random(1, :characters)
\set value random(1, 1000)
UPDATE characters SET x = :value, y = 2.5, z = :value, room_id = 'room_1', health = :value, mana = 50, stamina = :value, coins = :value, level = 3, total_xp = :value, prayer_points = 5, active_prayers = '["thick_skin"]', quest_points = 1, version = :value, updated_at = now() WHERE id = character_id(:number);
