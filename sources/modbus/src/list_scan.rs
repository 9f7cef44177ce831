//! Where a list of records begins and ends: which record to ask next within a poll, and what to remember until the
//! next one. Pure; it is told what each record was.

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
}

/// One scan of the list: every record once, from the start to the end and then up to the start.
#[derive(Clone, Debug)]
pub(crate) struct ListScan<'a> {
    memory: &'a ListMemory,
    max: u16,
    start: u16,
    next: u16,
    /// Past the end, and now before the start.
    wrapped: bool,
    end: Option<u16>,
    /// The earliest end that was not accepted.
    early: Option<u16>,
    failed: bool,
    /// Where the records began that the device says it has not, if it has said so ever since.
    refused: Option<u16>,
    /// Whether the record where an early end was seen before was really there.
    refuted: bool,
}

impl ListMemory {
    pub(crate) fn scan(&self, max: u16) -> ListScan<'_> {
        let start = if self.start < max { self.start } else { 0 };
        ListScan {
            memory: self,
            max,
            start,
            next: start,
            wrapped: false,
            end: None,
            early: None,
            failed: false,
            refused: None,
            refuted: false,
        }
    }

    /// Whether an end of the list at `index` is accepted.
    fn accepts_end(&self, index: u16) -> bool {
        let expected = self.length.is_some_and(|length| index < length);
        !expected || self.early.is_some_and(|(known, passes)| known == index && passes + 1 >= ACCEPTED_AFTER)
    }
}

impl ListScan<'_> {
    /// The record to ask next; `None` when all were.
    pub(crate) fn next(&mut self) -> Option<u16> {
        if !self.wrapped && self.next >= self.end.unwrap_or(self.max) {
            self.close(self.max);
            self.wrapped = true;
            self.next = 0;
        }
        let stop = self.end.map_or(self.start, |end| end.min(self.start));
        (!self.wrapped || self.next < stop).then_some(self.next)
    }

    /// The record `next` was a row.
    pub(crate) fn found(&mut self) {
        self.refuted |= self.memory.early.is_some_and(|(index, _)| index == self.next);
        self.not_the_end();
        self.next += 1;
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

    /// The device says that there is no record `next`. Where it has no other way to end its list (`ends`), and beyond
    /// the known length, that is the end; else it is one only if no other record comes behind it. True if it is the
    /// end and accepted.
    pub(crate) fn refused(&mut self, ends: bool) -> bool {
        if ends {
            return self.ended();
        }
        let beyond = !self.wrapped && self.memory.length.is_some_and(|length| self.next >= length);
        if beyond {
            self.close(self.next);
        } else {
            self.refused.get_or_insert(self.next);
        }
        self.next += 1;
        beyond
    }

    /// The record `next` says that the list ends before it. True if that is accepted.
    pub(crate) fn ended(&mut self) -> bool {
        let accepted = self.memory.accepts_end(self.next);
        if accepted {
            self.end = Some(self.end.map_or(self.next, |end| end.min(self.next)));
        } else {
            self.early = Some(self.early.map_or(self.next, |early| early.min(self.next)));
        }
        self.next += 1;
        accepted
    }

    /// The record `next` could not be read. Beyond the known length that is the end.
    pub(crate) fn failed(&mut self) {
        match self.memory.length {
            Some(length) if self.next >= length && !self.wrapped => self.end = Some(self.next),
            _ => self.failed = true,
        }
        self.not_the_end();
        self.next += 1;
    }

    /// The earliest end that was not accepted, with the length it contradicts.
    pub(crate) fn early_end(&self) -> Option<(u16, u16)> {
        self.early.zip(self.memory.length)
    }

    /// What to remember, and whether every record was read.
    pub(crate) fn finish(mut self) -> (ListMemory, bool) {
        let rest = self.next();
        self.not_the_end();
        let complete = rest.is_none() && !self.failed && self.early.is_none();
        let early = match (self.early, self.memory.early) {
            (Some(index), Some((known, passes))) if index == known => Some((known, passes + 1)),
            (Some(index), _) => Some((index, 1)),
            (None, kept) if !self.refuted && !complete => kept,
            (None, _) => None,
        };
        let length = if complete { self.end } else { self.memory.length };
        (ListMemory { length, start: rest.unwrap_or(0), early }, complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks a list whose record `i` is the `i`-th letter: `r` a row, `f` a failure, `e` an end, `n` a refusal in a list
    /// that ends otherwise, `N` in one that ends so, `x` the pass is cut before it; beyond the text: `e`. Gives the order asked and whether it was complete.
    fn pass(memory: &mut ListMemory, list: &str) -> (Vec<u16>, bool) {
        let mut asked = Vec::new();
        let mut scan = memory.scan(9);
        while let Some(index) = scan.next() {
            match list.as_bytes().get(usize::from(index)) {
                Some(b'x') => break,
                Some(b'r') => scan.found(),
                Some(b'f') => scan.failed(),
                Some(b'n') => _ = scan.refused(false),
                Some(b'N') => _ = scan.refused(true),
                _ => {
                    scan.ended();
                }
            }
            asked.push(index);
        }
        let (next, complete) = scan.finish();
        *memory = next;
        (asked, complete)
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
