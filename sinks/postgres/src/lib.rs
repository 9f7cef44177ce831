//! PostgreSQL: rows by binary COPY, exactly once, and a store to query.
//!
//! One writer connection moves the rows of all tables and the watermark in one transaction; a pool of connections,
//! opened on demand, answers queries beside it. What is pure (the binary form of Arrow columns, SQL text, compiling
//! of queries) stands in files of its own. Nothing is kept in a session, so a pooler that gives each transaction
//! another one may stand in between; of statements only a COPY has a name, and is closed within its transaction.
//!
//! Cells are stored as the tables have them: whole numbers in any integer, floating point or numeric column, times in
//! `timestamptz` (in `timestamp` as what a clock in UTC shows), text in text columns and enums, JSON in `jsonb` or
//! `json`. A number that is not finite is null. A value that its column cannot hold rejects the row.

mod answer;
mod attempt;
mod attribution;
mod bisect;
mod catalog;
mod catalog_query;
mod compile;
mod config;
mod connect;
mod constraint;
mod defaults;
mod encode;
mod error;
mod extract;
mod kept;
mod load;
mod message_limit;
mod migrate;
mod passfile;
mod plan;
mod pool;
mod sink;
mod sql;
mod stats;
mod store;
mod tls;
mod watermark;
mod write;
mod writer;

pub use config::{Password, PostgresConfig, SslMode};
pub use extract::{Extract, TextRow};
pub use plan::Postgres;
