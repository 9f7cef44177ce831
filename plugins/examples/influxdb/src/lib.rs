//! A sink for InfluxDB 1.x (and everything that takes its line protocol over HTTP): one POST per flush.
//!
//! A point is named by measurement, tags and time, so a batch that arrives twice after a crash writes the same points again.

mod http;
mod line;

use smiles_plugin_sdk::schemars::JsonSchema;
use smiles_plugin_sdk::serde::Deserialize;
use smiles_plugin_sdk::{Error, Host, Metric, Position, RecordBatch, Rejected, SchemaRef, Sink};

use http::{Answer, Endpoint};
use line::Encoder;

/// What the stage is told.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(crate = "smiles_plugin_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "smiles_plugin_sdk::schemars")]
#[schemars(extend("examples" = [{"url": "http://127.0.0.1:8086", "database": "smiles_check", "tags": ["source"]}]))]
pub struct Options {
    /// where the server is: http://HOST:PORT
    #[schemars(regex(pattern = r"^http://"))]
    url: String,
    /// the database; it must exist
    #[schemars(length(min = 1))]
    database: String,
    /// the measurement every row is a point of
    #[serde(default = "telemetry")]
    #[schemars(length(min = 1))]
    measurement: String,
    /// text columns that become tags; all others become fields
    #[serde(default)]
    tags: Vec<String>,
    /// user, if the server asks for one
    #[serde(default)]
    username: String,
    /// password of the user
    #[serde(default)]
    password: String,
}

fn telemetry() -> String {
    "telemetry".to_owned()
}

/// Lines taken and not yet sent.
pub struct Influxdb {
    endpoint: Endpoint,
    encoder: Encoder,
    lines: String,
    /// Whose row each line is.
    rows: Vec<(u64, usize)>,
    host: Host,
}

impl Sink for Influxdb {
    type Options = Options;
    const TYPE: &'static str = "influxdb";
    const ABOUT: &'static str = "writes points to InfluxDB 1.x by line protocol over HTTP";
    const METRICS: &'static [Metric] = &[("influxdb_points", "Points an InfluxDB has confirmed.")];

    fn plan(options: &Options, input: Option<&SchemaRef>) -> Result<(), Error> {
        Endpoint::of(options)?;
        input.map_or(Ok(()), |input| Encoder::new(options, input).map(drop))
    }

    fn open(options: Options, input: SchemaRef, host: Host) -> Result<Self, Error> {
        let (endpoint, encoder) = (Endpoint::of(&options)?, Encoder::new(&options, &input)?);
        Ok(Self { endpoint, encoder, lines: String::new(), rows: Vec::new(), host })
    }

    fn write(&mut self, rows: &RecordBatch, position: Position) -> Result<(), Error> {
        for row in 0..rows.num_rows() {
            if self.encoder.line(rows, row, &mut self.lines) {
                self.rows.push((position.seq, row));
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let answer = self.endpoint.post(&self.lines)?;
        if answer.status != 204 {
            return Err(self.refused(&answer));
        }
        #[expect(clippy::cast_precision_loss, reason = "counted in floats")]
        self.host.count(0, self.rows.len() as f64);
        self.forget_unflushed();
        Ok(())
    }

    fn forget_unflushed(&mut self) {
        self.lines.clear();
        self.rows.clear();
    }
}

impl Influxdb {
    /// A bad request is about one of its points: with one point in it that point is set aside; else they are tried alone.
    fn refused(&self, answer: &Answer) -> Error {
        let said = format!("{} answers {}: {}", self.endpoint.shown(), answer.status, answer.reason());
        match answer.status {
            400 => match self.guilty() {
                Ok(rows) if !rows.is_empty() => Error::reject(rows, said),
                Ok(_) => Error::retry(said),
                Err(error) => error,
            },
            401 | 403 => Error::halt(format!("{said}; check `username` and `password`")),
            404 => Error::halt(format!("{said}; create the database first")),
            413 => Error::retry(format!("{said}; make `batch.max_rows` smaller")),
            _ => Error::retry(said),
        }
        .code(i32::from(answer.status))
    }

    /// The points the server refuses one by one. Writing the others again changes nothing.
    fn guilty(&self) -> Result<Vec<Rejected>, Error> {
        let mut rows = Vec::new();
        for (line, (seq, row)) in self.lines.lines().zip(&self.rows) {
            let answer = self.endpoint.post(line)?;
            if answer.status == 400 {
                let reason = answer.reason();
                rows.push(Rejected { seq: *seq, row: *row, code: "400".to_owned(), reason });
            }
        }
        Ok(rows)
    }
}

smiles_plugin_sdk::export! { license: "MIT", sinks: [Influxdb] }
