//! The source against devices that misbehave, and its decoder against everyone else's.

mod harness;
mod hostile;
mod lists;
mod meters;
mod options;
mod peer;
mod records;
mod roundtrip;
mod server;
