//! The source against devices that misbehave, and its decoder against everyone else's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod harness;
mod hostile;
mod lists;
mod meters;
mod options;
mod peer;
mod records;
mod roundtrip;
mod server;
