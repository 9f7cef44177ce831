//! Attributes a refused statement to a row, to the table, or to neither if this error alone does not say.
//!
//! Words of the server are never looked at, because they may be of any language: code, routine and the names of
//! table, column and constraint are; what these concern is asked from the catalogue.

use std::collections::HashMap;

use smiles_stage::StageError;
use tokio_postgres::error::DbError;

use crate::catalog_query::CatalogQuery;
use crate::constraint::{self, ConstraintColumns};
use crate::defaults;
use crate::error::server_message;

/// What makes the statement fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Culprit {
    /// The row: a column that the pipeline writes breaks a rule.
    Row,
    /// The table, for this reason: every row waits until that is mended.
    Table(String),
    /// Perhaps a trigger; other rows will tell.
    Unclear,
}

/// What the code of an error says by itself, before the catalogue is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// Nothing of rows: the connection, resources, rights, tables that do not fit.
    NoRow,
    /// A sequence has no more numbers.
    Exhausted,
    /// A value that a type or an expression does not take (class 22).
    Value,
    /// A constraint (class 23).
    Constraint,
    /// No partition takes the row.
    Partition,
    /// A row beside the partition that is written.
    BesidePartition,
    /// Raised by a function, or known to nobody.
    Unclear,
}

/// Classes of errors that no row brings about.
const NO_ROW: [&str; 18] = [
    "08", "0B", "25", "26", "28", "2D", "34", "3B", "3D", "3F", "40", "42", "53", "55", "57", "58", "72",
    "F0",
];

impl ErrorKind {
    pub(crate) fn of(error: &DbError) -> Self {
        let code = error.code().code();
        // 22P03: bytes of another type than the column's, which is never the row's fault; XX001 and XX002: damage.
        if matches!(code, "22P03" | "XX001" | "XX002") || NO_ROW.iter().any(|class| code.starts_with(class)) {
            return Self::NoRow;
        }
        // Sequences are for columns that the database fills itself.
        if code == "2200H" {
            return Self::Exhausted;
        }
        if is_of_function(error) {
            return Self::Unclear;
        }
        match (code.get(..2).unwrap_or_default(), code, error.constraint(), error.routine()) {
            ("22", ..) => Self::Value,
            (_, "23514", None, Some("ExecPartitionCheckEmitError")) => Self::BesidePartition,
            (_, "23514", None, _) => Self::Partition,
            ("23", ..) => Self::Constraint,
            _ => Self::Unclear,
        }
    }
}

/// Whether the error befell something that the statement set off. Of a statement itself, only COPY says where it was.
fn is_of_function(error: &DbError) -> bool {
    error.where_().is_some_and(|context| context.lines().any(|line| !line.starts_with("COPY ")))
}

/// Attributes the errors of one write to rows or tables; each kind of error is looked up once.
pub(crate) struct ErrorAttribution<'a> {
    pub(crate) catalog: CatalogQuery<'a>,
    known: HashMap<AttributionKey, Culprit>,
}

/// What an attribution depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct AttributionKey {
    written: Option<String>,
    code: String,
    schema: Option<String>,
    table: Option<String>,
    column: Option<String>,
    constraint: Option<String>,
    datatype: Option<String>,
}

impl<'a> ErrorAttribution<'a> {
    pub(crate) fn new(catalog: CatalogQuery<'a>) -> Self {
        Self { catalog, known: HashMap::new() }
    }

    /// Whose fault the error is; `written`: by a statement that writes this table. The transaction, if there is one,
    /// must be usable.
    ///
    /// # Errors
    /// The catalogue could not be asked.
    pub(crate) async fn culprit(
        &mut self,
        written: Option<&str>,
        kind: ErrorKind,
        error: &DbError,
    ) -> Result<Culprit, StageError> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let cause = AttributionKey {
            written: owned(written),
            code: error.code().code().to_owned(),
            schema: owned(error.schema()),
            table: owned(error.table()),
            column: owned(error.column()),
            constraint: owned(error.constraint()),
            datatype: owned(error.datatype()),
        };
        // What a function raises has no names, and is told apart by nothing else.
        if kind == ErrorKind::Unclear {
            return Ok(Culprit::Unclear);
        }
        if let Some(known) = self.known.get(&cause) {
            return Ok(known.clone());
        }
        let culprit = self.find_culprit(written, kind, error).await?;
        self.known.insert(cause, culprit.clone());
        Ok(culprit)
    }

    async fn find_culprit(
        &self,
        written: Option<&str>,
        kind: ErrorKind,
        error: &DbError,
    ) -> Result<Culprit, StageError> {
        let table = error.table().or(written).unwrap_or_default();
        Ok(match kind {
            ErrorKind::Exhausted => Culprit::Table(format!(
                "a sequence that numbers the rows of table `{table}` has reached its end: give its column a wider type, \
                 or restart it"
            )),
            ErrorKind::Partition => Culprit::Table(format!(
                "table `{table}` has no partition for a row: make the partition, or a DEFAULT one"
            )),
            ErrorKind::BesidePartition => Culprit::Row,
            ErrorKind::Value => {
                match written.and_then(|name| self.catalog.tables.written().find(|it| it.name == name)) {
                    Some(table) => {
                        defaults::fail(&self.catalog, table).await?.map_or(Culprit::Row, Culprit::Table)
                    }
                    None => Culprit::Row,
                }
            }
            ErrorKind::Constraint => {
                of_constraint(&constraint::concerned(&self.catalog, written, error).await?, error)
            }
            ErrorKind::NoRow | ErrorKind::Unclear => Culprit::Unclear,
        })
    }
}

/// Attributes a violated constraint by the columns that it concerns.
fn of_constraint(concerned: &ConstraintColumns, error: &DbError) -> Culprit {
    if concerned.written {
        return Culprit::Row;
    }
    if concerned.unclear {
        return Culprit::Unclear;
    }
    let (table, columns) = (error.table().unwrap_or_default(), concerned.others.join(", "));
    let what = match (error.constraint(), error.code().code()) {
        (_, "23502") => format!("column `{columns}` of table `{table}` may not be null and gets no value"),
        (Some(name), _) if columns.is_empty() => {
            format!("constraint `{name}` of table `{table}` refuses any row")
        }
        (Some(name), _) => format!("constraint `{name}` of table `{table}` concerns only `{columns}`"),
        (None, _) => format!("a constraint of table `{table}` concerns only `{columns}`"),
    };
    let advice = match (error.code().code(), concerned.counted.as_deref()) {
        ("23505", Some(column)) => format!(
            "whose sequence is behind its table; SELECT setval(pg_get_serial_sequence('{table}', '{column}'), \
             max({column})) FROM {table} mends that"
        ),
        _ => "which the pipeline does not write: mend that".to_owned(),
    };
    Culprit::Table(format!("{what}, {advice}; no row is to blame, and all are delivered then"))
}

/// The error that holds a sink.
pub(crate) fn holding_error(why: &str, error: &DbError) -> StageError {
    StageError::retry(why).because(server_message(error))
}
