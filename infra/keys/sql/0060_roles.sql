-- Roles of the vault (docs/operating/roles.md). The stages' role makes secrets and destroys none;
-- the reader, which is the API's, fetches, never an intake key, and makes nothing but the secret of a
-- new reader: without it the first read of a person could not be recorded.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['dpp_vault_stage', 'dpp_vault_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another database of this server was migrated at the same moment
            END;
        END IF;
    END LOOP;
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO dpp_vault_stage, dpp_vault_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO dpp_vault_stage, dpp_vault_reader;
REVOKE SELECT ON intake_key FROM dpp_vault_reader;
GRANT INSERT ON subject_secret, period_secret TO dpp_vault_stage;

CREATE FUNCTION make_reader_secrets(readers text[], wrapped bytea[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO reader_secret (reader, wrapped)
    SELECT * FROM unnest(readers, wrapped) ON CONFLICT DO NOTHING
$$;
REVOKE EXECUTE ON FUNCTION make_reader_secrets(text[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_reader_secrets(text[], bytea[]) TO dpp_vault_stage, dpp_vault_reader;
