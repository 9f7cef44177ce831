-- The six tables of the stock pipeline. Energies are in Wh. A null is a value that the device did not say.

CREATE TABLE IF NOT EXISTS inverters (
    serial_number text PRIMARY KEY,
    dtu_name      text,                               -- the source that heard the inverter last
    first_seen    timestamptz NOT NULL DEFAULT now(),
    last_seen     timestamptz NOT NULL DEFAULT now(),
    inverter_type text,                               -- for you to fill in
    metadata      jsonb                               -- for you to fill in
);

-- One row per inverter and poll.
CREATE TABLE IF NOT EXISTS inverter_data (
    id               bigserial PRIMARY KEY,
    serial_number    text NOT NULL REFERENCES inverters (serial_number),
    timestamp        timestamptz NOT NULL DEFAULT now(),
    grid_voltage     real,                            -- V
    grid_frequency   real,                            -- Hz
    temperature      real,                            -- degrees Celsius
    operating_status integer,
    alarm_code       integer,
    alarm_count      integer,
    link_status      integer,
    raw_data         jsonb                            -- the seven values above as they were read
);

-- One row per port (panel) and poll.
CREATE TABLE IF NOT EXISTS port_data (
    id               bigserial PRIMARY KEY,
    serial_number    text NOT NULL REFERENCES inverters (serial_number),
    port_number      integer NOT NULL,
    timestamp        timestamptz NOT NULL DEFAULT now(),
    pv_voltage       real,                            -- V
    pv_current       real,                            -- A
    pv_power         real,                            -- W
    today_production bigint,                          -- Wh
    total_production bigint,                          -- Wh
    raw_data         jsonb                            -- the five values above as they were read
);

-- The newest production of every port. Null: never heard.
CREATE TABLE IF NOT EXISTS production_cache (
    serial_number    text NOT NULL REFERENCES inverters (serial_number),
    port_number      integer NOT NULL,
    today_production bigint,                          -- Wh
    total_production bigint,                          -- Wh
    last_updated     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (serial_number, port_number)
);

CREATE TABLE IF NOT EXISTS config_cache (
    key          text PRIMARY KEY,
    value        jsonb NOT NULL,
    last_updated timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS system_metrics (
    id           bigserial PRIMARY KEY,
    timestamp    timestamptz NOT NULL DEFAULT now(),
    metric_name  text NOT NULL,
    metric_value real NOT NULL,
    tags         jsonb
);

-- The newest rows of an inverter and of a port are found here, however long the history is. Older installations have
-- indexes of other names, which stay.
CREATE INDEX IF NOT EXISTS idx_inverter_data_serial_time ON inverter_data (serial_number, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_port_data_serial_time ON port_data (serial_number, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_port_data_serial_port_time ON port_data (serial_number, port_number, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_metrics_timestamp ON system_metrics (timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_metrics_name ON system_metrics (metric_name);

-- The newest production changes with every poll: room on the page keeps the index out of it.
ALTER TABLE production_cache SET (fillfactor = 50);
ALTER TABLE inverters SET (fillfactor = 50);
