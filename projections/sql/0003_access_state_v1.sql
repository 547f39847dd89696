CREATE SCHEMA access_state_v1;

-- Columns as in projections/folds/access_state.py; a test compares them.
CREATE TABLE access_state_v1.consent (
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

CREATE TABLE access_state_v1.link (
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
    party_kind text NOT NULL,
    link_type text NOT NULL,
    valid_from timestamptz NOT NULL,
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

CREATE TABLE access_state_v1.exclusion (
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
    party_kind text NOT NULL,
    superseded_position bigint,
    superseded_at timestamptz,
    end_ce_id text,
    end_event_type text,
    end_author_role text,
    end_author text,
    end_sealed text,
    PRIMARY KEY (subject, generation, id)
);

CREATE TABLE access_state_v1.mandate (
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
    holder text NOT NULL,
    holder_kind text NOT NULL,
    mandate_type text NOT NULL,
    valid_until timestamptz,
    accepted_position bigint,
    accepted_at timestamptz,
    accepted_ce_id text,
    superseded_position bigint,
    superseded_at timestamptz,
    end_ce_id text,
    end_event_type text,
    end_author_role text,
    end_author text,
    end_sealed text,
    PRIMARY KEY (subject, generation, id)
);

CREATE INDEX mandate_of_holder ON access_state_v1.mandate (holder)
    WHERE superseded_position IS NULL;
