CREATE INDEX ON character_inventory (character_id);
CREATE INDEX ON character_essences (character_id);
CREATE INDEX ON character_abilities (character_id);
CREATE INDEX ON character_abilities (essence_id);
