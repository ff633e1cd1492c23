\set number random(1, :characters)
\set one random(1, 9000000000000000)
INSERT INTO xp_events (character_id, event_source, source_id, base_xp, final_xp, total_xp_before, total_xp_after, level_before, level_after, event_hash) VALUES (character_id(:number), 'QUEST_COMPLETION', :one::bigint::text, 100, 126, 0, 126, 1, 1, '1e0f2a86d8a7d6a4c5b1c1f3f1d2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4');
