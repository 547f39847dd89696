-- One row per finding of a receipt; `line` is the index among the receipt's lines, -1 for the
-- message as a whole. Counts by code and the list of refused lines come from here, so they are as
-- exact as the receipts, however often one is applied.
CREATE TABLE quality_v1.finding (
    partition integer NOT NULL,
    source_offset bigint NOT NULL,
    ordinal integer NOT NULL,
    line integer NOT NULL,
    severity text NOT NULL,
    code text NOT NULL,
    pharmacy text,
    appended_at timestamptz NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    PRIMARY KEY (partition, source_offset, ordinal)
);

-- Scores (0-100) of the lines that a submission brought into the record.
ALTER TABLE quality_v1.receipt ADD COLUMN scores smallint[] NOT NULL DEFAULT '{}';

-- What was projected before has all of it in the receipts as written.
INSERT INTO quality_v1.finding
SELECT r.partition, r.source_offset,
    row_number() OVER (PARTITION BY r.partition, r.source_offset ORDER BY f.line, f.place) - 1,
    f.line, f.issue ->> 'severity', f.issue ->> 'code',
    r.pharmacy, r.appended_at, r.recorded_partition, r.recorded_position
FROM quality_v1.receipt AS r
CROSS JOIN LATERAL (SELECT convert_from(r.body, 'UTF8')::json AS body) AS b
CROSS JOIN LATERAL (
    SELECT -1 AS line, i.place, i.issue
    FROM json_array_elements(b.body -> 'issues') WITH ORDINALITY AS i (issue, place)
    UNION ALL
    SELECT l.place - 1, i.place, i.issue
    FROM json_array_elements(b.body -> 'lines') WITH ORDINALITY AS l (line, place)
    CROSS JOIN LATERAL json_array_elements(l.line -> 'issues')
        WITH ORDINALITY AS i (issue, place)
) AS f;

UPDATE quality_v1.receipt SET scores = ARRAY(
    SELECT (l.line ->> 'score')::smallint
    FROM json_array_elements(convert_from(body, 'UTF8')::json -> 'lines')
        WITH ORDINALITY AS l (line, place)
    WHERE l.line ->> 'outcome' = 'recorded' AND l.line ->> 'score' IS NOT NULL
    ORDER BY l.place
);

ALTER TABLE quality_v1.receipt DROP COLUMN rejections, DROP COLUMN warnings;

CREATE INDEX finding_by_time ON quality_v1.finding
    (appended_at, partition, source_offset, line) INCLUDE (severity, code);
CREATE INDEX finding_of_pharmacy ON quality_v1.finding
    (pharmacy, appended_at, partition, source_offset, line) INCLUDE (severity, code);
CREATE INDEX refusal_by_code ON quality_v1.finding
    (code, appended_at, partition, source_offset, line) WHERE severity = 'reject';

-- Totals of everybody read this index alone, never the receipts' bodies.
CREATE INDEX receipt_by_time ON quality_v1.receipt (appended_at) INCLUDE
    (pharmacy, outcome, lines_recorded, lines_rejected, lines_duplicate, dead_letter, scores);
CREATE INDEX receipt_of_pharmacy_by_time ON quality_v1.receipt (pharmacy, appended_at);
-- The latest submission that its seal shows to be the pharmacy's.
CREATE INDEX receipt_proven ON quality_v1.receipt (pharmacy, appended_at)
    WHERE submission_id IS NOT NULL;
