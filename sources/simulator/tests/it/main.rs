//! The simulated device over real sockets, and the synthetic source as the runtime sees it.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod connecting;
mod cured;
mod refusing;
mod rig;
mod rtu;
mod served;
mod setup;
mod synthetic;
mod timing;
mod units;
