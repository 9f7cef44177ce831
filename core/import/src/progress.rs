//! What an import tells while it goes on.

/// What an import tells while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A table begins.
    Table {
        /// Its name.
        name: &'a str,
        /// Its rows.
        rows: u64,
    },
    /// So many more rows of the table are read.
    Rows(u64),
    /// What stands in the pipeline's own database is being mended; nobody knows how long that takes.
    Mending,
    /// What began has come to its end.
    Ended,
}
