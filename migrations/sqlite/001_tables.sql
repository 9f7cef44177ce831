-- The six tables of the stock pipeline.
--
-- Times are text such as 2026-11-23T19:43:12.314023+00:00, always UTC and six digits, so that they sort as they
-- happened. Energies are in Wh. A null is a value that the device did not say.

CREATE TABLE inverters (
    serial_number TEXT PRIMARY KEY NOT NULL,
    dtu_name      TEXT,                       -- the source that heard the inverter last
    first_seen    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')),
    last_seen     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')),
    inverter_type TEXT,                       -- for you to fill in
    metadata      TEXT                        -- for you to fill in (JSON)
);

-- One row per inverter and poll.
CREATE TABLE inverter_data (
    id               INTEGER PRIMARY KEY,
    serial_number    TEXT NOT NULL REFERENCES inverters (serial_number),
    timestamp        TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')),
    grid_voltage     REAL,                    -- V
    grid_frequency   REAL,                    -- Hz
    temperature      REAL,                    -- degrees Celsius
    operating_status INTEGER,
    alarm_code       INTEGER,
    alarm_count      INTEGER,
    link_status      INTEGER,
    raw_data         TEXT                     -- the seven values above as a JSON object
);

CREATE INDEX idx_inverter_data_serial_time ON inverter_data (serial_number, timestamp DESC);

-- One row per port (panel) and poll.
CREATE TABLE port_data (
    id               INTEGER PRIMARY KEY,
    serial_number    TEXT NOT NULL REFERENCES inverters (serial_number),
    port_number      INTEGER NOT NULL,
    timestamp        TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')),
    pv_voltage       REAL,                    -- V
    pv_current       REAL,                    -- A
    pv_power         REAL,                    -- W
    today_production INTEGER,                 -- Wh
    total_production INTEGER,                 -- Wh
    raw_data         TEXT                     -- the five values above as a JSON object
);

CREATE INDEX idx_port_data_serial_time ON port_data (serial_number, timestamp DESC);
CREATE INDEX idx_port_data_serial_port_time ON port_data (serial_number, port_number, timestamp DESC);

-- The newest production of every port. Null: never heard.
CREATE TABLE production_cache (
    serial_number    TEXT NOT NULL REFERENCES inverters (serial_number),
    port_number      INTEGER NOT NULL,
    today_production INTEGER,                 -- Wh
    total_production INTEGER,                 -- Wh
    last_updated     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')),
    PRIMARY KEY (serial_number, port_number)
);

CREATE TABLE config_cache (
    key          TEXT PRIMARY KEY NOT NULL,
    value        TEXT NOT NULL,               -- JSON
    last_updated TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'))
);

CREATE TABLE system_metrics (
    id           INTEGER PRIMARY KEY,
    timestamp    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')),
    metric_name  TEXT NOT NULL,
    metric_value REAL NOT NULL,
    tags         TEXT                         -- JSON
);

CREATE INDEX idx_metrics_timestamp ON system_metrics (timestamp DESC);
CREATE INDEX idx_metrics_name ON system_metrics (metric_name);
