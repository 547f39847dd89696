CREATE SCHEMA history_v1;

-- One row per line and version. `delivered_month` is the first day of the month of delivery on a
-- Belgian calendar; a revocation takes month and time from the version that it withdrew. Months
-- are made by the runner when their first line arrives. Times of this table are the pharmacies';
-- `recorded_*` and `superseded_*` are places in dpp.dispensation.recorded, whose facts of one line
-- share a partition, so one partition column serves both.
CREATE TABLE history_v1.dispensation (
    delivered_month date NOT NULL,
    pharmacy text NOT NULL,
    dguid text NOT NULL,
    version integer NOT NULL,
    status text NOT NULL CHECK (status IN ('registered', 'corrected', 'revoked')),
    event_type text NOT NULL,
    ce_id text NOT NULL,
    subject text NOT NULL,
    generation integer NOT NULL,
    period text NOT NULL,
    delivered_at timestamptz NOT NULL,
    product_index text,
    sealed bytea NOT NULL,
    score smallint,
    warnings text[] NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    superseded_position bigint,
    PRIMARY KEY (delivered_month, pharmacy, dguid, version)
) PARTITION BY RANGE (delivered_month);

-- Both in the order of their reads, so that a page is one walk along an index per month.
CREATE INDEX dispensation_of_subject ON history_v1.dispensation
    (subject, delivered_at DESC, pharmacy, dguid, version);
CREATE INDEX dispensation_of_pharmacy ON history_v1.dispensation
    (pharmacy, delivered_at DESC, dguid, version);

-- Generations up to this one are erased: their rows are gone and may not come back.
CREATE TABLE history_v1.erased (
    subject text PRIMARY KEY,
    generation integer NOT NULL
);
