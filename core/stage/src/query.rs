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
    /// At most so many rows.
    pub limit: Option<u64>,
}
