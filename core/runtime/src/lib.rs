//! Wires a pipeline and moves its batches: schedule, journal, retry, delivery, health.
