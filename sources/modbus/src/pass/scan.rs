//! Where a list of records begins and ends: which record to ask next within a poll, and what to remember until the
//! next one. Pure; it is told what each record was.

use crate::pass::patience::{History, Patience};

/// Polls after which a shorter list is accepted.
const ACCEPTED_AFTER: u8 = 3;

/// What is known of the list from earlier polls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListMemory {
    /// Length in the last complete poll.
    pub(crate) length: Option<u16>,
    /// Where the next poll starts.
    pub(crate) start: u16,
    /// An end seen earlier than expected, and in how many polls in a row.
    early: Option<(u16, u8)>,
    /// When each record was heard.
    histories: Vec<History>,
    /// Where the list was seen to end in a poll that did not reach every record.
    seen_end: Option<u16>,
    /// Records are asked one by one: the device refused several at once.
    apart: bool,
}

/// One scan of the list: every record once, from the start to the end and then up to the start; or, while the device
/// hardly answers, first who was not heard for the longest time.
#[derive(Debug)]
pub(crate) struct ListScan<'a> {
    memory: &'a mut ListMemory,
    max: u16,
    start: u16,
    /// Whether each record was asked.
    asked: Vec<bool>,
    end: Option<u16>,
    /// The earliest end that was not accepted.
    early: Option<u16>,
    failed: bool,
    /// Where the records began that the device says it has not, if it has said so ever since.
    refused: Option<u16>,
    /// Whether the record where an early end was seen before was really there.
    refuted: bool,
    /// Past the end, and now before the start.
    wrapped: bool,
    /// Records before this one are asked one by one.
    alone_before: u16,
}

impl ListMemory {
    pub(crate) fn scan(&mut self, max: u16) -> ListScan<'_> {
        let start = if self.start < max { self.start } else { 0 };
        self.histories.resize(max.into(), History::default());
        ListScan {
            memory: self,
            max,
            start,
            asked: vec![false; max.into()],
            end: None,
            early: None,
            failed: false,
            refused: None,
            refuted: false,
            wrapped: false,
            alone_before: 0,
        }
    }

    /// Whether an end of the list at `index` is accepted.
    fn accepts_end(&self, index: u16) -> bool {
        let expected = self.length.is_some_and(|length| index < length);
        !expected || self.early.is_some_and(|(known, passes)| known == index && passes + 1 >= ACCEPTED_AFTER)
    }
}

impl ListScan<'_> {
    /// The device says how many records there are.
    pub(crate) fn ends_at(&mut self, count: u16) {
        self.end = Some(count.min(self.max));
    }

    /// The record to ask next; `None` when all were.
    pub(crate) fn next(&mut self, patience: &Patience) -> Option<u16> {
        if patience.picks() { self.pick(patience) } else { self.in_turn() }
    }

    /// No record behind this one is asked: the list ends here, or was seen to.
    fn stop(&self) -> u16 {
        let seen = self.memory.seen_end.map_or(self.max, |end| end.saturating_add(1));
        self.end.unwrap_or(seen.min(self.max))
    }

    fn in_turn(&mut self) -> Option<u16> {
        let unasked = |scan: &Self, from: u16, to: u16| (from..to).find(|index| !scan.is_asked(*index));
        if !self.wrapped {
            if let Some(index) = unasked(self, self.start, self.stop()) {
                return Some(index);
            }
            self.close(self.max);
            self.wrapped = true;
        }
        let stop = self.end.map_or(self.start, |end| end.min(self.start));
        unasked(self, 0, stop)
    }

    /// Who was not heard for the longest time, up to one behind all that were ever asked.
    fn pick(&mut self, patience: &Patience) -> Option<u16> {
        let known = self.memory.histories.iter().rposition(|history| *history != History::default());
        let frontier = known.map_or(0, |index| u16::try_from(index + 1).unwrap_or(u16::MAX));
        let length = self.memory.length.unwrap_or(frontier);
        let stop = self.stop().min(length.max(frontier).saturating_add(1));
        let records = (0..stop).filter(|index| !self.is_asked(*index));
        records.min_by_key(|index| (patience.rank(self.history(*index)), *index))
    }

    fn is_asked(&self, index: u16) -> bool {
        self.asked.get(usize::from(index)).copied().unwrap_or(true)
    }

    fn history(&self, index: u16) -> History {
        self.memory.histories.get(usize::from(index)).copied().unwrap_or_default()
    }

    fn mark(&mut self, index: u16) -> Option<&mut History> {
        if let Some(asked) = self.asked.get_mut(usize::from(index)) {
            *asked = true;
        }
        self.memory.histories.get_mut(usize::from(index))
    }

    /// So many neighbours from `index` on may be asked at once: none that was asked, and none beyond what is known. What
    /// stands behind the last known record is asked alone.
    pub(crate) fn neighbours(&self, index: u16, most: u16) -> u16 {
        let alone = self.memory.apart || index < self.alone_before;
        let stop = match self.end.or(self.memory.length) {
            Some(known) if !alone && index < known => index.saturating_add(most).min(known),
            None if !alone => index.saturating_add(most).min(self.max),
            _ => return 1,
        };
        let free = (index..stop).take_while(|index| !self.is_asked(*index)).count();
        u16::try_from(free).unwrap_or(1).max(1)
    }

    /// The device refuses these records at once. Within what is known of the list it takes no several at all, true; else
    /// the list may just end among them, and each is asked alone this time.
    pub(crate) fn take_apart(&mut self, index: u16, records: u16) -> bool {
        let end = index.saturating_add(records);
        if self.end.or(self.memory.length).is_some_and(|known| end <= known) {
            self.memory.apart = true;
        } else {
            self.alone_before = end;
        }
        self.memory.apart
    }

    /// The record was a row.
    pub(crate) fn found(&mut self, index: u16, patience: &mut Patience) {
        if let Some(history) = self.mark(index) {
            patience.heard(history);
        }
        if self.memory.seen_end.is_some_and(|end| end <= index) {
            self.memory.seen_end = None;
        }
        self.refuted |= self.memory.early.is_some_and(|(early, _)| early == index);
        self.not_the_end();
    }

    /// The list ends at `end`, or where the device began to say that it has no more, if that is accepted.
    fn close(&mut self, end: u16) {
        match self.refused.take() {
            Some(from) if self.end.is_none() && self.memory.accepts_end(from) => self.end = Some(from),
            Some(from) => {
                self.early = Some(self.early.map_or(from, |early| early.min(from)));
                self.failed = true;
            }
            None => {}
        }
        self.end.get_or_insert(end);
    }

    /// What was refused has records behind it: it is no end.
    fn not_the_end(&mut self) {
        self.failed |= self.refused.take().is_some();
    }

    /// The device says that there is no such record. Where it has no other way to end its list (`ends`), and beyond
    /// the known length, that is the end; else it is one only if no other record comes behind it. True if it is the
    /// end and accepted.
    pub(crate) fn refused(&mut self, index: u16, ends: bool, patience: &mut Patience) -> bool {
        if ends {
            return self.ended(index, patience);
        }
        let beyond = !self.wrapped && self.memory.length.is_some_and(|length| index >= length);
        if beyond {
            self.close(index);
        } else {
            self.refused.get_or_insert(index);
        }
        if let Some(history) = self.mark(index) {
            patience.heard(history);
        }
        beyond
    }

    /// The record says that the list ends before it. True if that is accepted.
    pub(crate) fn ended(&mut self, index: u16, patience: &mut Patience) -> bool {
        let accepted = self.memory.accepts_end(index);
        if accepted {
            self.end = Some(self.end.map_or(index, |end| end.min(index)));
        } else {
            self.early = Some(self.early.map_or(index, |early| early.min(index)));
        }
        if let Some(history) = self.mark(index) {
            patience.heard(history);
        }
        accepted
    }

    /// The record could not be read: by silence, or by an answer of no use. Beyond the known length that is the end.
    pub(crate) fn failed(&mut self, index: u16, silent: bool, patience: &mut Patience) {
        match self.memory.length {
            Some(length) if index >= length && !self.wrapped => {
                self.end = Some(self.end.map_or(index, |end| end.min(index)));
            }
            _ => self.failed = true,
        }
        self.not_the_end();
        if let Some(history) = self.mark(index) {
            if silent { patience.silent(history) } else { patience.heard(history) }
        }
    }

    /// The earliest end that was not accepted, with the length it contradicts.
    pub(crate) fn early_end(&self) -> Option<(u16, u16)> {
        self.early.zip(self.memory.length)
    }

    /// Remembers what the next poll needs; whether every record was read.
    pub(crate) fn finish(mut self) -> bool {
        let rest = self.in_turn();
        self.not_the_end();
        let complete = rest.is_none() && !self.failed && self.early.is_none();
        let early = match (self.early, self.memory.early) {
            (Some(index), Some((known, passes))) if index == known => Some((known, passes + 1)),
            (Some(index), _) => Some((index, 1)),
            (None, kept) if !self.refuted && !complete => kept,
            (None, _) => None,
        };
        if complete {
            self.memory.length = self.end;
            self.memory.seen_end = None;
        } else if let Some(end) = self.end.filter(|end| *end < self.max && self.memory.length.is_none()) {
            self.memory.seen_end = Some(self.memory.seen_end.map_or(end, |seen| seen.min(end)));
        }
        self.memory.start = rest.unwrap_or(0);
        self.memory.early = early;
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks a list whose record `i` is the `i`-th letter: `r` a row, `f` a failure, `e` an end, `n` a refusal in a list
    /// that ends otherwise, `N` in one that ends so, `x` the pass is cut before it; beyond the text: `e`. Gives the order asked and whether it was complete.
    fn pass(memory: &mut ListMemory, list: &str) -> (Vec<u16>, bool) {
        let mut asked = Vec::new();
        let mut patience = Patience::default();
        let mut scan = memory.scan(9);
        while let Some(index) = scan.next(&patience) {
            match list.as_bytes().get(usize::from(index)) {
                Some(b'x') => break,
                Some(b'r') => scan.found(index, &mut patience),
                Some(b'f') => scan.failed(index, true, &mut patience),
                Some(b'n') => _ = scan.refused(index, false, &mut patience),
                Some(b'N') => _ = scan.refused(index, true, &mut patience),
                _ => {
                    scan.ended(index, &mut patience);
                }
            }
            asked.push(index);
        }
        (asked, scan.finish())
    }

    fn check(passes: &[(&str, &[u16], bool)]) -> ListMemory {
        let mut memory = ListMemory::default();
        for (number, (list, asked, complete)) in passes.iter().enumerate() {
            assert_eq!(pass(&mut memory, list), (asked.to_vec(), *complete), "pass {number} of {passes:?}");
        }
        memory
    }

    #[test]
    fn a_complete_pass_asks_every_record_and_the_end() {
        let memory = check(&[("rrr", &[0, 1, 2, 3], true), ("rrrr", &[0, 1, 2, 3, 4], true)]);
        assert_eq!(memory.length, Some(4));
        check(&[("rrrrrrrrr", &[0, 1, 2, 3, 4, 5, 6, 7, 8], true)]);
    }

    #[test]
    fn a_cut_pass_goes_on_where_it_stopped() {
        let whole = ("rrrr", &[0, 1, 2, 3, 4][..], true);
        check(&[whole, ("rrxr", &[0, 1], false), ("rrrr", &[2, 3, 4, 0, 1], true), whole]);
        check(&[("rrxr", &[0, 1], false), ("rrrx", &[2], false), ("rrrr", &[3, 4, 0, 1, 2], true), whole]);
        check(&[
            whole,
            ("rrrx", &[0, 1, 2], false),
            ("xrrr", &[3, 4], false),
            ("rrrr", &[0, 1, 2, 3, 4], true),
        ]);
        check(&[("xrrr", &[], false), whole]);
    }

    #[test]
    fn a_failed_record_leaves_a_hole() {
        let memory = check(&[("rrr", &[0, 1, 2, 3], true), ("rfr", &[0, 1, 2, 3], false)]);
        assert_eq!((memory.length, memory.start), (Some(3), 0));
        let memory = check(&[("rrr", &[0, 1, 2, 3], true), ("rrrf", &[0, 1, 2, 3], true)]);
        assert_eq!(memory.length, Some(3), "the last complete pass tells where the list ends");
        check(&[("rrrfrx", &[0, 1, 2, 3, 4], false)]);
    }

    #[test]
    fn a_list_may_end_by_a_refusal() {
        let memory = check(&[("rrN", &[0, 1, 2], true), ("rrrN", &[0, 1, 2, 3], true)]);
        assert_eq!(memory.length, Some(3));
        assert_eq!(check(&[("N", &[0], true)]).length, Some(0));
        let early_end = ("rNNN", &[0, 1, 2, 3][..], false);
        check(&[("rrrN", &[0, 1, 2, 3], true), early_end, early_end, ("rNNN", &[0, 1], true)]);
    }

    #[test]
    fn refusals_up_to_the_last_record_are_an_end_and_others_are_holes() {
        let all = &[0, 1, 2, 3, 4, 5, 6, 7, 8][..];
        let memory =
            check(&[("rrnnnnnnn", all, true), ("rrn", &[0, 1, 2], true), ("rrrn", &[0, 1, 2, 3], true)]);
        assert_eq!(memory.length, Some(3));
        check(&[("rnre", &[0, 1, 2, 3], false)]);
        check(&[("rfrnnnnnn", all, false)]);
        let early_end = ("rnnn", &[0, 1, 2, 3][..], false);
        check(&[("rrre", &[0, 1, 2, 3], true), early_end, early_end, ("rnnn", &[0, 1, 2, 3], true)]);
        check(&[("rrxr", &[0, 1], false), ("nrre", &[2, 3, 0, 1], false)]);
    }

    #[test]
    fn an_earlier_end_is_believed_after_three_passes() {
        let long = ("rrrr", &[0, 1, 2, 3, 4][..], true);
        let early_end = ("rree", &[0, 1, 2, 3, 4][..], false);
        let short = ("rree", &[0, 1, 2][..], true);
        assert_eq!(check(&[long, early_end, early_end, short]).length, Some(2));
        check(&[long, early_end, early_end, long, early_end, early_end, short]);
        let not_the_end = ("rrer", &[0, 1, 2, 3, 4][..], false);
        check(&[long, not_the_end, long]);
        let elsewhere = ("reee", &[0, 1, 2][..], false);
        check(&[long, early_end, early_end, elsewhere, early_end]);
        check(&[long, early_end, ("xree", &[], false), early_end, short]);
        let empty = ("", &[0, 1, 2, 3, 4][..], false);
        assert_eq!(check(&[long, empty, empty, ("", &[0], true)]).length, Some(0));
    }
}
