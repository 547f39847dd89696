-- Parents of children, deaths, and the halves of merges of two numbers; columns as in
-- projections/folds/access_state.py, and a test compares them.
CREATE TABLE access_state_v1.parent (
    subject text NOT NULL,
    generation integer NOT NULL,
    id text NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    ce_id text NOT NULL,
    event_type text NOT NULL,
    author_role text NOT NULL,
    author text NOT NULL,
    sealed text NOT NULL,
    party text NOT NULL,
    consent_until timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    superseded_position bigint,
    superseded_at timestamptz,
    end_ce_id text,
    end_event_type text,
    end_author_role text,
    end_author text,
    end_sealed text,
    PRIMARY KEY (subject, generation, id)
);

CREATE TABLE access_state_v1.death (
    subject text NOT NULL,
    generation integer NOT NULL,
    id text NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    ce_id text NOT NULL,
    event_type text NOT NULL,
    author_role text NOT NULL,
    author text NOT NULL,
    sealed text NOT NULL,
    superseded_position bigint,
    superseded_at timestamptz,
    end_ce_id text,
    end_event_type text,
    end_author_role text,
    end_author text,
    end_sealed text,
    PRIMARY KEY (subject, generation, id)
);

CREATE TABLE access_state_v1.merge (
    subject text NOT NULL,
    generation integer NOT NULL,
    id text NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    ce_id text NOT NULL,
    event_type text NOT NULL,
    author_role text NOT NULL,
    author text NOT NULL,
    sealed text NOT NULL,
    other text NOT NULL,
    side text NOT NULL,
    superseded_position bigint,
    superseded_at timestamptz,
    end_ce_id text,
    end_event_type text,
    end_author_role text,
    end_author text,
    end_sealed text,
    PRIMARY KEY (subject, generation, id)
);

-- Whose child somebody is, and which halves of merges name a subject.
CREATE INDEX parent_of_child ON access_state_v1.parent (party) WHERE superseded_position IS NULL;
CREATE INDEX merge_with_other ON access_state_v1.merge (other);
