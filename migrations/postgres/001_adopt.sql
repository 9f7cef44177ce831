-- A database of the earlier system becomes ours, in place: nothing is copied, nothing is lost. Where there is none, this
-- does nothing.
--
--   timestamp        becomes timestamptz. What is stored is what a clock showed in the time zone of the session that
--                    wrote it, which is that of the role and the database (current_setting('TimeZone')), unless
--                    smiles.timezone says otherwise. Of an hour that a clock showed twice the second is meant.
--   today_production, total_production
--                    become bigint: a total of 4,294,967,295 Wh exists.
--   production_cache.today_production, .total_production
--                    may be null: never heard.
--
-- All changes of a table are one ALTER TABLE: it is written anew once. Indexes of its own keep their names.
-- rewrites: inverters, inverter_data, port_data, production_cache, config_cache, system_metrics

-- What can be known before anything is touched is said here, also to a dry run.
DO $check$
DECLARE
    obstacles text;
BEGIN
    SELECT string_agg(DISTINCT format('%s %s', CASE v.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, v.oid::regclass), ', ')
    INTO obstacles
    FROM unnest(ARRAY['inverters', 'inverter_data', 'port_data', 'production_cache', 'config_cache', 'system_metrics']) AS t (name)
    JOIN pg_attribute AS a ON a.attrelid = to_regclass(t.name) AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_depend AS d ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite AS r ON r.oid = d.objid
    JOIN pg_class AS v ON v.oid = r.ev_class AND v.oid <> a.attrelid
    WHERE a.atttypid = 'timestamp'::regtype
       OR (a.attname IN ('today_production', 'total_production') AND a.atttypid = 'integer'::regtype);
    IF obstacles IS NOT NULL THEN
        RAISE EXCEPTION 'these use columns that change their type: %', obstacles
            USING HINT = 'keep their definitions (pg_get_viewdef), drop them, and create them again afterwards';
    END IF;
    SELECT string_agg(c.oid::regclass::text, ', ') INTO obstacles
    FROM unnest(ARRAY['inverters', 'inverter_data', 'port_data', 'production_cache', 'config_cache', 'system_metrics']) AS t (name)
    JOIN pg_class AS c ON c.oid = to_regclass(t.name)
    WHERE NOT pg_has_role(c.relowner, 'USAGE');
    IF obstacles IS NOT NULL THEN
        RAISE EXCEPTION 'these tables belong to another role: %', obstacles
            USING HINT = 'make the role of the bridge their owner: ALTER TABLE ... OWNER TO ...';
    END IF;
END
$check$;
-- checks end here

DO $adopt$
DECLARE
    zone    text := coalesce(nullif(current_setting('smiles.timezone', true), ''), current_setting('TimeZone'));
    adopted text;
    changes text;
BEGIN
    FOREACH adopted IN ARRAY ARRAY['inverters', 'inverter_data', 'port_data', 'production_cache', 'config_cache', 'system_metrics']
    LOOP
        SELECT string_agg(nullif(concat_ws(', ',
            CASE
                WHEN a.atttypid = 'timestamp'::regtype
                    THEN format('ALTER COLUMN %I TYPE timestamptz USING %1$I AT TIME ZONE %L', a.attname, zone)
                WHEN a.attname IN ('today_production', 'total_production') AND a.atttypid = 'integer'::regtype
                    THEN format('ALTER COLUMN %I TYPE bigint', a.attname)
            END,
            CASE
                WHEN adopted = 'production_cache' AND a.attname IN ('today_production', 'total_production') AND a.attnotnull
                    THEN format('ALTER COLUMN %I DROP NOT NULL', a.attname)
            END), ''), ', ')
        INTO changes
        FROM pg_attribute AS a
        WHERE a.attrelid = to_regclass(adopted) AND a.attnum > 0 AND NOT a.attisdropped;
        IF changes IS NOT NULL THEN
            RAISE NOTICE 'adopting table %: %', adopted, changes;
            EXECUTE format('ALTER TABLE %I %s', adopted, changes);
        END IF;
    END LOOP;
END
$adopt$;
