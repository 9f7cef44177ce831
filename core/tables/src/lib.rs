//! How columns of a pipeline become rows of tables: shared by every store, and by the API that follows one.
//!
//! [`Tables`] is what people write, [`TablesPlan`] what it means for the columns that enter. A planned table turns
//! a batch into the rows of its table ([`TablePlan::piece`]) and folds the rows of one key into one before an
//! upsert ([`merge`]). Nothing here knows a database: a store adds its SQL and its encoding.

mod bundle;
mod check;
mod column_type;
mod config;
mod convert;
mod document;
mod json;
mod key;
mod merge;
mod plan;
mod project;
mod select;

#[cfg(test)]
mod tests;

pub use bundle::{Bundle, RowAddress};
pub use column_type::ColumnType;
pub use config::{Mode, Tables};
pub use document::is_document;
pub use json::{row_objects, write_time};
pub use merge::{latest_plausible, merge, plausible_until};
pub use plan::{PlannedColumn, Role, TablePlan, TablesPlan};
pub use project::{Misfit, Piece};
