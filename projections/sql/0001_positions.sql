-- How far each projection has applied each partition. The row moves in the transaction of the rows
-- that it accounts for; `position` is the consumer's, past control records. The pair
-- (source_offset, source_ordinal) is that of the last stage output applied, null before the first.
CREATE TABLE projection_position (
    projection text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL CHECK (partition >= 0),
    position bigint NOT NULL CHECK (position >= 0),
    source_offset bigint,
    source_ordinal integer,
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, topic, partition)
);

-- Why a projection stands still; the row goes with the first batch that is applied again.
CREATE TABLE projection_failure (
    projection text PRIMARY KEY,
    category text NOT NULL,
    topic text NOT NULL,
    partition integer,
    position bigint,
    event_type text,
    since timestamptz NOT NULL DEFAULT now()
);
