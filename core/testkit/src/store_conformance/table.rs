//! The table that stores are asked about.

/// Row number, two keys, an instant, a value; everything but the first may be null.
pub type Row = (i64, Option<&'static str>, Option<i64>, Option<i64>, Option<f64>);

/// The columns of every table.
pub(super) const COLUMNS: [&str; 5] = ["id", "s", "p", "time", "v"];
