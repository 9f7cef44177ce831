//! One poll of a device: sends the requests of the plan, gives up in time, and keeps the answers.

use std::collections::BTreeMap;
use std::time::Duration;

use smiles_stage::Fault;
use smiles_stage::option::Period;
use tokio::time::Instant;

use crate::connection::{RequestError, RequestSender};
use crate::device::field::{Field, Order, Type};
use crate::device::{Raw, decode};
use crate::list_scan::{ListMemory, ListScan};
use crate::plan::{List, Read, ReadRequest, RequestPlan};

/// Failures in a row after which a device is left alone until the next poll.
const MAX_FAILURES: u8 = 2;

/// For how many polls at most a block that a device seems to lack is not asked for.
const LONGEST_SKIP: u32 = 64;

/// The plan of one poll: its requests, the blocks of the device, and limits.
#[derive(Debug)]
pub(crate) struct PollPlan {
    pub(crate) requests: RequestPlan,
    /// The blocks of the device, in the order of the file.
    pub(crate) blocks: Vec<BlockShape>,
    /// The field of a record that is all zero behind the end of the list.
    pub(crate) zero: Option<Field>,
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
}

/// What is remembered between polls.
#[derive(Debug, Default)]
pub(crate) struct PollMemory {
    /// Data of blocks that are read once, as last received.
    once: BTreeMap<usize, Vec<u8>>,
    /// Reads, by place in the plan, that are skipped for now.
    skipped: BTreeMap<usize, SkipReason>,
    list: ListMemory,
    /// The step of the plan a poll begins with: the first that the last one gave up before.
    begin: usize,
}

/// Why a read is skipped.
#[derive(Debug)]
enum SkipReason {
    /// It is made once, and was.
    AlreadyRead,
    /// The device seems to lack it: it failed so often in a row, and is left alone for so many polls.
    Missing { failures: u32, passes: u32 },
}

/// The result of one poll.
#[derive(Debug, Default)]
pub(crate) struct PollOutcome {
    /// Data per block of the device.
    pub(crate) blocks: Vec<Option<Vec<u8>>>,
    /// Data per record, by its place in the list.
    pub(crate) records: BTreeMap<u16, Vec<u8>>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) complete: bool,
    /// Whether a block that is read on every poll was received.
    pub(crate) fresh: bool,
    /// The first thing that failed, without saying which record it was.
    pub(crate) cause: Option<String>,
}

/// Polls a device once.
pub(crate) async fn run<A: RequestSender>(
    connection: &mut A,
    plan: &PollPlan,
    memory: &mut PollMemory,
) -> PollOutcome {
    let outcome =
        PollOutcome { blocks: vec![None; plan.blocks.len()], complete: true, ..PollOutcome::default() };
    let mut poll = ActivePoll {
        connection,
        plan,
        began: Instant::now(),
        failures: 0,
        over: false,
        asked: false,
        outcome,
    };
    poll.steps(memory).await;
    let mut outcome = poll.outcome;
    for (block, data) in &memory.once {
        if let Some(slot) = outcome.blocks.get_mut(*block) {
            *slot = Some(data.clone());
        }
    }
    outcome
}

impl PollMemory {
    /// Whether a read is to be made now; counts down how long it is skipped.
    fn due(&mut self, place: usize) -> bool {
        match self.skipped.get_mut(&place) {
            None | Some(SkipReason::Missing { passes: 0, .. }) => true,
            Some(SkipReason::AlreadyRead) => false,
            Some(SkipReason::Missing { passes, .. }) => {
                *passes -= 1;
                false
            }
        }
    }

    /// The device was away and may be another now: what is read once, or seemed to be lacking, is read again.
    pub(crate) fn read_all_again(&mut self) {
        self.skipped.clear();
    }

    /// A read that may fail has failed: it is skipped twice as long each time.
    fn mark_missing(&mut self, place: usize) {
        let failures = match self.skipped.get(&place) {
            Some(SkipReason::Missing { failures, .. }) => failures + 1,
            _ => 1,
        };
        let passes = 1_u32.checked_shl(failures - 1).map_or(LONGEST_SKIP, |passes| passes.min(LONGEST_SKIP));
        self.skipped.insert(place, SkipReason::Missing { failures, passes });
    }
}

/// A poll in progress.
struct ActivePoll<'a, A> {
    connection: &'a mut A,
    plan: &'a PollPlan,
    began: Instant,
    /// Failures in a row.
    failures: u8,
    /// Nothing more is asked.
    over: bool,
    /// Whether the step at hand asked anything.
    asked: bool,
    outcome: PollOutcome,
}

impl<A: RequestSender> ActivePoll<'_, A> {
    /// The reads and behind them the list, once round from where the last poll gave up: what does not answer must not
    /// silence for ever what stands behind it.
    async fn steps(&mut self, memory: &mut PollMemory) {
        let plan = &self.plan.requests;
        let steps = plan.reads.len() + usize::from(plan.list.is_some());
        let begin = if memory.begin < steps { memory.begin } else { 0 };
        let mut missed = None;
        for step in (begin..steps).chain(0..begin) {
            self.asked = false;
            match (plan.reads.get(step), &plan.list) {
                (Some(_), _) if !memory.due(step) => continue,
                (Some(read), _) => self.read(step, read, memory).await,
                (None, Some(list)) => self.records(list, memory).await,
                (None, None) => continue,
            }
            if !self.asked {
                missed.get_or_insert(step);
            }
        }
        memory.begin = missed.unwrap_or(0);
    }

    async fn read(&mut self, place: usize, read: &Read, memory: &mut PollMemory) {
        let name = self.names(read);
        let Some(answer) = self.ask(read.request, &name).await else { return };
        match answer {
            Ok(data) if !data.is_empty() => {
                self.keep(read, &data, memory);
                if read.once {
                    memory.skipped.insert(place, SkipReason::AlreadyRead);
                } else {
                    memory.skipped.remove(&place);
                }
            }
            // The device may lack it, and says so.
            Ok(_) | Err(RequestError::Exception(_)) if read.optional => {
                self.failures = 0;
                memory.mark_missing(place);
            }
            Ok(_) => {
                self.outcome.complete = false;
                self.fail(&name, &NO_DATA);
            }
            Err(cause) if read.optional && !cause.is_connect() => {
                memory.mark_missing(place);
                tracing::debug!(block = name, error = %cause, "an optional block could not be read");
                self.count(&cause);
            }
            Err(cause) => {
                self.outcome.complete = false;
                self.fail(&name, &cause);
                self.count(&cause);
            }
        }
    }

    fn keep(&mut self, read: &Read, data: &[u8], memory: &mut PollMemory) {
        self.outcome.fresh |= !read.once;
        for part in &read.parts {
            let Some(shape) = self.plan.blocks.get(part.block) else { continue };
            let data = cut(data, usize::from(part.skip), shape);
            if read.once {
                memory.once.insert(part.block, data);
            } else if let Some(slot) = self.outcome.blocks.get_mut(part.block) {
                *slot = Some(data);
            }
        }
    }

    async fn records(&mut self, list: &List, memory: &mut PollMemory) {
        let mut scan = memory.list.scan(list.max);
        while let Some(index) = scan.next() {
            let Some(request) = list.request(index) else { break };
            let name = format!("{}[{index}]", list.name);
            let Some(answer) = self.ask(request, &name).await else { break };
            match answer {
                Ok(data) if self.is_end(&data) => {
                    if scan.ended() && index == 0 {
                        let said = if data.is_empty() { NO_DATA } else { "the list of the device is empty" };
                        self.outcome.cause.get_or_insert(format!("{said}: nothing is mapped yet"));
                    }
                }
                Ok(data) => {
                    self.outcome.records.insert(index, data);
                    scan.found();
                }
                Err(cause) if cause.is_connect() => {
                    // Not asked at all.
                    self.fail(&name, &cause);
                    break;
                }
                Err(cause) if cause.is_refusal() => {
                    if scan.refused(self.plan.zero.is_none()) {
                        if index == 0 {
                            self.outcome.cause.get_or_insert_with(|| cause.to_string());
                        }
                    } else {
                        self.fail(&name, &cause);
                    }
                }
                Err(cause) => {
                    self.fail(&name, &cause);
                    self.count(&cause);
                    scan.failed();
                }
            }
        }
        self.report_early_end(list, &scan);
        let (list_memory, complete) = scan.finish();
        memory.list = list_memory;
        self.outcome.complete &= complete;
    }

    /// Says that a list ended where it did not before.
    fn report_early_end(&mut self, list: &List, scan: &ListScan<'_>) {
        if let Some((end, length)) = scan.early_end() {
            let said = format!(
                "the list ended early: it had {length} records before, and a shorter one is accepted after three polls"
            );
            self.fail(&format!("{}[{end}]", list.name), &said);
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
        let answer = self.connection.send(request).await;
        if answer.as_ref().err().is_none_or(RequestError::is_answer) {
            self.failures = 0;
        }
        Some(answer)
    }

    /// Adds a failure to the faults.
    fn fail(&mut self, name: &str, cause: &dyn std::fmt::Display) {
        self.outcome.cause.get_or_insert_with(|| cause.to_string());
        self.outcome.faults.push(Fault { message: format!("{name}: {cause}") });
    }

    /// Gives up when failures follow each other. A device that refuses has answered, and may answer the next question.
    fn count(&mut self, cause: &RequestError) {
        if cause.is_answer() {
            return;
        }
        self.failures += 1;
        let connect = matches!(cause, RequestError::Connect(_) | RequestError::ConnectTimeout(_));
        self.over |= connect || self.failures >= MAX_FAILURES;
        if self.over
            && !connect
            && let Some(fault) = self.outcome.faults.last_mut()
        {
            fault.message.push_str("; gave up after two failures in a row");
        }
    }

    fn is_end(&self, data: &[u8]) -> bool {
        let zero = |field: &Field| {
            let start = usize::from(field.at);
            let bytes = data.get(start..start + usize::from(field.width()));
            match field.kind_of_value {
                // These share their bytes with others.
                Type::Bool | Type::Bits => {
                    let raw = decode(field, self.plan.order, data);
                    matches!(raw, Ok(Raw::Bool(false) | Raw::Unsigned(0)))
                }
                _ => bytes.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)),
            }
        };
        data.is_empty() || self.plan.zero.as_ref().is_some_and(zero)
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
