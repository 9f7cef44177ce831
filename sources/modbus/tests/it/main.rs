//! The source against devices that misbehave, and its decoder against everyone else's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod complaints;
mod conformance;
mod connections;
mod datasheets;
mod gateways;
mod harness;
mod hostile;
mod late;
mod list_ends;
mod lists;
mod meters;
mod options;
mod patience;
mod peer;
mod periods;
mod points;
mod records;
mod roundtrip;
mod rtu;
mod serial;
mod server;
