//! Where rows come from: a database server, a database file, a CSV file.

use std::path::{Path, PathBuf};

use crate::convert::TextRow;
use crate::error::{ImportError, told};

/// What can be taken over from.
pub struct Source {
    kind: Kind,
    /// What it is, for people.
    pub(crate) shown: String,
}

enum Kind {
    Postgres(Box<smiles_sink_postgres::Extract>),
    Sqlite(smiles_sink_sqlite::Extract),
    Csv(CsvFile),
}

impl Source {
    /// Opens what the argument names: an address, a CSV file by its ending, else a database file. All rows of a CSV
    /// file are of `table`.
    ///
    /// # Errors
    /// There is no such thing, or it cannot be read.
    pub async fn open(argument: &str, table: Option<&str>) -> Result<Self, ImportError> {
        let kind = Kind::open(argument, table).await?;
        let shown = match &kind {
            Kind::Postgres(server) => server.place(),
            Kind::Sqlite(_) => format!("SQLite {argument}"),
            Kind::Csv(_) => argument.to_owned(),
        };
        Ok(Self { kind, shown })
    }

    /// The time zone in which it has stored instants without one, if it says so.
    pub fn zone(&self) -> Option<&str> {
        match &self.kind {
            Kind::Postgres(server) => Some(server.zone()),
            Kind::Sqlite(_) | Kind::Csv(_) => None,
        }
    }

    /// The columns of a table; none if it has no such table.
    pub(crate) async fn columns(&self, table: &str) -> Result<Vec<String>, ImportError> {
        match &self.kind {
            Kind::Postgres(server) => server.columns(table).await.map_err(told),
            Kind::Sqlite(file) => file.columns(table).map_err(told),
            Kind::Csv(file) => Ok(if file.table == table { file.header.clone() } else { Vec::new() }),
        }
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> Result<u64, ImportError> {
        match &self.kind {
            Kind::Postgres(server) => server.count(table).await.map_err(told),
            Kind::Sqlite(file) => file.count(table).map_err(told),
            Kind::Csv(file) => file.count(),
        }
    }

    /// Up to `limit` rows behind the row of this number. The rows of a CSV file are numbered by their lines.
    pub(crate) async fn rows(
        &mut self,
        table: &str,
        columns: &[String],
        number: Option<&str>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<TextRow>, ImportError> {
        match &mut self.kind {
            Kind::Postgres(server) => server.rows(table, columns, number, after, limit).await.map_err(told),
            Kind::Sqlite(file) => file.rows(table, columns, number, after, limit).map_err(told),
            Kind::Csv(file) => file.rows(columns, after, limit),
        }
    }

    /// Whether it is a CSV file, which a person may have written.
    pub(crate) fn is_csv(&self) -> bool {
        matches!(self.kind, Kind::Csv(_))
    }

    /// The id it has as a target of pipelines, if it is one.
    pub(crate) async fn target_id(&self) -> Result<Option<String>, ImportError> {
        match &self.kind {
            Kind::Postgres(server) => server.target_id().await.map_err(told),
            Kind::Sqlite(_) | Kind::Csv(_) => Ok(None),
        }
    }
}

impl Kind {
    async fn open(argument: &str, table: Option<&str>) -> Result<Self, ImportError> {
        if argument.starts_with("postgres://") || argument.starts_with("postgresql://") {
            let server = smiles_sink_postgres::Extract::open(argument).await.map_err(told)?;
            return Ok(Self::Postgres(Box::new(server)));
        }
        let path = Path::new(argument);
        // A pipe would be waited for, and cannot be read twice.
        if path.exists() && !path.is_file() {
            let message = format!("`{argument}` is a folder, a pipe or a device, not a file");
            return Err(ImportError::Refused(message));
        }
        let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        if is_csv {
            let table = table.ok_or_else(|| {
                ImportError::failed("a CSV file needs --table: the table its rows belong to")
            })?;
            return Ok(Self::Csv(CsvFile::open(path, table)?));
        }
        if !path.is_file() {
            // An address of another kind may have a password in it.
            let shown = argument.split_once("://").map_or(argument, |(scheme, _)| scheme);
            return Err(ImportError::failed(format!(
                "there is no file `{shown}`; a database server is named as postgres://USER@HOST/DATABASE"
            )));
        }
        Ok(Self::Sqlite(smiles_sink_sqlite::Extract::open(path).map_err(told)?))
    }
}

/// A CSV file with a line of column names.
struct CsvFile {
    path: PathBuf,
    table: String,
    header: Vec<String>,
    reader: csv::Reader<std::fs::File>,
    /// The line of the last row that was read.
    line: i64,
}

impl CsvFile {
    fn open(path: &Path, table: &str) -> Result<Self, ImportError> {
        let mut reader = Self::reader(path)?;
        let shown = path.display();
        let header = reader.headers().map_err(|source| ImportError::Csv {
            said: format!("{shown}: cannot read its first line"),
            source,
        })?;
        let header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        Ok(Self { path: path.to_owned(), table: table.to_owned(), header, reader, line: 1 })
    }

    fn reader(path: &Path) -> Result<csv::Reader<std::fs::File>, ImportError> {
        let said = || format!("cannot read {}", path.display());
        csv::Reader::from_path(path).map_err(|source| ImportError::Csv { said: said(), source })
    }

    fn failed(&self, source: csv::Error) -> ImportError {
        ImportError::Csv { said: self.path.display().to_string(), source }
    }

    fn count(&self) -> Result<u64, ImportError> {
        let mut reader = Self::reader(&self.path)?;
        let mut record = csv::ByteRecord::new();
        let mut count = 0;
        while reader.read_byte_record(&mut record).map_err(|source| self.failed(source))? {
            count += 1;
        }
        Ok(count)
    }

    /// An empty cell is null.
    fn rows(&mut self, columns: &[String], after: i64, limit: usize) -> Result<Vec<TextRow>, ImportError> {
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
            if !more.map_err(|source| self.failed(source))? {
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
