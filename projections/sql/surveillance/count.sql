-- Enters staged reads: those that a pair does not hold yet, by moment and kind, of days that are kept.
WITH fresh AS MATERIALIZED (
    SELECT DISTINCT ON (s.reader, s.role, s.organisation, s.subject, s.moment, s.kind) s.*
    FROM pg_temp.surveillance_read AS s
    LEFT JOIN pair AS p USING (reader, role, organisation, subject)
    WHERE s.day >= coalesce(
            (SELECT first_day FROM projection_kept_from WHERE projection = 'surveillance'),
            '-infinity'
        )
        AND NOT EXISTS (
            SELECT FROM unnest(p.moments, p.kinds) AS k(moment, kind)
            WHERE (k.moment, k.kind) = (s.moment, s.kind)
        )
    ORDER BY s.reader, s.role, s.organisation, s.subject, s.moment, s.kind, s.position
), held AS MATERIALIZED (
    SELECT p.reader, p.role, p.organisation, p.subject, k.moment, k.kind, k.position,
        t.at, (t.at AT TIME ZONE 'Europe/Brussels')::date AS day
    FROM pair AS p
    CROSS JOIN LATERAL unnest(p.moments, p.kinds, p.positions) AS k(moment, kind, position)
    CROSS JOIN LATERAL (
        SELECT timestamptz 'epoch' + k.moment * interval '1 microsecond' AS at
    ) AS t
    WHERE (p.reader, p.role, p.organisation, p.subject) IN (
        SELECT f.reader, f.role, f.organisation, f.subject FROM fresh AS f
    )
), met AS (
    SELECT reader, role, organisation, subject, day FROM fresh
    EXCEPT SELECT reader, role, organisation, subject, day FROM held
), counted AS (
    INSERT INTO day AS t (reader, role, organisation, day, reads, refused, subjects, first, last)
    SELECT reader, role, organisation, day, count(*), count(*) FILTER (WHERE f.kind & 1 = 1),
        count(DISTINCT m.subject), min(f.at), max(f.at)
    FROM fresh AS f LEFT JOIN met AS m USING (reader, role, organisation, subject, day)
    GROUP BY reader, role, organisation, day
    -- Processes that write at the same time take rows in one order, so none waits in a circle.
    ORDER BY reader, role, organisation, day
    ON CONFLICT (reader, role, organisation, day) DO UPDATE SET
        reads = t.reads + EXCLUDED.reads,
        refused = t.refused + EXCLUDED.refused,
        subjects = t.subjects + EXCLUDED.subjects,
        first = least(t.first, EXCLUDED.first),
        last = greatest(t.last, EXCLUDED.last)
)
INSERT INTO pair (
    reader, role, organisation, subject, moments, kinds, positions,
    days, emergencies, last_permitted, recorded_partition, recorded_position
)
SELECT reader, role, organisation, subject,
    array_agg(moment ORDER BY moment, kind), array_agg(kind ORDER BY moment, kind),
    array_agg(position ORDER BY moment, kind),
    count(DISTINCT day) FILTER (WHERE kind & 1 = 0), count(*) FILTER (WHERE kind & 2 = 2),
    max(at) FILTER (WHERE kind & 1 = 0), max(partition), max(position)
FROM (
    SELECT reader, role, organisation, subject, moment, kind, position, at, day, partition FROM fresh
    UNION ALL SELECT reader, role, organisation, subject, moment, kind, position, at, day, 0 FROM held
) AS k
GROUP BY reader, role, organisation, subject
ON CONFLICT (reader, role, organisation, subject) DO UPDATE SET
    moments = EXCLUDED.moments,
    kinds = EXCLUDED.kinds,
    positions = EXCLUDED.positions,
    days = EXCLUDED.days,
    emergencies = EXCLUDED.emergencies,
    last_permitted = EXCLUDED.last_permitted,
    recorded_position = EXCLUDED.recorded_position
