//! The API over real connections: the stock resources, errors, health, metrics, and what clients try.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod defence;
mod events;
mod fake_store;
mod guard;
mod health;
mod metrics;
mod other;
mod resources;
mod stock;
mod view;
mod wiring;
mod words;
mod world;
