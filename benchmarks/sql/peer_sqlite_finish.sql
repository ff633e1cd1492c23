CREATE INDEX inventory_by_character ON character_inventory (character_id);
CREATE INDEX essences_by_character ON character_essences (character_id);
CREATE INDEX abilities_by_character ON character_abilities (character_id);
CREATE INDEX abilities_by_essence ON character_abilities (essence_id);
CREATE INDEX events_by_character ON xp_events (character_id, id);
CREATE INDEX modifiers_by_event ON xp_modifiers (xp_event_id);
ANALYZE;
