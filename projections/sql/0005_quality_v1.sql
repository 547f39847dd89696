CREATE SCHEMA quality_v1;

-- One row per submission; `partition` and `source_offset` are its place in the submitted topic.
-- `pharmacy` is null if nobody can be told; `body` is the receipt as
-- written, in the tables below the notice.
CREATE TABLE quality_v1.receipt (
    partition integer NOT NULL,
    source_offset bigint NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    ce_id text NOT NULL,
    pharmacy text,
    submission_id text,
    session text,
    epoch text,
    sequence bigint,
    appended_at timestamptz NOT NULL,
    outcome text NOT NULL,
    lines_recorded integer NOT NULL,
    lines_rejected integer NOT NULL,
    lines_duplicate integer NOT NULL,
    rejections text[] NOT NULL,
    warnings text[] NOT NULL,
    dead_letter boolean NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (partition, source_offset)
);

CREATE INDEX receipt_of_pharmacy ON quality_v1.receipt
    (pharmacy, recorded_partition, recorded_position);

CREATE TABLE quality_v1.gap (
    pharmacy text NOT NULL,
    epoch text NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    ce_id text NOT NULL,
    noticed_at timestamptz NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (pharmacy, epoch, first)
);

CREATE TABLE quality_v1.gap_closed (
    pharmacy text NOT NULL,
    epoch text NOT NULL,
    number bigint NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    ce_id text NOT NULL,
    closed_at timestamptz NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (pharmacy, epoch, number)
);

CREATE INDEX gap_of_pharmacy ON quality_v1.gap (pharmacy, recorded_partition, recorded_position);
CREATE INDEX gap_closed_of_pharmacy ON quality_v1.gap_closed
    (pharmacy, recorded_partition, recorded_position);
