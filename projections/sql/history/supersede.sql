-- A version ends with the first fact that replaces it.
UPDATE dispensation AS d
SET superseded_position = s.position
FROM (
    SELECT delivered_month, pharmacy, dguid, version, min(position) AS position
    FROM pg_temp.history_ended
    GROUP BY 1, 2, 3, 4
) AS s
WHERE d.delivered_month = s.delivered_month AND d.pharmacy = s.pharmacy
    AND d.dguid = s.dguid AND d.version = s.version AND d.superseded_position IS NULL
