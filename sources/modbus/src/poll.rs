//! One visit to a device: asks what the plan says, gives up in time, and keeps what was heard.

use std::collections::BTreeMap;
use std::time::Duration;

use smiles_stage::Fault;
use smiles_stage::option::Period;
use tokio::time::Instant;

use crate::connection::{Asker, Cause};
use crate::device::field::{Field, Order, Type};
use crate::device::{Raw, decode};
use crate::list_scan::{Memory, Walk};
use crate::plan::{Ask, List, Plan, Read};

/// Failures on end after which a device is left alone until the next pass.
const PATIENCE: u8 = 2;

/// The longest a block that a device seems to lack is not asked for, in passes.
const LONGEST_REST: u32 = 64;

/// What a pass needs to know of the device.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) plan: Plan,
    /// The blocks of the device, in the order of the file.
    pub(crate) blocks: Vec<Shape>,
    /// The field of a record that is all zero behind the end of the list.
    pub(crate) zero: Option<Field>,
    pub(crate) order: Order,
    /// When to give up.
    pub(crate) limit: Duration,
}

/// A block, as far as a pass cares.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) bytes: usize,
    pub(crate) bits: bool,
}

/// What is remembered between passes.
#[derive(Debug, Default)]
pub(crate) struct Memories {
    /// Data of blocks that are read once, as last heard.
    once: BTreeMap<usize, Vec<u8>>,
    /// Reads, by place in the plan, that need not be made now.
    resting: BTreeMap<usize, Rest>,
    list: Memory,
    /// The step of the plan a pass begins with: the first that the last one gave up before.
    begin: usize,
}

/// Why a read need not be made.
#[derive(Debug)]
enum Rest {
    /// It is made once, and was.
    Heard,
    /// The device seems to lack it: it failed so often on end, and is left alone for so many passes.
    Lacking { failures: u32, passes: u32 },
}

/// What a pass brought.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Data per block of the device.
    pub(crate) blocks: Vec<Option<Vec<u8>>>,
    /// Data per record, by its place in the list.
    pub(crate) records: BTreeMap<u16, Vec<u8>>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) complete: bool,
    /// Whether a block that is read on every pass was heard.
    pub(crate) fresh: bool,
    /// The first thing that failed, without saying which record it was.
    pub(crate) cause: Option<String>,
}

/// Makes one pass over a device.
pub(crate) async fn run<A: Asker>(line: &mut A, course: &Course, memories: &mut Memories) -> Outcome {
    let outcome = Outcome { blocks: vec![None; course.blocks.len()], complete: true, ..Outcome::default() };
    let mut pass =
        Pass { line, course, began: Instant::now(), failures: 0, over: false, put: false, outcome };
    pass.steps(memories).await;
    let mut outcome = pass.outcome;
    for (block, data) in &memories.once {
        if let Some(slot) = outcome.blocks.get_mut(*block) {
            *slot = Some(data.clone());
        }
    }
    outcome
}

impl Memories {
    /// Whether a read is to be made now; counts down its rest.
    fn due(&mut self, place: usize) -> bool {
        match self.resting.get_mut(&place) {
            None | Some(Rest::Lacking { passes: 0, .. }) => true,
            Some(Rest::Heard) => false,
            Some(Rest::Lacking { passes, .. }) => {
                *passes -= 1;
                false
            }
        }
    }

    /// The device was away and may be another now: what is read once, or seemed to be lacking, is read again.
    pub(crate) fn doubt(&mut self) {
        self.resting.clear();
    }

    /// A read that may fail has failed: it rests twice as long each time.
    fn lacking(&mut self, place: usize) {
        let failures = match self.resting.get(&place) {
            Some(Rest::Lacking { failures, .. }) => failures + 1,
            _ => 1,
        };
        let passes = 1_u32.checked_shl(failures - 1).map_or(LONGEST_REST, |passes| passes.min(LONGEST_REST));
        self.resting.insert(place, Rest::Lacking { failures, passes });
    }
}

/// A pass under way.
struct Pass<'a, A> {
    line: &'a mut A,
    course: &'a Course,
    began: Instant,
    /// Failures on end.
    failures: u8,
    /// Nothing more is asked.
    over: bool,
    /// Whether the step at hand asked anything.
    put: bool,
    outcome: Outcome,
}

impl<A: Asker> Pass<'_, A> {
    /// The reads and behind them the list, once round from where the last pass gave up: what does not answer must not
    /// silence for ever what stands behind it.
    async fn steps(&mut self, memories: &mut Memories) {
        let plan = &self.course.plan;
        let steps = plan.reads.len() + usize::from(plan.list.is_some());
        let begin = if memories.begin < steps { memories.begin } else { 0 };
        let mut missed = None;
        for step in (begin..steps).chain(0..begin) {
            self.put = false;
            match (plan.reads.get(step), &plan.list) {
                (Some(_), _) if !memories.due(step) => continue,
                (Some(read), _) => self.read(step, read, memories).await,
                (None, Some(list)) => self.records(list, memories).await,
                (None, None) => continue,
            }
            if !self.put {
                missed.get_or_insert(step);
            }
        }
        memories.begin = missed.unwrap_or(0);
    }

    async fn read(&mut self, place: usize, read: &Read, memories: &mut Memories) {
        let name = self.names(read);
        let Some(answer) = self.ask(read.ask, &name).await else { return };
        match answer {
            Ok(data) if !data.is_empty() => {
                self.keep(read, &data, memories);
                if read.once {
                    memories.resting.insert(place, Rest::Heard);
                } else {
                    memories.resting.remove(&place);
                }
            }
            // The device may lack it, and says so.
            Ok(_) | Err(Cause::Exception(_)) if read.optional => {
                self.failures = 0;
                memories.lacking(place);
            }
            Ok(_) => {
                self.outcome.complete = false;
                self.fail(&name, &NO_DATA);
            }
            Err(cause) if read.optional && !cause.is_connect() => {
                memories.lacking(place);
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

    fn keep(&mut self, read: &Read, data: &[u8], memories: &mut Memories) {
        self.outcome.fresh |= !read.once;
        for part in &read.parts {
            let Some(shape) = self.course.blocks.get(part.block) else { continue };
            let data = cut(data, usize::from(part.skip), shape);
            if read.once {
                memories.once.insert(part.block, data);
            } else if let Some(slot) = self.outcome.blocks.get_mut(part.block) {
                *slot = Some(data);
            }
        }
    }

    async fn records(&mut self, list: &List, memories: &mut Memories) {
        let mut walk = memories.list.walk(list.max);
        while let Some(index) = walk.next() {
            let Some(ask) = list.ask(index) else { break };
            let name = format!("{}[{index}]", list.name);
            let Some(answer) = self.ask(ask, &name).await else { break };
            match answer {
                Ok(data) if self.is_end(&data) => {
                    if walk.ended() && index == 0 {
                        let said = if data.is_empty() { NO_DATA } else { "the list of the device is empty" };
                        self.outcome.cause.get_or_insert(format!("{said}: nothing is mapped yet"));
                    }
                }
                Ok(data) => {
                    self.outcome.records.insert(index, data);
                    walk.heard();
                }
                Err(cause) if cause.is_connect() => {
                    // Not asked at all.
                    self.fail(&name, &cause);
                    break;
                }
                Err(cause) if cause.is_refusal() => {
                    if walk.refused(self.course.zero.is_none()) {
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
                    walk.failed();
                }
            }
        }
        self.doubt(list, &walk);
        let (memory, complete) = walk.finish();
        memories.list = memory;
        self.outcome.complete &= complete;
    }

    /// Says that a list ended where it did not before.
    fn doubt(&mut self, list: &List, walk: &Walk<'_>) {
        if let Some((end, length)) = walk.doubted() {
            let said = format!(
                "the list ended early: it had {length} records before, and a shorter one is accepted after three polls"
            );
            self.fail(&format!("{}[{end}]", list.name), &said);
        }
    }

    /// The answer; `None` if the pass is over, or takes too long.
    async fn ask(&mut self, ask: Ask, name: &str) -> Option<Result<Vec<u8>, Cause>> {
        if !self.over && self.began.elapsed() > self.course.limit {
            self.over = true;
            self.fail(name, &format!("not reached within {}", Period(self.course.limit)));
        }
        if self.over {
            self.outcome.complete = false;
            return None;
        }
        self.put = true;
        let answer = self.line.ask(ask).await;
        if answer.as_ref().err().is_none_or(Cause::is_answer) {
            self.failures = 0;
        }
        Some(answer)
    }

    /// Books a failure.
    fn fail(&mut self, name: &str, cause: &dyn std::fmt::Display) {
        self.outcome.cause.get_or_insert_with(|| cause.to_string());
        self.outcome.faults.push(Fault { message: format!("{name}: {cause}") });
    }

    /// Gives up when failures follow each other. A device that refuses has answered, and may answer the next question.
    fn count(&mut self, cause: &Cause) {
        if cause.is_answer() {
            return;
        }
        self.failures += 1;
        let connect = matches!(cause, Cause::Connect(_) | Cause::ConnectTimeout(_));
        self.over |= connect || self.failures >= PATIENCE;
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
                    let raw = decode(field, self.course.order, data);
                    matches!(raw, Ok(Raw::Bool(false) | Raw::Unsigned(0)))
                }
                _ => bytes.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)),
            }
        };
        data.is_empty() || self.course.zero.as_ref().is_some_and(zero)
    }

    fn names(&self, read: &Read) -> String {
        let shapes = read.parts.iter().filter_map(|part| self.course.blocks.get(part.block));
        shapes.map(|shape| shape.name.as_str()).collect::<Vec<_>>().join("+")
    }
}

const NO_DATA: &str = "the device answered with no data";

/// The data of a block that begins `skip` registers (or coils) into an answer.
fn cut(data: &[u8], skip: usize, shape: &Shape) -> Vec<u8> {
    if !shape.bits {
        return data.iter().skip(skip * 2).take(shape.bytes).copied().collect();
    }
    let (first, shift) = (skip / 8, skip % 8);
    let byte = |index: usize| data.get(first + index).copied().map_or(0, u16::from);
    let aligned = |index: usize| (byte(index) | byte(index + 1) << 8) >> shift;
    (0..shape.bytes).map(|index| aligned(index).to_le_bytes()[0]).collect()
}
