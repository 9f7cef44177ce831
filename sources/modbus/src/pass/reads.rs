//! One read of a poll: a block, or several that are joined.

use crate::device_plan::BlockShape;
use crate::line::RequestError;
use crate::pass::active::{ActivePoll, NO_DATA};
use crate::pass::memory::{PollMemory, ReadId};
use crate::pass::poll_plan::PollPlan;
use crate::plan::Read;

/// How many of the blocks of one read are named.
const MOST_NAMES: usize = 6;

impl ActivePoll<'_> {
    /// One read; what to read instead, if it was refused because it joins blocks.
    pub(super) async fn read(&mut self, id: ReadId, memory: &mut PollMemory) -> Vec<ReadId> {
        let plan = self.plan;
        let Some(read) = plan.device.requests.read(id) else { return Vec::new() };
        let name = || names(plan, read);
        let Some(answer) = self.ask(read.unit, read.request, name).await else { return Vec::new() };
        match answer {
            Ok(data) if !data.is_empty() => {
                self.keep(read, &data, memory);
                if memory.heard(id, read, self.began) {
                    let source = &self.plan.source;
                    tracing::info!(source, block = name(), "what the device had refused is answered now");
                }
            }
            Err(cause) if cause.is_refusal() => return self.refused(id, read, &name(), &cause, memory),
            // The device may lack it, and says so.
            Ok(_) if read.optional => _ = memory.refused(id, NO_DATA),
            Err(cause) if read.optional && cause.is_answer() => _ = memory.refused(id, &cause.to_string()),
            Ok(_) => {
                memory.answered(id);
                self.outcome.complete = false;
                self.fail(&name(), &NO_DATA);
            }
            Err(cause) => {
                if cause.is_answer() {
                    memory.answered(id);
                } else if !cause.is_connect() {
                    memory.silent(id, read);
                }
                if read.optional && !cause.is_connect() {
                    self.outcome.cause.get_or_insert_with(|| cause.to_string());
                    tracing::debug!(block = name(), error = %cause, "an optional block could not be read");
                } else {
                    self.outcome.complete = false;
                    self.fail(&name(), &cause);
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
            return memory.take_apart(&self.plan.device.requests, place);
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
        self.answers += 1;
        for part in &read.parts {
            let Some(shape) = self.plan.device.blocks.get(part.block) else { continue };
            let data = cut(data, usize::from(part.skip), shape);
            if read.once || shape.keep.is_some() {
                memory.keep(part.block, data.clone(), read.once, self.began);
            }
            if let Some(slot) = self.outcome.blocks.get_mut(part.block) {
                *slot = Some(data);
            }
            if let Some(slot) = self.heard_at.get_mut(part.block) {
                *slot = Some(self.answers);
            }
        }
    }
}

/// The blocks of a read, or the first of many.
fn names(plan: &PollPlan, read: &Read) -> String {
    let shapes = read.parts.iter().filter_map(|part| plan.device.blocks.get(part.block));
    let names: Vec<&str> = shapes.map(|shape| shape.name.as_str()).collect();
    match names.split_at_checked(MOST_NAMES) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join("+"), rest.len()),
        _ => names.join("+"),
    }
}

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
