//! What the pipeline is doing, for `/health`, `/metrics` and the log.

pub(crate) mod health_board;
#[cfg(test)]
pub(crate) mod log_capture;
pub(crate) mod meter;
pub(crate) mod rejection_log;
pub(crate) mod source_report;
