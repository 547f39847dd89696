-- Takes the moments before %(first)s (microseconds since 1970) out of the pairs of a version.
UPDATE pair AS t SET
    moments = k.moments,
    kinds = k.kinds,
    positions = k.positions,
    days = k.days,
    emergencies = k.emergencies,
    last_permitted = k.last_permitted,
    recorded_position = k.recorded_position
FROM (
    SELECT p.reader, p.role, p.organisation, p.subject,
        array_agg(k.moment ORDER BY k.moment, k.kind) AS moments,
        array_agg(k.kind ORDER BY k.moment, k.kind) AS kinds,
        array_agg(k.position ORDER BY k.moment, k.kind) AS positions,
        count(DISTINCT (a.at AT TIME ZONE 'Europe/Brussels')::date)
            FILTER (WHERE k.kind & 1 = 0) AS days,
        count(*) FILTER (WHERE k.kind & 2 = 2) AS emergencies,
        max(a.at) FILTER (WHERE k.kind & 1 = 0) AS last_permitted,
        max(k.position) AS recorded_position
    FROM pair AS p
    CROSS JOIN LATERAL unnest(p.moments, p.kinds, p.positions) AS k(moment, kind, position)
    CROSS JOIN LATERAL (
        SELECT timestamptz 'epoch' + k.moment * interval '1 microsecond' AS at
    ) AS a
    WHERE p.moments[1] < %(first)s AND k.moment >= %(first)s
    GROUP BY p.reader, p.role, p.organisation, p.subject
) AS k
WHERE (t.reader, t.role, t.organisation, t.subject)
    = (k.reader, k.role, k.organisation, k.subject)
