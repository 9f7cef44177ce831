//! The clock as sinks see it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use smiles_stage::Clock;

use crate::time::trust::clock_trust::ClockTrust;

/// A clock whose wall time is the best that is known of it: what a sink says of ages and days would else be wrong for as
/// long as the machine's clock is, though every batch says when it was accepted.
#[derive(Debug)]
pub(crate) struct TrustedClock {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clock_trust: Arc<ClockTrust>,
}

#[async_trait]
impl Clock for TrustedClock {
    fn now(&self) -> Timestamp {
        self.clock_trust.now(self.clock.as_ref())
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    async fn sleep_until(&self, deadline: Duration) {
        self.clock.sleep_until(deadline).await;
    }
}
