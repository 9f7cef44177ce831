//! The binary, driven from outside as its users drive it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod api;
mod bombs;
mod bridge;
mod cases;
mod check;
mod clashes;
mod command_line;
mod companion;
mod container;
mod crash;
mod damage;
mod datasheet;
mod dead_letters;
mod docker;
mod docs;
mod earlier_clients;
mod end_to_end;
mod faults;
mod import;
mod lines;
mod memory;
mod monitoring;
mod named_files;
mod numbers;
mod once;
mod operator;
mod plugins;
mod postgres;
mod postgres_chaos;
mod postgres_health;
mod postgres_watermarks;
mod rooms;
mod schema_files;
mod sequence;
mod service;
mod steady;
mod stopping;
mod structure;
mod sums;
mod totals;
mod unwritable;
mod verdicts;
mod year;
