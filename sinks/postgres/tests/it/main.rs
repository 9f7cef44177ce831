//! The PostgreSQL sink and store against a real server.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod adoption;
mod blame;
mod clocks;
mod conformance;
mod faults;
mod fixture;
mod hostile;
mod limits;
mod pooler;
mod queries;
mod rejects;
mod stats;
mod tls;
mod types;
mod verdicts;
mod worlds;
