CREATE SCHEMA consumption_v1;

-- One row per version of a line with a product code, for counting what is consumed. It names no
-- subject; the code is a keyed hash. `units` are packs, negative when they came back.
CREATE TABLE consumption_v1.line (
    pharmacy text NOT NULL,
    dguid text NOT NULL,
    version integer NOT NULL,
    product_index text NOT NULL,
    units integer NOT NULL,
    delivered_at timestamptz NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    superseded_position bigint,
    PRIMARY KEY (pharmacy, dguid, version)
);

CREATE INDEX line_of_product ON consumption_v1.line (product_index, delivered_at)
    INCLUDE (pharmacy, units) WHERE superseded_position IS NULL;
