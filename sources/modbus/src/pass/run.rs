//! One poll from its first step to its last.

use std::collections::VecDeque;

use smiles_stage::Fault;
use tokio::time::Instant;

use crate::pass::active::ActivePoll;
use crate::pass::memory::{PollMemory, Step};
use crate::pass::outcome::PollOutcome;
use crate::pass::poll_plan::PollPlan;
use crate::pass::units::Clients;

/// Polls a device once.
pub(crate) async fn run(clients: &mut Clients, plan: &PollPlan, memory: &mut PollMemory) -> PollOutcome {
    let began = Instant::now();
    let mut poll = ActivePoll::begin(clients, plan, began);
    poll.steps(memory).await;
    poll.borrow(memory).await;
    let ActivePoll { units, mut outcome, .. } = poll;
    memory.nothing_heard = !outcome.heard;
    for unit in units {
        unit.end().await;
    }
    for (block, shape) in plan.device.blocks.iter().enumerate() {
        if let Some(slot @ None) = outcome.blocks.get_mut(block) {
            *slot = memory.kept(block, shape.keep, began).map(<[u8]>::to_vec);
        }
    }
    outcome
}

impl ActivePoll<'_> {
    /// The reads and behind them the lists, once round from where the last poll gave up: what does not answer must not
    /// silence for ever what stands behind it.
    async fn steps(&mut self, memory: &mut PollMemory) {
        let plan = &self.plan.device.requests;
        let mut steps: VecDeque<Step> = memory.steps(plan, self.began).into();
        let only_once = plan.reads.iter().all(|read| read.once);
        self.outcome.due = steps.iter().any(|step| match step {
            Step::Read(id) => only_once || plan.read(*id).is_some_and(|read| !read.once),
            Step::List(_) => true,
        });
        self.outcome.lists_due = steps.iter().any(|step| matches!(step, Step::List(_)));
        for lacking in memory.lacking(plan) {
            self.outcome.complete = false;
            self.outcome.faults.push(Fault { message: lacking.to_owned() });
        }
        let mut missed = None;
        while let Some(step) = steps.pop_front() {
            self.asked = false;
            self.gave_up = false;
            match step {
                Step::Read(id) => {
                    for part in self.read(id, memory).await.into_iter().rev() {
                        steps.push_front(Step::Read(part));
                    }
                }
                Step::List(place) => {
                    if let Some(list) = plan.lists.get(place) {
                        self.records(place, list, memory).await;
                    }
                }
            }
            if !self.asked && self.gave_up {
                missed.get_or_insert(step);
            }
        }
        memory.gave_up_before(missed);
    }
}
