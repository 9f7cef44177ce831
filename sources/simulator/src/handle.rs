//! The other end of a served device: what was asked of it, and switches for its faults.

use std::sync::Arc;

use jiff::Timestamp;

use crate::faults::Faults;
use crate::layout::Image;
use crate::lock::locked;
use crate::log::{Counters, ReceivedRequest};
use crate::shared::SharedState;
use crate::world::{Event, Reading, Truth};

/// Watches and steers a device while it is served; clones are the same device.
#[derive(Clone, Debug)]
pub struct Handle(pub(crate) Arc<SharedState>);

impl Handle {
    /// What was asked so far.
    pub fn counters(&self) -> Counters {
        locked(&self.0.log).counters.clone()
    }

    /// The newest requests, oldest first; at most 1024.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        locked(&self.0.log).recent.iter().copied().collect()
    }

    /// Returns once so many requests have come.
    pub async fn requested(&self, count: u64) {
        let mut asked = self.0.asked.subscribe();
        // Fails only when the sender is gone, which this handle keeps.
        let _ = asked.wait_for(|number| *number >= count).await;
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        locked(&self.0.faults).clone()
    }

    /// Puts these faults in force from the next request on.
    pub fn set_faults(&self, faults: Faults) {
        *locked(&self.0.faults) = faults;
    }

    /// Serves recorded bytes in place of a simulation from the next request on.
    pub fn set_image(&self, image: Image) {
        let image = Arc::new(image);
        for unit in &self.0.units {
            unit.set_image(Arc::clone(&image));
        }
    }

    /// Lets something happen behind the device (its first unit) at once.
    pub fn happens(&self, event: Event) {
        self.0.first().world(self.now()).happens(event);
    }

    /// Simulated time.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// What the list (of the first unit) says now, record by record; the pass last begun decides about glitches.
    pub fn readings(&self) -> Vec<Reading> {
        let unit = self.0.first();
        let pass = unit.passes();
        let world = unit.world(self.now());
        (0..world.records()).filter_map(|record| world.reading(record, pass)).collect()
    }

    /// What really is now (behind the first unit), record by record.
    pub fn truth(&self) -> Vec<Truth> {
        let world = self.0.first().world(self.now());
        (0..world.records()).map(|record| world.truth(record)).collect()
    }
}
