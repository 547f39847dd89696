-- Which line a return brings back, as a keyed hash of its pharmacy and number: null for deliveries.
-- Reads find the returns of the lines that they show. Versions that are built or kept get the column
-- too, since a rebuild goes on from its tables. Rows that were there before stay without it until
-- `dpp projections rebuild history`.
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname ~ '^history_v1(_b[0-9]+)?$' AND c.relname = 'dispensation'
    LOOP
        EXECUTE format('ALTER TABLE %I.dispensation ADD COLUMN returns_index text', one.nspname);
    END LOOP;
END
$$;

-- Almost every line is a delivery, so the index is small.
CREATE INDEX dispensation_of_return ON history_v1.dispensation (subject, returns_index)
    WHERE returns_index IS NOT NULL;
