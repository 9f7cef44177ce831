//! The PostgreSQL sink and store against a real server.

mod conformance;
mod fixture;
mod queries;
mod rejects;
mod types;
