//! The PostgreSQL sink and store against a real server.

mod adoption;
mod conformance;
mod faults;
mod fixture;
mod pooler;
mod queries;
mod rejects;
mod tls;
mod types;
mod worlds;
