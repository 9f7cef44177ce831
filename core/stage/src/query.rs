//! A question to a store as plain data; each store compiles it to its own language with bound parameters.

use jiff::Timestamp;

/// A value to compare with.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// An instant.
    Time(Timestamp),
}

/// How a column is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Less than.
    Lt,
    /// At most.
    Le,
    /// Greater than.
    Gt,
    /// At least.
    Ge,
}

/// A condition; all conditions of a query hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// The column; a null in it never satisfies the condition.
    pub column: String,
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub value: Value,
}

/// One column of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The column; nulls come last.
    pub column: String,
    /// Largest first.
    pub descending: bool,
}

/// What to read from one table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// The table, as named in the store's mapping.
    pub table: String,
    /// The columns in order; empty: all, in the order of the store's schema.
    pub columns: Vec<String>,
    /// Conditions, joined by and.
    pub filters: Vec<Filter>,
    /// Only the newest row of each combination of these columns; needs `newest`.
    pub latest_by: Vec<String>,
    /// The column that decides which row is newest.
    pub newest: Option<String>,
    /// The order of the answer, applied last.
    pub order: Vec<Order>,
    /// Only rows on one side of a place in the order; all of them hold. Not together with `latest_by`.
    pub within: Vec<PageBound>,
    /// Aggregates of spans of time in place of rows.
    pub buckets: Option<Buckets>,
    /// Passes over so many rows first.
    pub skip: u64,
    /// At most so many rows.
    pub limit: Option<u64>,
}

/// A place in the order of a query. A row with a null in one of the order's columns is on no side of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PageBound {
    /// Which rows are meant.
    pub side: BoundSide,
    /// A value for each column of the order.
    pub place: Vec<Value>,
}

/// Which rows a [`PageBound`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundSide {
    /// The row at the place and those behind it.
    From,
    /// Those behind it.
    After,
    /// The row at the place and those before it.
    UpTo,
}

/// Spans of time, each answered by one row: the span's start, then the aggregates. A span without rows has none;
/// those that have some come in ascending order. `columns`, `latest_by`, `order`, `within` and `skip` are empty then.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets {
    /// The column that says when.
    pub time: String,
    /// Where the spans begin, ascending, and where the last one ends: two or more.
    pub bounds: Vec<Timestamp>,
    /// What is answered of each.
    pub aggregates: Vec<Aggregate>,
}

/// One value out of the rows of a span. Nulls do not count; of nothing else the value is null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// The column, a number.
    pub column: String,
    /// How.
    pub function: Function,
}

/// How many values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The smallest.
    Min,
    /// The mean, a `float64`.
    Avg,
    /// The largest.
    Max,
    /// That of the newest row.
    Last,
}

impl Function {
    /// All of them, in the order they are served.
    pub const ALL: [Self; 4] = [Self::Min, Self::Avg, Self::Max, Self::Last];

    /// As in the name of an answered column: `voltage_min`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Avg => "avg",
            Self::Max => "max",
            Self::Last => "last",
        }
    }
}
