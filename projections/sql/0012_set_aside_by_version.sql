-- What was left out belongs to the version that left it out: a rebuild tells its own.
ALTER TABLE projection_set_aside ADD COLUMN version integer NOT NULL DEFAULT 1;
ALTER TABLE projection_set_aside DROP CONSTRAINT projection_set_aside_pkey;
ALTER TABLE projection_set_aside
    ADD PRIMARY KEY (projection, version, topic, partition, position);
ALTER TABLE projection_version DROP COLUMN set_aside;
