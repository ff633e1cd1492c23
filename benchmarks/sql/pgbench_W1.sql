\set number random(1, :characters)
SELECT json_build_array(
  json_build_array(c.id, c.user_id, c.name, c.rank, c.x, c.y, c.z, c.room_id, c.power, c.speed, c.spirit, c.recovery, c.level, c.total_xp, c.health, c.max_health, c.mana, c.stamina, c.coins, c.prayer_points, c.prayer_max, c.active_prayers, c.quest_points, c.auto_retaliate, c.current_streak, c.longest_streak, c.state, c.version, c.created_at, c.updated_at),
  (SELECT coalesce(json_agg(json_build_array(skill, level, xp)), '[]') FROM character_skills s WHERE s.character_id = c.id),
  (SELECT coalesce(json_agg(json_build_array(id, item_id, quantity, slot, metadata)), '[]') FROM character_inventory s WHERE s.character_id = c.id),
  (SELECT coalesce(json_agg(json_build_array(id, essence_type, attribute_bound, rank_bonded, created_at)), '[]') FROM character_essences s WHERE s.character_id = c.id),
  (SELECT coalesce(json_agg(json_build_array(id, essence_id, ability_name, current_rank, awakened, metadata, created_at)), '[]') FROM character_abilities s WHERE s.character_id = c.id)
)::text FROM characters c WHERE id = character_id(:number);
