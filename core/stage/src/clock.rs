//! The one clock. Everything that waits or stamps asks it, so tests own the time.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// Wall time for rows, monotonic time for waiting. The two may part (a suspended machine, a stepped clock).
#[async_trait]
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The wall clock, UTC.
    fn now(&self) -> Timestamp;

    /// Time since a fixed but arbitrary origin; never goes back.
    fn monotonic(&self) -> Duration;

    /// Returns once [`Clock::monotonic`] has reached `deadline`; at once if it has already.
    async fn sleep_until(&self, deadline: Duration);
}
