//! What a poll is about: its requests, the blocks of the device, and limits.

use std::time::Duration;

use crate::device::field::Order;
use crate::plan::RequestPlan;

/// The plan of one poll: its requests, the blocks of the device, and limits.
#[derive(Debug)]
pub(crate) struct PollPlan {
    /// The source, for the log.
    pub(crate) source: String,
    pub(crate) requests: RequestPlan,
    /// The blocks of the device, in the order of the file.
    pub(crate) blocks: Vec<BlockShape>,
    pub(crate) order: Order,
    /// When to give up.
    pub(crate) limit: Duration,
}

/// Name and size of a block.
#[derive(Debug)]
pub(crate) struct BlockShape {
    pub(crate) name: String,
    pub(crate) bytes: usize,
    pub(crate) bits: bool,
    /// How long its last values hold.
    pub(crate) keep: Option<Duration>,
}
