//! The durable log between collecting and delivering: batches, cursors, state, dead letters.
