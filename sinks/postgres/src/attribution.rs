//! Whose fault a refused statement is: a row's, the table's, or not to be told from this error alone.
//!
//! Words of the server are never looked at, because they may be of any language: code, routine and the names of
//! table, column and constraint are; what these concern is asked from the catalogue.

use std::collections::HashMap;

use smiles_stage::StageError;
use tokio_postgres::error::DbError;

use crate::catalog_query::Evidence;
use crate::constraint::{self, Concerned};
use crate::defaults;
use crate::error::said;

/// Who is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The row: a column that the pipeline writes breaks a rule.
    Row,
    /// The table, for this reason: every row waits until that is mended.
    Table(String),
    /// Perhaps a trigger; other rows will tell.
    Unclear,
}

/// What the code of an error says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
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

impl Kind {
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

/// Answers for the errors of one write.
pub(crate) struct Judge<'a> {
    pub(crate) evidence: Evidence<'a>,
    known: HashMap<Cause, Whose>,
}

/// What an answer depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Cause {
    written: Option<String>,
    code: String,
    schema: Option<String>,
    table: Option<String>,
    column: Option<String>,
    constraint: Option<String>,
    datatype: Option<String>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(evidence: Evidence<'a>) -> Self {
        Self { evidence, known: HashMap::new() }
    }

    /// Whose fault the error is; `written`: by a statement that writes this table. The transaction, if there is one,
    /// must be usable.
    ///
    /// # Errors
    /// The catalogue could not be asked.
    pub(crate) async fn whose(
        &mut self,
        written: Option<&str>,
        kind: Kind,
        error: &DbError,
    ) -> Result<Whose, StageError> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let cause = Cause {
            written: owned(written),
            code: error.code().code().to_owned(),
            schema: owned(error.schema()),
            table: owned(error.table()),
            column: owned(error.column()),
            constraint: owned(error.constraint()),
            datatype: owned(error.datatype()),
        };
        // What a function raises has no names, and is told apart by nothing else.
        if kind == Kind::Unclear {
            return Ok(Whose::Unclear);
        }
        if let Some(known) = self.known.get(&cause) {
            return Ok(known.clone());
        }
        let whose = self.look(written, kind, error).await?;
        self.known.insert(cause, whose.clone());
        Ok(whose)
    }

    async fn look(&self, written: Option<&str>, kind: Kind, error: &DbError) -> Result<Whose, StageError> {
        let table = error.table().or(written).unwrap_or_default();
        Ok(match kind {
            Kind::Exhausted => Whose::Table(format!(
                "a sequence that numbers the rows of table `{table}` has reached its end: give its column a wider type, \
                 or restart it"
            )),
            Kind::Partition => Whose::Table(format!(
                "table `{table}` has no partition for a row: make the partition, or a DEFAULT one"
            )),
            Kind::BesidePartition => Whose::Row,
            Kind::Value => {
                match written.and_then(|name| self.evidence.tables.written().find(|it| it.name == name)) {
                    Some(table) => {
                        defaults::fail(&self.evidence, table).await?.map_or(Whose::Row, Whose::Table)
                    }
                    None => Whose::Row,
                }
            }
            Kind::Constraint => judged(&constraint::concerned(&self.evidence, written, error).await?, error),
            Kind::NoRow | Kind::Unclear => Whose::Unclear,
        })
    }
}

/// The verdict over a constraint by the columns that it concerns.
fn judged(concerned: &Concerned, error: &DbError) -> Whose {
    if concerned.written {
        return Whose::Row;
    }
    if concerned.unclear {
        return Whose::Unclear;
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
    Whose::Table(format!("{what}, {advice}; no row is to blame, and all are delivered then"))
}

/// The error that holds a sink.
pub(crate) fn held(why: &str, error: &DbError) -> StageError {
    StageError::retry(why).because(said(error))
}
