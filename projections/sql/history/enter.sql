-- Versions that their facts describe in full; a version that is there stays as it is.
INSERT INTO dispensation ({columns})
SELECT {columns}
FROM pg_temp.history_entered AS s
WHERE s.delivered_at IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM projection_erased AS e
        WHERE e.subject = s.subject AND e.generation >= s.generation
    )
ON CONFLICT DO NOTHING
