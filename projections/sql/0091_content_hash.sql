-- Hashes that were kept at a switch follow the former definition of projections/content.py: nothing
-- that is computed now can be compared with them.
UPDATE projection_version SET content_hash = NULL WHERE content_hash IS NOT NULL;
