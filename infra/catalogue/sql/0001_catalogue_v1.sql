CREATE SCHEMA catalogue_v1;

-- One row per version of the catalogue. `sha256` is that of the files it was loaded from; a version
-- is what it is once it is complete, so that a decision that names it can be made again.
CREATE TABLE catalogue_v1.version (
    version text PRIMARY KEY,
    source text NOT NULL,
    sha256 text NOT NULL,
    complete boolean NOT NULL DEFAULT false,
    codes integer NOT NULL DEFAULT 0,
    entries integer NOT NULL DEFAULT 0,
    counts jsonb NOT NULL DEFAULT '{}',
    loaded_at timestamptz
);

-- What a code stands for from `valid_from` to `valid_until`, both days included. Of overlapping
-- periods the one that began last holds.
CREATE TABLE catalogue_v1.entry (
    version text NOT NULL REFERENCES catalogue_v1.version,
    cnk text NOT NULL,
    valid_from date NOT NULL,
    valid_until date,
    kind text NOT NULL
        CHECK (kind IN ('medicine', 'ingredient', 'preparation', 'homeopathic', 'other')),
    names jsonb NOT NULL,
    atc text NOT NULL,
    pack text NOT NULL,
    form text NOT NULL,
    status text CHECK (status IN ('authorized', 'suspended', 'revoked')),
    environments text[] NOT NULL,
    PRIMARY KEY (version, cnk, valid_from),
    CHECK (valid_until >= valid_from)
);

CREATE FUNCTION catalogue_v1.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM (SELECT DISTINCT version FROM touched) AS changed
        JOIN catalogue_v1.version USING (version) WHERE complete
    ) THEN
        RAISE EXCEPTION 'a complete version of the catalogue does not change: load a new version';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION catalogue_v1.refuse_always() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a complete version of the catalogue does not change: load a new version';
END $$;

CREATE TRIGGER unchanged_by_insert AFTER INSERT ON catalogue_v1.entry
    REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_v1.refuse_change();
CREATE TRIGGER unchanged_by_update AFTER UPDATE ON catalogue_v1.entry
    REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_v1.refuse_change();
CREATE TRIGGER unchanged_by_delete AFTER DELETE ON catalogue_v1.entry
    REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_v1.refuse_change();
CREATE TRIGGER unchanged_by_truncate BEFORE TRUNCATE ON catalogue_v1.entry
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_v1.refuse_always();
CREATE TRIGGER complete_stays BEFORE UPDATE OR DELETE ON catalogue_v1.version
    FOR EACH ROW WHEN (OLD.complete) EXECUTE FUNCTION catalogue_v1.refuse_always();
