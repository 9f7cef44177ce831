//! What the bridge says of itself: health, metrics, size of the store.

pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod series;
pub(crate) mod stats;
