-- The register of erasures and legal holds; columns as in projections/folds/erasures.py. Rows stay
-- after an erasure: they hold pseudonyms and times only.
CREATE SCHEMA erasures_v1;

CREATE TABLE erasures_v1.erasure (
    subject text NOT NULL,
    generation integer NOT NULL,
    id text NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    author text NOT NULL,
    author_role text NOT NULL,
    ground text NOT NULL,
    executed_position bigint,
    executed_at timestamptz,
    executed_by text,
    superseded_position bigint,
    rejected_at timestamptz,
    PRIMARY KEY (subject, generation, id)
);

CREATE TABLE erasures_v1.approval (
    subject text NOT NULL,
    generation integer NOT NULL,
    id text NOT NULL,
    officer text NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (subject, generation, id, officer)
);

CREATE TABLE erasures_v1.hold (
    subject text NOT NULL,
    generation integer NOT NULL,
    id text NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    author text NOT NULL,
    superseded_position bigint,
    lifted_at timestamptz,
    PRIMARY KEY (subject, generation, id)
);

-- What the keeper carries out.
CREATE INDEX erasure_executed ON erasures_v1.erasure (executed_at)
    WHERE executed_position IS NOT NULL;
