-- Versions of each projection: exactly one is live, whose tables are in the schema that the code
-- names (history_v1). A version that is built beside it, or was live before, has its tables in that
-- schema's name with its number behind it (history_v1_b2).
CREATE TABLE projection_version (
    projection text NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    state text NOT NULL CHECK (state IN ('live', 'building', 'kept')),
    begun_at timestamptz NOT NULL DEFAULT now(),
    live_from timestamptz,
    live_until timestamptz,
    content_hash text,
    set_aside bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (projection, version)
);
CREATE UNIQUE INDEX projection_version_live ON projection_version (projection)
    WHERE state = 'live';
CREATE UNIQUE INDEX projection_version_building ON projection_version (projection)
    WHERE state = 'building';

-- Which version the positions belong to: a runner that wrote for another one loses at its commit.
ALTER TABLE projection_position ADD COLUMN version integer NOT NULL DEFAULT 1;

-- How far the version that is being built has applied each partition; `mark` is where the live one
-- stood when it began.
CREATE TABLE projection_build_position (
    projection text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL CHECK (partition >= 0),
    position bigint NOT NULL CHECK (position >= 0),
    source_offset bigint,
    source_ordinal integer,
    moved_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL,
    beginning bigint NOT NULL,
    mark bigint NOT NULL,
    PRIMARY KEY (projection, topic, partition)
);

-- Events that the live version left out because of their content, until they are applied.
CREATE TABLE projection_set_aside (
    projection text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    position bigint NOT NULL,
    category text NOT NULL,
    event_type text,
    set_aside_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, topic, partition, position)
);

-- Generations up to this one are erased, in every projection and version: their rows are gone and
-- may not come back.
CREATE TABLE projection_erased (
    subject text PRIMARY KEY,
    generation integer NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO projection_erased (subject, generation)
    SELECT subject, generation FROM history_v1.erased;
DROP TABLE history_v1.erased;
