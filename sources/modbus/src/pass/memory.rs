//! What is remembered between polls: what need not be asked now, and what was heard before.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::pass::patience::{History, Patience};
use crate::pass::scan::ListMemory;
use crate::plan::{Read, RequestPlan};

/// For how many polls at most a block that a device seems to lack is not asked for.
const LONGEST_SKIP: u32 = 64;

/// A poll may begin this much before a block is due, and read it all the same: polls are never on time to the millisecond,
/// and the next may be minutes away.
const SLACK: Duration = Duration::from_millis(250);

/// A read, in the order of the plan: one that joins blocks, or a block of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ReadId {
    /// By its place among `reads`.
    Joined(usize),
    /// By its place among `alone`.
    Alone(usize),
}

/// One thing to do in a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Read(ReadId),
    /// By its place among the lists.
    List(usize),
}

/// What is remembered between polls.
#[derive(Debug, Default)]
pub(crate) struct PollMemory {
    pub(crate) patience: Patience,
    pub(crate) lists: Vec<ListMemory>,
    /// Data of blocks, as last received.
    kept: BTreeMap<usize, Kept>,
    reads: BTreeMap<ReadId, ReadMemory>,
    /// When the lists are due that have a period of their own.
    list_due: BTreeMap<usize, Instant>,
    /// Places among `reads` that the device refuses to be joined.
    apart: Vec<usize>,
    /// The step a poll begins with: the first that the last one gave up before.
    begin: Option<Step>,
    /// The last poll was answered nothing.
    pub(crate) nothing_heard: bool,
}

/// Data of a block.
#[derive(Debug)]
struct Kept {
    data: Vec<u8>,
    heard: Instant,
    once: bool,
}

/// What is remembered of one read.
#[derive(Debug, Default)]
struct ReadMemory {
    history: History,
    /// It is made once, and was.
    done: bool,
    /// It is left alone for so many polls, after so many failures.
    skip: u32,
    failures: u32,
    /// It is left alone in the poll at hand.
    skipped: bool,
    /// When it is due that has a period of its own.
    due: Option<Instant>,
    /// What the device said when it refused it; the log has said so too.
    refused: Option<String>,
}

impl RequestPlan {
    pub(crate) fn read(&self, id: ReadId) -> Option<&Read> {
        match id {
            ReadId::Joined(place) => self.reads.get(place),
            ReadId::Alone(place) => self.alone.get(place),
        }
    }

    /// The read of a block by itself.
    pub(crate) fn alone(&self, block: usize) -> Option<ReadId> {
        let of_block = |read: &Read| read.parts.iter().any(|part| part.block == block);
        self.alone.iter().position(of_block).map(ReadId::Alone)
    }
}

impl PollMemory {
    /// What this poll does, in order, from where the last one gave up.
    pub(crate) fn steps(&mut self, plan: &RequestPlan, now: Instant) -> Vec<Step> {
        self.patience.begin_pass();
        self.lists.resize_with(plan.lists.len(), ListMemory::default);
        let reads = (0..plan.top).flat_map(|place| self.reads_at(plan, place));
        let all: Vec<Step> = reads.map(Step::Read).chain((0..plan.lists.len()).map(Step::List)).collect();
        let begin = self.begin.and_then(|begin| all.iter().position(|step| *step == begin)).unwrap_or(0);
        let turned = all.iter().cycle().skip(begin).take(all.len()).copied();
        let mut due: Vec<Step> = turned.filter(|step| self.is_due(*step, plan, now)).collect();
        if self.patience.picks() {
            due.sort_by_key(|step| match step {
                Step::Read(id) => self.patience.rank(self.history(*id)),
                Step::List(_) => (false, 0, 0),
            });
        }
        if (self.nothing_heard || self.patience.hardly()) && !self.patience.waits_end() {
            // Readings come first; what may wait comes behind.
            due.sort_by_key(
                |step| matches!(step, Step::Read(id) if plan.read(*id).is_some_and(Read::may_wait)),
            );
        }
        due
    }

    /// The reads that ask for the blocks of one read of the plan.
    fn reads_at(&self, plan: &RequestPlan, place: usize) -> Vec<ReadId> {
        let Some(read) = plan.reads.get(place) else { return Vec::new() };
        if read.parts.len() > 1 && !self.apart.contains(&place) {
            return vec![ReadId::Joined(place)];
        }
        self.parts_of(plan, read)
    }

    /// The halves of a read that joins many blocks, as far as those are not refused either, or each block of it alone.
    fn parts_of(&self, plan: &RequestPlan, read: &Read) -> Vec<ReadId> {
        if let Some((front, back)) = read.halves {
            return [front, back].into_iter().flat_map(|half| self.reads_at(plan, half)).collect();
        }
        read.parts.iter().filter_map(|part| plan.alone(part.block)).collect()
    }

    /// A joined read was refused: from now on each of its blocks is asked alone, or fewer at once. The reads to make instead.
    pub(crate) fn take_apart(&mut self, plan: &RequestPlan, place: usize) -> Vec<ReadId> {
        self.apart.push(place);
        plan.reads.get(place).map(|read| self.parts_of(plan, read)).unwrap_or_default()
    }

    fn is_due(&mut self, step: Step, plan: &RequestPlan, now: Instant) -> bool {
        let id = match step {
            Step::List(place) => {
                let every = plan.lists.get(place).and_then(|list| list.every);
                return self.list_due.get(&place).is_none_or(|due| *due <= now + slack(every));
            }
            Step::Read(id) => id,
        };
        let (once, every) = plan.read(id).map(|read| (read.once, read.every)).unwrap_or_default();
        let memory = self.reads.entry(id).or_default();
        memory.skipped = memory.skip > 0;
        memory.skip = memory.skip.saturating_sub(1);
        if memory.skipped {
            return false;
        }
        let period = memory.due.is_none_or(|due| due <= now + slack(every));
        period && !(once && memory.done)
    }

    fn history(&self, id: ReadId) -> History {
        self.reads.get(&id).map(|memory| memory.history).unwrap_or_default()
    }

    /// The first step that was due and not made.
    pub(crate) fn gave_up_before(&mut self, step: Option<Step>) {
        self.begin = step;
    }

    /// A read was answered. True: it was refused before.
    pub(crate) fn heard(&mut self, id: ReadId, read: &Read, now: Instant) -> bool {
        let memory = self.reads.entry(id).or_default();
        self.patience.heard(&mut memory.history);
        let refused = memory.refused.is_some();
        let due = read.every.map(|every| next_due(memory.due, every, now));
        *memory = ReadMemory { history: memory.history, done: true, due, ..ReadMemory::default() };
        refused
    }

    /// A list was asked to its end.
    pub(crate) fn list_heard(&mut self, place: usize, every: Option<Duration>, now: Instant) {
        if let Some(every) = every {
            let due = next_due(self.list_due.get(&place).copied(), every, now);
            self.list_due.insert(place, due);
        }
    }

    /// A read was not answered. What may wait is asked again after twice as many polls each time.
    pub(crate) fn silent(&mut self, id: ReadId, read: &Read) {
        let memory = self.reads.entry(id).or_default();
        self.patience.silent(&mut memory.history);
        if read.may_wait() {
            memory.leave_alone();
        }
    }

    /// The device says that it has no such thing: it is asked again after twice as many polls each time. True the first
    /// time.
    pub(crate) fn refused(&mut self, id: ReadId, said: &str) -> bool {
        let memory = self.reads.entry(id).or_default();
        self.patience.heard(&mut memory.history);
        memory.leave_alone();
        memory.refused.replace(said.to_owned()).is_none()
    }

    /// What a read was refused with that is left alone in this poll, though the device should have it.
    pub(crate) fn lacking<'a>(&'a self, plan: &'a RequestPlan) -> impl Iterator<Item = &'a str> {
        let skipped = self.reads.iter().filter(|(_, memory)| memory.skipped);
        let needed = skipped.filter(|(id, _)| plan.read(**id).is_some_and(|read| !read.optional));
        needed.filter_map(|(_, memory)| memory.refused.as_deref())
    }

    /// The device answered, if only with something of no use.
    pub(crate) fn answered(&mut self, id: ReadId) {
        let memory = self.reads.entry(id).or_default();
        self.patience.heard(&mut memory.history);
    }

    /// Keeps the data of a block.
    pub(crate) fn keep(&mut self, block: usize, data: Vec<u8>, once: bool, heard: Instant) {
        self.kept.insert(block, Kept { data, heard, once });
    }

    /// The data of a block that was not read now: for good if it is read once, else as long as `keep` says.
    pub(crate) fn kept(&self, block: usize, keep: Option<Duration>, now: Instant) -> Option<&[u8]> {
        let kept = self.kept.get(&block)?;
        let young = keep.is_some_and(|keep| now.saturating_duration_since(kept.heard) <= keep);
        (kept.once || young).then_some(kept.data.as_slice())
    }

    /// The device was away and may be another now: what is read once, or seemed to be lacking, is read again; its
    /// values hold until then.
    pub(crate) fn read_all_again(&mut self) {
        self.list_due.clear();
        for memory in self.reads.values_mut() {
            memory.due = None;
            // One that hardly answers is no other for being silent.
            if !self.patience.hardly() {
                memory.done = false;
                memory.skip = 0;
                memory.failures = 0;
            }
        }
    }
}

impl ReadMemory {
    fn leave_alone(&mut self) {
        self.skip = 1_u32.checked_shl(self.failures).map_or(LONGEST_SKIP, |polls| polls.min(LONGEST_SKIP));
        self.failures = self.failures.saturating_add(1).min(31);
    }
}

impl Read {
    /// Whether readings come before it while the device hardly answers.
    pub(crate) fn may_wait(&self) -> bool {
        self.once || self.optional
    }
}

/// The next time on the grid of `every` that began with the first reading, so that a late poll does not put off all
/// that follow.
fn next_due(due: Option<Instant>, every: Duration, now: Instant) -> Instant {
    let mut next = due.unwrap_or(now) + every;
    let by_now = now + slack(Some(every));
    if next <= by_now && !every.is_zero() {
        let missed = by_now.duration_since(next).as_nanos() / every.as_nanos() + 1;
        next += every.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX));
    }
    next
}

fn slack(every: Option<Duration>) -> Duration {
    every.map_or(Duration::ZERO, |every| SLACK.min(every / 4))
}
