CREATE SCHEMA recall_v1;

-- What authorities recall. A product and a batch are no person's, so nothing here is sealed.
CREATE TABLE recall_v1.notice (
    recall text PRIMARY KEY,
    authority text NOT NULL,
    cnk text NOT NULL,
    batch text,
    delivered_from timestamptz,
    delivered_until timestamptz,
    reference text NOT NULL,
    reason text NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    superseded_position bigint
);

-- `lines` is how many lines the pharmacy had then: when late ones come in, it is asked again.
CREATE TABLE recall_v1.acknowledgement (
    recall text NOT NULL,
    pharmacy text NOT NULL,
    lines integer NOT NULL,
    acknowledged_at timestamptz NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    superseded_position bigint,
    PRIMARY KEY (recall, pharmacy)
);
