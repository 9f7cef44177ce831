//! What a value needs of another block: a scale factor, or a word of a number that lies apart.
//!
//! Bytes of one answer are of one moment. Bytes of two answers are believed where what is lent was the same before the value
//! and after it; else the value is null. A block that is read once says by that that it does not change.

use std::collections::BTreeSet;

use crate::device_plan::Lent;
use crate::pass::active::ActivePoll;
use crate::pass::memory::PollMemory;

impl ActivePoll<'_> {
    /// Puts what was lent behind the data of every block that was heard in this poll and needs it.
    pub(super) async fn borrow(&mut self, memory: &mut PollMemory) {
        let plan = self.plan;
        if plan.device.blocks.iter().all(|shape| shape.borrowed.is_empty()) {
            return;
        }
        let mut sure = BTreeSet::new();
        for lender in self.doubtful() {
            if self.confirm(lender, memory).await {
                sure.insert(lender);
            }
        }
        for (block, shape) in plan.device.blocks.iter().enumerate() {
            if shape.borrowed.is_empty() {
                continue;
            }
            let own = self.heard_at.get(block).copied().flatten();
            let lent: Option<Vec<u8>> = shape
                .borrowed
                .iter()
                .map(|lent| self.lent(lent, own, &sure, memory))
                .collect::<Option<Vec<_>>>()
                .map(|parts| parts.concat());
            let Some(lent) = lent else { continue };
            if own.is_some()
                && let Some(Some(data)) = self.outcome.blocks.get_mut(block)
            {
                data.extend(&lent);
                if shape.once || shape.keep.is_some() {
                    memory.keep(block, data.clone(), shape.once, self.began);
                }
            }
            let lists = plan.device.requests.lists.iter().zip(&mut self.outcome.lists);
            for (_, records) in lists.filter(|(list, _)| list.block == block) {
                records.values_mut().for_each(|record| record.extend(&lent));
            }
        }
    }

    /// The blocks whose bytes are needed by others that were heard in another answer.
    fn doubtful(&self) -> BTreeSet<usize> {
        let mut doubtful = BTreeSet::new();
        for (block, shape) in self.plan.device.blocks.iter().enumerate() {
            let own = self.heard_at.get(block).copied().flatten();
            let lists = self.plan.device.requests.lists.iter().zip(&self.outcome.lists);
            let of_list = lists.into_iter().any(|(list, records)| list.block == block && !records.is_empty());
            let apart = |lent: &&Lent| {
                let lender = self.plan.device.blocks.get(lent.block);
                let theirs = self.heard_at.get(lent.block).copied().flatten();
                lender.is_some_and(|lender| !lender.once) && theirs.is_some() && theirs != own
            };
            if own.is_some() || of_list {
                doubtful.extend(shape.borrowed.iter().filter(apart).map(|lent| lent.block));
            }
        }
        doubtful
    }

    /// Asks for a block again, behind all that need it: whether it still says the same.
    async fn confirm(&mut self, lender: usize, memory: &mut PollMemory) -> bool {
        let plan = self.plan;
        let heard = |poll: &Self, block: usize| poll.heard_at.get(block).copied().flatten();
        let needs = |block: &usize| {
            let shape = plan.device.blocks.get(*block);
            shape.is_some_and(|shape| shape.borrowed.iter().any(|lent| lent.block == lender))
        };
        // What was read before the lender is asked again, so that it lies between.
        for block in (0..plan.device.blocks.len()).filter(needs) {
            if heard(self, block).is_some_and(|own| heard(self, lender).is_some_and(|theirs| own < theirs))
                && let Some(alone) = plan.device.requests.alone(block)
            {
                self.read(alone, memory).await;
            }
        }
        let before = self.outcome.blocks.get(lender).cloned().flatten();
        let first = heard(self, lender);
        if let Some(alone) = plan.device.requests.alone(lender) {
            self.read(alone, memory).await;
        }
        let after = self.outcome.blocks.get(lender).cloned().flatten();
        let again = heard(self, lender) != first;
        let same = before.is_some() && before == after;
        if again && !same {
            let source = &plan.source;
            tracing::debug!(
                source,
                "a scale factor or a part of a number changed while it was read: null this time"
            );
        }
        again && same
    }

    /// The bytes lent to a block that was heard at `own`, where they are sure.
    fn lent(
        &self,
        lent: &Lent,
        own: Option<u32>,
        sure: &BTreeSet<usize>,
        memory: &PollMemory,
    ) -> Option<Vec<u8>> {
        let shape = self.plan.device.blocks.get(lent.block)?;
        let theirs = self.heard_at.get(lent.block).copied().flatten();
        let data = self.outcome.blocks.get(lent.block).and_then(Option::as_deref);
        let data = match data {
            Some(data) if shape.once || theirs == own || sure.contains(&lent.block) => data,
            None if shape.once => memory.kept(lent.block, None, self.began)?,
            _ => return None,
        };
        data.get(lent.bytes.clone()).map(<[u8]>::to_vec)
    }
}
