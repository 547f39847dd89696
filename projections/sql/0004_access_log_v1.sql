CREATE SCHEMA access_log_v1;

-- One row per decision. Who asked and what was asked stay sealed, as in the event.
CREATE TABLE access_log_v1.decision (
    ce_id text PRIMARY KEY,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    event_type text NOT NULL,
    subject text,
    generation integer,
    decision text NOT NULL,
    reason text,
    basis text,
    basis_refs text[] NOT NULL,
    reader text NOT NULL,
    role text NOT NULL,
    profession text,
    organisation text,
    on_behalf_of text,
    purpose text NOT NULL,
    decided_at timestamptz NOT NULL,
    window_start timestamptz,
    window_end timestamptz,
    policy_version text NOT NULL,
    row_count integer NOT NULL,
    sealed_parameters text,
    sealed_reader text NOT NULL
);

CREATE INDEX decision_of_subject ON access_log_v1.decision (subject, decided_at DESC, ce_id);
