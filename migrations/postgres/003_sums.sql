-- Sums that were established once and only grow. Energies are in Wh. Null: not every port was heard yet. They change with
-- every poll: room on the page keeps the index out of it.

CREATE TABLE IF NOT EXISTS plant_production (
    plant            text PRIMARY KEY,            -- the name of the pipeline
    today_production bigint,
    total_production bigint,
    last_updated     timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS dtu_production (
    dtu_name         text PRIMARY KEY,
    today_production bigint,
    total_production bigint,
    last_updated     timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS inverter_production (
    serial_number    text PRIMARY KEY,
    today_production bigint,
    total_production bigint,
    last_updated     timestamptz NOT NULL
) WITH (fillfactor = 50);
