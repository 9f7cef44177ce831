//! Pipelines for the tests: meters that nobody knows, and the stock pipeline beside a device of the tests.

use std::path::Path;

use crate::bridge::Bridge;

/// Meters with rows in advance: `ROWS` of them a minute apart from `START`, then as many more `EVERY`.
const METERS: &str = "
pipeline: meters
sources:
  hall:
    type: synthetic
    rows: ROWS
    start: 'START'
    time_step: 60s
    every: EVERY
    columns:
      n: {type: int, pattern: sequence}
      meter: {type: text, pattern: constant, value: a}
      volts: {type: float, pattern: random, min: 220, max: 240, unit: V, nulls: 0.1}
      energy: {type: int, pattern: sequence, unit: Wh, kind: counter}
      note: {type: text, pattern: constant, value: 'say \"hi\", twice'}
sinks:
  store:
    type: sqlite
    path: meters.db
    migrations: migrations
    tables:
      readings:
        mode: append
        columns: {at: time, n: n, meter: meter, volts: volts, energy: energy, note: note}
  api:
    type: http_api
    listen: 127.0.0.1:0
    store: store
    timezone: Europe/Berlin
    offline_after: 1h
    resources:
      /v2/meters/{meter}/readings:
        description: Readings of a meter
        parameters: {meter: {in: path, case: lower}}
        query:
          table: readings
          columns: [n, meter, at as time, volts, energy, note]
          filters: {meter: {param: meter}}
        history: {by: [at, n], buckets: [volts, energy], limit: 50, intervals: [30m, 1h, 1d]}
";

/// What the readings are stored in.
const TABLE: &str = "CREATE TABLE readings (id INTEGER PRIMARY KEY, at TEXT NOT NULL, n INTEGER NOT NULL, meter TEXT NOT NULL,
    volts REAL, energy INTEGER, note TEXT);
CREATE INDEX readings_meter ON readings (meter, at DESC, n DESC);";

/// The path of the meters' history.
pub(super) const READINGS: &str = "/v2/meters/a/readings";

/// Starts the meters in `folder`.
pub(super) fn meters(folder: &Path, rows: u32, start: &str, every: &str) -> Bridge {
    let text = METERS.replace("ROWS", &rows.to_string()).replace("START", start).replace("EVERY", every);
    std::fs::create_dir_all(folder.join("migrations")).expect("a folder");
    std::fs::write(folder.join("migrations/001_readings.sql"), TABLE).expect("a file");
    std::fs::write(folder.join("meters.yaml"), text).expect("a file");
    Bridge::start(&["run", "meters.yaml"], &[], folder)
}

/// Starts the stock SQLite pipeline on a device of the tests.
pub(crate) fn stock(folder: &Path, port: u16, more: &[(&str, &str)]) -> Bridge {
    let port = port.to_string();
    let mut variables = vec![
        ("DTU_HOST", "127.0.0.1"),
        ("DTU_PORT", port.as_str()),
        ("DTU_MIN_DELAY", "1ms"),
        ("COMM_TIMEOUT", "1"),
        ("QUERY_PERIOD", "5"),
        ("HEALTH_HOST", "127.0.0.1"),
        ("HEALTH_PORT", "0"),
    ];
    variables.extend_from_slice(more);
    Bridge::start(&["run", "hoymiles-sqlite.yaml"], &variables, folder)
}
