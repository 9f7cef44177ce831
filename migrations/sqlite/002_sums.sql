-- Sums that were established once and only grow. Energies are in Wh. Null: not every port was heard yet.

CREATE TABLE plant_production (
    plant            TEXT PRIMARY KEY NOT NULL,   -- the name of the pipeline
    today_production INTEGER,
    total_production INTEGER,
    last_updated     TEXT NOT NULL
);

CREATE TABLE dtu_production (
    dtu_name         TEXT PRIMARY KEY NOT NULL,
    today_production INTEGER,
    total_production INTEGER,
    last_updated     TEXT NOT NULL
);

CREATE TABLE inverter_production (
    serial_number    TEXT PRIMARY KEY NOT NULL,
    today_production INTEGER,
    total_production INTEGER,
    last_updated     TEXT NOT NULL
);
