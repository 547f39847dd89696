-- Which set of columns a version's tables have, from 1 (projections/layouts.py).
ALTER TABLE projection_version ADD COLUMN layout integer NOT NULL DEFAULT 1;
