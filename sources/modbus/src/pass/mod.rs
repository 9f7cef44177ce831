//! One poll of a device: sends the requests of the plan, gives up in time, and keeps the answers.
//!
//! An answer is heard, refused (an exception) or silence. Only silence wears out the patience with a device.

mod lists;
mod memory;
mod outcome;
mod patience;
mod scan;

use std::collections::VecDeque;
use std::time::Duration;

use smiles_stage::Fault;
use smiles_stage::option::Period;
use tokio::time::Instant;

pub(crate) use memory::PollMemory;
pub(crate) use outcome::PollOutcome;

use crate::device::field::Order;
use crate::line::{Client, RequestError};
use crate::pass::memory::{ReadId, Step};
use crate::plan::{Read, ReadRequest, RequestPlan};

/// Silences in a row after which a device is left alone until the next poll.
const MAX_SILENCES: u8 = 2;

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

/// Polls a device once.
pub(crate) async fn run(client: &mut Client, plan: &PollPlan, memory: &mut PollMemory) -> PollOutcome {
    let began = Instant::now();
    // Others on the line wait for a unit that is silent no longer than one time limit a pass.
    let patience = if client.is_shared() && !client.was_heard() { 1 } else { MAX_SILENCES };
    client.begin();
    let outcome = PollOutcome::new(plan);
    let mut poll =
        ActivePoll { client, plan, began, patience, silences: 0, over: false, asked: false, outcome };
    poll.steps(memory).await;
    let ActivePoll { client, mut outcome, .. } = poll;
    memory.nothing_heard = !outcome.heard;
    client.end(outcome.heard).await;
    for (block, shape) in plan.blocks.iter().enumerate() {
        if let Some(slot @ None) = outcome.blocks.get_mut(block) {
            *slot = memory.kept(block, shape.keep, began).map(<[u8]>::to_vec);
        }
    }
    outcome
}

/// A poll in progress.
struct ActivePoll<'a> {
    client: &'a mut Client,
    plan: &'a PollPlan,
    began: Instant,
    /// Silences in a row that end the poll.
    patience: u8,
    /// Silences in a row.
    silences: u8,
    /// Nothing more is asked.
    over: bool,
    /// Whether the step at hand asked anything.
    asked: bool,
    outcome: PollOutcome,
}

impl ActivePoll<'_> {
    /// The reads and behind them the lists, once round from where the last poll gave up: what does not answer must not
    /// silence for ever what stands behind it.
    async fn steps(&mut self, memory: &mut PollMemory) {
        let plan = &self.plan.requests;
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
            if !self.asked && self.over {
                missed.get_or_insert(step);
            }
        }
        memory.gave_up_before(missed);
    }

    /// One read; what to read instead, if it was refused because it joins blocks.
    async fn read(&mut self, id: ReadId, memory: &mut PollMemory) -> Vec<ReadId> {
        let Some(read) = self.plan.requests.read(id) else { return Vec::new() };
        let name = self.names(read);
        let Some(answer) = self.ask(read.request, &name).await else { return Vec::new() };
        match answer {
            Ok(data) if !data.is_empty() => {
                self.keep(read, &data, memory);
                if memory.heard(id, read, self.began) {
                    let source = &self.plan.source;
                    tracing::info!(source, block = name, "what the device had refused is answered now");
                }
            }
            Err(cause) if cause.is_refusal() => return self.refused(id, read, &name, &cause, memory),
            // The device may lack it, and says so.
            Ok(_) if read.optional => _ = memory.refused(id, NO_DATA),
            Err(cause) if read.optional && cause.is_answer() => _ = memory.refused(id, &cause.to_string()),
            Ok(_) => {
                memory.answered(id);
                self.outcome.complete = false;
                self.fail(&name, &NO_DATA);
            }
            Err(cause) => {
                if cause.is_answer() {
                    memory.answered(id);
                } else if !cause.is_connect() {
                    memory.silent(id, read);
                }
                if read.optional && !cause.is_connect() {
                    tracing::debug!(block = name, error = %cause, "an optional block could not be read");
                } else {
                    self.outcome.complete = false;
                    self.fail(&name, &cause);
                }
                self.count(&cause);
            }
        }
        Vec::new()
    }

    /// The device says that it has no such thing.
    fn refused(
        &mut self,
        id: ReadId,
        read: &Read,
        name: &str,
        cause: &RequestError,
        memory: &mut PollMemory,
    ) -> Vec<ReadId> {
        let (source, registers) = (&self.plan.source, read.request);
        if let ReadId::Joined(place) = id {
            tracing::warn!(
                source, blocks = name, %registers, error = %cause,
                "the device refuses blocks that were joined (`gap`): each is read alone from now on"
            );
            return memory.take_apart(&self.plan.requests, place);
        }
        let said = format!("{cause} (asked: {registers})");
        let first = memory.refused(id, &format!("{name}: {said}"));
        if read.optional {
            tracing::debug!(source, block = name, %registers, error = %cause, "an optional block was refused");
            return Vec::new();
        }
        if first {
            tracing::warn!(
                source, block = name, %registers, error = %cause,
                hint = "if only some models have it: `optional: true`; else it may stand in another table (`read:`), or \
                        one register beside (manuals often count from 1)",
                "the device refuses a block: it is asked less often"
            );
        }
        self.outcome.complete = false;
        self.fail(name, &said);
        Vec::new()
    }

    fn keep(&mut self, read: &Read, data: &[u8], memory: &mut PollMemory) {
        self.outcome.fresh |= !read.once;
        for part in &read.parts {
            let Some(shape) = self.plan.blocks.get(part.block) else { continue };
            let data = cut(data, usize::from(part.skip), shape);
            if read.once || shape.keep.is_some() {
                memory.keep(part.block, data.clone(), read.once, self.began);
            }
            if let Some(slot) = self.outcome.blocks.get_mut(part.block) {
                *slot = Some(data);
            }
        }
    }

    /// The answer; `None` if the poll is over, or takes too long.
    async fn ask(&mut self, request: ReadRequest, name: &str) -> Option<Result<Vec<u8>, RequestError>> {
        if !self.over && self.began.elapsed() > self.plan.limit {
            self.over = true;
            self.fail(name, &format!("not reached within {}", Period(self.plan.limit)));
        }
        if self.over {
            self.outcome.complete = false;
            return None;
        }
        self.asked = true;
        let answer = self.client.ask(request).await;
        if answer.as_ref().err().is_none_or(RequestError::is_answer) {
            self.silences = 0;
            self.outcome.heard = true;
        }
        Some(answer)
    }

    /// Adds a failure to the faults.
    fn fail(&mut self, name: &str, cause: &dyn std::fmt::Display) {
        self.outcome.cause.get_or_insert_with(|| cause.to_string());
        self.outcome.faults.push(Fault { message: format!("{name}: {cause}") });
    }

    /// Gives up when silences follow each other. A device that refuses has answered, and may answer the next question.
    fn count(&mut self, cause: &RequestError) {
        if cause.is_answer() {
            return;
        }
        self.silences += 1;
        self.over |= cause.is_connect() || self.silences >= self.patience;
        if self.over
            && !cause.is_connect()
            && let Some(fault) = self.outcome.faults.last_mut()
        {
            fault.message.push_str(match self.patience {
                1 => "; others wait for the line, so it is asked again at the next poll",
                _ => "; gave up after two failures in a row",
            });
        }
    }

    fn names(&self, read: &Read) -> String {
        let shapes = read.parts.iter().filter_map(|part| self.plan.blocks.get(part.block));
        shapes.map(|shape| shape.name.as_str()).collect::<Vec<_>>().join("+")
    }
}

const NO_DATA: &str = "the device answered with no data";

/// The data of a block that begins `skip` registers (or coils) into an answer.
fn cut(data: &[u8], skip: usize, shape: &BlockShape) -> Vec<u8> {
    if !shape.bits {
        return data.iter().skip(skip * 2).take(shape.bytes).copied().collect();
    }
    let (first, shift) = (skip / 8, skip % 8);
    let byte = |index: usize| data.get(first + index).copied().map_or(0, u16::from);
    let aligned = |index: usize| (byte(index) | byte(index + 1) << 8) >> shift;
    (0..shape.bytes).map(|index| aligned(index).to_le_bytes()[0]).collect()
}
