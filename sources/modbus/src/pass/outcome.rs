//! The result of one poll.

use std::collections::BTreeMap;

use smiles_stage::Fault;

use crate::pass::poll_plan::PollPlan;

/// The result of one poll.
#[derive(Debug)]
pub(crate) struct PollOutcome {
    /// Data per block of the device.
    pub(crate) blocks: Vec<Option<Vec<u8>>>,
    /// Per list, the data of each record by its place.
    pub(crate) lists: Vec<BTreeMap<u16, Vec<u8>>>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) complete: bool,
    /// Whether a block that is not read only once was received.
    pub(crate) fresh: bool,
    /// Whether anything was to be asked.
    pub(crate) due: bool,
    /// Whether a list was.
    pub(crate) lists_due: bool,
    /// Whether the device answered at all.
    pub(crate) heard: bool,
    /// The first thing that failed, without saying which record it was.
    pub(crate) cause: Option<String>,
}

impl PollOutcome {
    pub(crate) fn new(plan: &PollPlan) -> Self {
        Self {
            blocks: vec![None; plan.device.blocks.len()],
            lists: vec![BTreeMap::new(); plan.device.requests.lists.len()],
            faults: Vec::new(),
            complete: true,
            fresh: false,
            due: false,
            lists_due: false,
            heard: false,
            cause: None,
        }
    }
}
