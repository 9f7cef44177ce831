//! The transforms chained as the stock pipeline chains them, over batches and with kept state.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cases;
mod chain;
mod conformance;
mod days;
mod field;
mod logged;
mod reference;
mod rules;
mod situations;
mod wild;
mod words;
mod world;
