//! What the stores share beneath their SQL: batches that were taken and not flushed ([`Pending`]), rows of tables
//! with the place each came from ([`Part`]), rows that can never be stored ([`Rejected`]), questions held against
//! the tables ([`resolve`]), and the cells of an answer ([`Answer`]).

mod answer;
mod migration;
mod pending;
mod rejected;
mod resolve;

pub use answer::{Answer, Cells};
pub use migration::Migration;
pub use pending::{Flush, Pending};
pub use rejected::{Part, Rejected, parts};
pub use resolve::{Resolved, resolve};
