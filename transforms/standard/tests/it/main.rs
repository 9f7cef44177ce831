//! The transforms chained as the stock pipeline chains them, over batches and with kept state.

mod cases;
mod chain;
mod days;
mod situations;
mod wild;
mod world;
