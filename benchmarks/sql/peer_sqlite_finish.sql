CREATE INDEX inventory_by_character ON character_inventory (character_id);
CREATE INDEX essences_by_character ON character_essences (character_id);
CREATE INDEX abilities_by_character ON character_abilities (character_id);
CREATE INDEX abilities_by_essence ON character_abilities (essence_id);
ANALYZE;
