-- Roles of the database, which log in under names of their own (docs/operating/roles.md). Whoever
-- runs the migrations owns everything; the projector writes rows and adds months; the reader, which
-- is the API's, reads. Roles belong to the whole server: a database administrator may have made them
-- before, and then the migrator need not be allowed to.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['dpp_projector', 'dpp_reader'] LOOP
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

-- What is there now, in every schema of ours ...
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT nspname FROM pg_namespace
        WHERE nspname = 'public' OR nspname ~ '_v[0-9]+(_b[0-9]+)?$'
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO dpp_projector, dpp_reader', one.nspname);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO dpp_reader', one.nspname);
        EXECUTE format(
            'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO dpp_projector',
            one.nspname
        );
    END LOOP;
END $$;
REVOKE INSERT, UPDATE, DELETE ON schema_migration FROM dpp_projector;

-- ... and what the same owner makes later: versions, months, tables of later migrations.
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO dpp_projector, dpp_reader;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO dpp_reader;
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO dpp_projector;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- The one change of tables that following the log asks for: a month of the history, made apart and
-- attached, which readers do not notice. It runs as its owner, so it takes nothing but a version of
-- the history and the first day of a month.
CREATE FUNCTION add_history_month(version name, month date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made text := format('dispensation_%s', to_char(month, 'YYYY_MM'));
BEGIN
    IF version !~ '^history_v[0-9]+(_b[0-9]+)?$' OR month <> date_trunc('month', month) THEN
        RAISE EXCEPTION 'add_history_month takes a version of the history and a first of a month';
    END IF;
    EXECUTE format(
        'CREATE TABLE %1$I.%2$I (LIKE %1$I.dispensation INCLUDING CONSTRAINTS)', version, made
    );
    EXECUTE format(
        'ALTER TABLE %1$I.dispensation ATTACH PARTITION %1$I.%2$I FOR VALUES FROM (%3$L) TO (%4$L)',
        version, made, month, (month + interval '1 month')::date
    );
END $$;
REVOKE EXECUTE ON FUNCTION add_history_month(name, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION add_history_month(name, date) TO dpp_projector;
