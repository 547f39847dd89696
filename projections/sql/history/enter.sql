-- Versions that their facts describe in full; a version that is there stays as it is.
INSERT INTO dispensation (
    delivered_month, pharmacy, dguid, version, status, event_type, ce_id, subject, generation,
    period, delivered_at, product_index, returns_index, sealed, score, warnings,
    recorded_partition, recorded_position
)
SELECT
    s.delivered_month, s.pharmacy, s.dguid, s.version, s.status, s.event_type, s.ce_id, s.subject,
    s.generation, s.period, s.delivered_at, s.product_index, s.returns_index, s.sealed, s.score,
    s.warnings, s.recorded_partition, s.recorded_position
FROM pg_temp.history_entered AS s
WHERE s.delivered_at IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM projection_erased AS e
        WHERE e.subject = s.subject AND e.generation >= s.generation
    )
ON CONFLICT DO NOTHING
