CREATE INDEX ON character_inventory (character_id);
CREATE INDEX ON character_essences (character_id);
CREATE INDEX ON character_abilities (character_id);
CREATE INDEX ON character_abilities (essence_id);
CREATE INDEX ON xp_events (character_id, id);
CREATE INDEX ON xp_modifiers (xp_event_id);
