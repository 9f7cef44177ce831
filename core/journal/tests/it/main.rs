//! The journal as its callers see it: restarts, crashes, damage, rolled-back files, full disks.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic like tests")]

mod damage;
mod full;
mod gone;
mod guest;
mod model;
mod place;
mod rejected;
mod rules;
mod writing;
