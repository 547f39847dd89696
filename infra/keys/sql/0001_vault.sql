-- Secrets of the vault. `wrapped` is always AES-256-GCM-SIV under the key-encryption key, bound to
-- its table and identity; destroying a secret takes the bytes out and leaves the row as tombstone.

CREATE TABLE kek_fingerprint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    fingerprint bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE root_key (
    name text PRIMARY KEY,
    wrapped bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE subject_secret (
    subject text NOT NULL,
    generation integer NOT NULL CHECK (generation >= 1),
    wrapped bytea,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_at timestamptz,
    PRIMARY KEY (subject, generation),
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

CREATE UNIQUE INDEX subject_secret_living ON subject_secret (subject) WHERE destroyed_at IS NULL;

CREATE TABLE reader_secret (
    reader text PRIMARY KEY,
    wrapped bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE period_secret (
    period text PRIMARY KEY,
    day date NOT NULL UNIQUE,
    wrapped bytea,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

CREATE TABLE intake_key (
    key_id text PRIMARY KEY,
    wrapped bytea,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
