//! What a poll is about: the device, and limits.

use std::sync::Arc;
use std::time::Duration;

use crate::device_plan::DevicePlan;

/// The plan of one poll.
#[derive(Debug)]
pub(crate) struct PollPlan {
    /// The source, for the log.
    pub(crate) source: String,
    pub(crate) device: Arc<DevicePlan>,
    /// When to give up.
    pub(crate) limit: Duration,
}
