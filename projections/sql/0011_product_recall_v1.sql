CREATE SCHEMA product_recall_v1;

-- One row per version of a line and product code in it. Both indexes are keyed hashes: of the code,
-- and of code and batch; `batch_index` is null if the pharmacy told no batch.
CREATE TABLE product_recall_v1.line (
    pharmacy text NOT NULL,
    dguid text NOT NULL,
    version integer NOT NULL,
    product_index text NOT NULL,
    batch_index text,
    subject text NOT NULL,
    generation integer NOT NULL,
    delivered_at timestamptz NOT NULL,
    recorded_partition integer NOT NULL,
    recorded_position bigint NOT NULL,
    superseded_position bigint,
    PRIMARY KEY (pharmacy, dguid, version, product_index)
);

CREATE INDEX line_of_product ON product_recall_v1.line (product_index, pharmacy, dguid)
    WHERE superseded_position IS NULL;
CREATE INDEX line_of_batch ON product_recall_v1.line (batch_index, pharmacy, dguid)
    WHERE superseded_position IS NULL;
CREATE INDEX line_of_day ON product_recall_v1.line (delivered_at);
CREATE INDEX line_of_subject ON product_recall_v1.line (subject);
