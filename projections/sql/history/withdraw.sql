-- Revocations take their time of delivery from the version that they withdraw, if it is there.
INSERT INTO dispensation ({columns})
SELECT {taken}
FROM pg_temp.history_entered AS s
JOIN dispensation AS f
    ON f.delivered_month = s.delivered_month AND f.pharmacy = s.pharmacy
    AND f.dguid = s.dguid AND f.version = s.withdraws
WHERE s.delivered_at IS NULL
    AND NOT EXISTS (
        SELECT FROM projection_erased AS e
        WHERE e.subject = s.subject AND e.generation >= s.generation
    )
ON CONFLICT DO NOTHING
