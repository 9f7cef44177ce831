//! What the stores share beneath their SQL: batches that were taken and not flushed ([`Pending`]), rows of tables
//! with the place each came from ([`Part`]), rows that can never be stored ([`Rejected`]) or were left out in silence
//! ([`Swallowed`]), questions held against the tables ([`resolve`]), the cells of an answer ([`Answer`]), and SQL that is the same in each but for its spelling
//! ([`Dialect`]).

mod answer;
mod dialect;
mod migration;
mod pending;
mod rejected;
mod resolve;
mod sql;
mod swallowed;

pub use answer::{Answer, Cells};
pub use dialect::{Dialect, conflict, create, latest};
pub use migration::Migration;
pub use pending::{Flush, Pending};
pub use rejected::{Part, Rejected, halves, parts, places};
pub use resolve::{Resolved, resolve};
pub use sql::{Step, edge, list, operator, quoted, wherever};
pub use swallowed::{Swallowed, each_counts, found_by};
