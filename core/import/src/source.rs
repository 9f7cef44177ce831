//! Where rows come from: a database server, a database file, a CSV file.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use smiles_stage::StageError;

use super::convert::TextRow;

/// What can be taken over from.
pub(super) enum Source {
    Postgres(Box<smiles_sink_postgres::Extract>),
    Sqlite(smiles_sink_sqlite::Extract),
    Csv(CsvFile),
}

impl Source {
    /// Opens what the argument names: an address, a CSV file by its ending, else a database file.
    pub(super) async fn open(argument: &str, table: Option<&str>) -> anyhow::Result<Self> {
        if argument.starts_with("postgres://") || argument.starts_with("postgresql://") {
            let server = smiles_sink_postgres::Extract::open(argument).await.map_err(told)?;
            return Ok(Self::Postgres(Box::new(server)));
        }
        let path = Path::new(argument);
        let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        if is_csv {
            let table = table.context("a CSV file needs --table: the table its rows belong to")?;
            return Ok(Self::Csv(CsvFile::open(path, table)?));
        }
        if !path.is_file() {
            return Err(anyhow!(
                "there is no file `{argument}`; a database server is named as postgres://USER@HOST/DATABASE"
            ));
        }
        Ok(Self::Sqlite(smiles_sink_sqlite::Extract::open(path).map_err(told)?))
    }

    /// What it is, for people.
    pub(super) fn shown(&self, argument: &str) -> String {
        match self {
            Self::Postgres(server) => server.place(),
            Self::Sqlite(_) => format!("SQLite {argument}"),
            Self::Csv(_) => argument.to_owned(),
        }
    }

    /// The time zone in which it has stored instants without one, if it says so.
    pub(super) fn zone(&self) -> Option<&str> {
        match self {
            Self::Postgres(server) => Some(server.zone()),
            Self::Sqlite(_) | Self::Csv(_) => None,
        }
    }

    /// The columns of a table; none if it has no such table.
    pub(super) async fn columns(&self, table: &str) -> anyhow::Result<Vec<String>> {
        match self {
            Self::Postgres(server) => server.columns(table).await.map_err(told),
            Self::Sqlite(file) => file.columns(table).map_err(told),
            Self::Csv(file) => Ok(if file.table == table { file.header.clone() } else { Vec::new() }),
        }
    }

    /// How many rows a table has.
    pub(super) async fn count(&self, table: &str) -> anyhow::Result<u64> {
        match self {
            Self::Postgres(server) => server.count(table).await.map_err(told),
            Self::Sqlite(file) => file.count(table).map_err(told),
            Self::Csv(file) => file.count(),
        }
    }

    /// Up to `limit` rows behind the row of this number. The rows of a CSV file are numbered by their lines.
    pub(super) async fn rows(
        &mut self,
        table: &str,
        columns: &[String],
        number: Option<&str>,
        after: i64,
        limit: usize,
    ) -> anyhow::Result<Vec<TextRow>> {
        match self {
            Self::Postgres(server) => server.rows(table, columns, number, after, limit).await.map_err(told),
            Self::Sqlite(file) => file.rows(table, columns, number, after, limit).map_err(told),
            Self::Csv(file) => file.rows(columns, after, limit),
        }
    }
}

/// A stage's error with its cause.
pub(super) fn told(error: StageError) -> anyhow::Error {
    anyhow!(error)
}

/// A CSV file with a line of column names.
pub(super) struct CsvFile {
    path: PathBuf,
    table: String,
    header: Vec<String>,
    reader: csv::Reader<std::fs::File>,
    /// The line of the last row that was read.
    line: i64,
}

impl CsvFile {
    fn open(path: &Path, table: &str) -> anyhow::Result<Self> {
        let mut reader = Self::reader(path)?;
        let shown = path.display();
        let header = reader.headers().with_context(|| format!("{shown}: cannot read its first line"))?;
        let header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        Ok(Self { path: path.to_owned(), table: table.to_owned(), header, reader, line: 1 })
    }

    fn reader(path: &Path) -> anyhow::Result<csv::Reader<std::fs::File>> {
        csv::Reader::from_path(path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn count(&self) -> anyhow::Result<u64> {
        let mut reader = Self::reader(&self.path)?;
        let mut record = csv::ByteRecord::new();
        let mut count = 0;
        while reader.read_byte_record(&mut record).with_context(|| self.path.display().to_string())? {
            count += 1;
        }
        Ok(count)
    }

    /// An empty cell is null.
    fn rows(&mut self, columns: &[String], after: i64, limit: usize) -> anyhow::Result<Vec<TextRow>> {
        if after < self.line {
            self.reader = Self::reader(&self.path)?;
            self.line = 1;
        }
        let places: Vec<Option<usize>> =
            columns.iter().map(|column| self.header.iter().position(|name| name == column)).collect();
        let mut rows = Vec::new();
        let mut record = csv::StringRecord::new();
        while rows.len() < limit {
            let more = self.reader.read_record(&mut record);
            if !more.with_context(|| self.path.display().to_string())? {
                break;
            }
            let line = record.position().map_or(0, csv::Position::line);
            self.line = i64::try_from(line).unwrap_or(i64::MAX);
            if self.line > after {
                let cell = |place: &Option<usize>| {
                    place
                        .and_then(|place| record.get(place))
                        .filter(|text| !text.is_empty())
                        .map(str::to_owned)
                };
                rows.push((self.line, places.iter().map(cell).collect()));
            }
        }
        Ok(rows)
    }
}
