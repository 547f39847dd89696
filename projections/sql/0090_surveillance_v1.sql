CREATE SCHEMA surveillance_v1;

-- Who read whom, and when: one row per reader, role, place and subject. The arrays go together and
-- are in the order of moments: when it was (microseconds since 1970), what it was (1 refused, 2 in an
-- emergency, 3 both, 0 neither), and the position of the decision. The other columns follow from
-- them: `days` counts Belgian days with a permitted read, `emergencies` reads in emergencies,
-- `last_permitted` is the last permitted one. `organisation` is empty if there is none.
CREATE TABLE surveillance_v1.pair (
    reader text NOT NULL,
    role text NOT NULL,
    organisation text NOT NULL,
    subject text NOT NULL,
    moments bigint[] NOT NULL,
    kinds smallint[] NOT NULL,
    positions bigint[] NOT NULL,
    days integer NOT NULL,
    emergencies integer NOT NULL,
    last_permitted timestamptz,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    PRIMARY KEY (reader, role, organisation, subject)
);

-- Whoever may be unmet, pairs that may be repeated (`REPEATED_DAYS`), and those in emergencies.
CREATE INDEX pair_permitted ON surveillance_v1.pair (last_permitted);
CREATE INDEX pair_of_days ON surveillance_v1.pair (last_permitted) WHERE days >= 5;
CREATE INDEX pair_in_emergency ON surveillance_v1.pair (reader) WHERE emergencies > 0;

-- What a reader did in a role at a place on a Belgian day; the sum of `pair`.
CREATE TABLE surveillance_v1.day (
    reader text NOT NULL,
    role text NOT NULL,
    organisation text NOT NULL,
    day date NOT NULL,
    reads integer NOT NULL,
    refused integer NOT NULL,
    subjects integer NOT NULL,
    first timestamptz NOT NULL,
    last timestamptz NOT NULL,
    PRIMARY KEY (reader, role, organisation, day)
);

-- What is usual in a role, and days that may be unusual (`VOLUME_FLOOR`), which are few.
CREATE INDEX day_of_role ON surveillance_v1.day (role, day) INCLUDE (subjects);
CREATE INDEX day_of_many ON surveillance_v1.day (day) WHERE subjects >= 30;

-- Belgian days before this one have left every version of a projection and do not come back.
CREATE TABLE projection_kept_from (
    projection text PRIMARY KEY,
    first_day date NOT NULL
);
