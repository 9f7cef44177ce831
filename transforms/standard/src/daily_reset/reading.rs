//! How a reading changes a counter of the day.
//!
//! A fall is never believed at once, since a device that answers 0 for one poll must not count its day twice. Where a
//! lifetime total is known it arbitrates; it may count in steps.

use jiff::SignedDuration;

use super::day::{Baseline, DayEvent, DayLimits, DayState, Reading};
use crate::candidate::{Candidate, grown, seconds};

/// After this long without a reading a device may have cleared its counter on its own.
const SILENCE: SignedDuration = SignedDuration::from_hours(1);
/// So long a rise that the total does not cover is held: the total may be late.
const TOTAL_IS_LATE: SignedDuration = SignedDuration::from_hours(1);
/// Sums of decimal fractions are not exact.
const EPSILON: f64 = 1e-6;

impl DayState {
    /// Counts a reading of the counter.
    pub(super) fn apply_reading(&mut self, today: f64, reading: &Reading, limits: DayLimits) -> DayEvent {
        let silence = reading.time.duration_since(self.heard_at) >= SILENCE;
        let first_of_period = !self.heard;
        (self.heard_at, self.heard) = (reading.time, true);
        if self.anew {
            (self.sum, self.anew) = (0.0, false);
            self.accept(0.0, today, reading, limits);
            return DayEvent::None;
        }
        let silent = silence || (self.candidate.is_some() && self.after_silence);
        let step = today - self.last;
        if step >= 0.0 && limits.rate.allows(step, seconds(self.at, reading.time)) {
            return self.go_on(today, reading, limits, first_of_period && silence, silent);
        }
        let candidate = Candidate::extended(self.candidate, today, reading.time, limits.rate);
        if candidate.count == 1 {
            // One that had to start over still began where the first did: nothing was accepted in between.
            self.after_silence = silent;
        }
        self.candidate = Some(candidate);
        match candidate.count < limits.confirm {
            true => DayEvent::None,
            false if candidate.first < self.last => self.accept_fall(candidate, reading, limits),
            false => self.accept_rise(candidate, reading, limits),
        }
    }

    /// A possible step: production, unless the device had cleared itself unseen or had not restarted before.
    fn go_on(
        &mut self,
        today: f64,
        reading: &Reading,
        limits: DayLimits,
        after_silence: bool,
        silent: bool,
    ) -> DayEvent {
        if let Some(before) = self.fell.filter(|before| self.comes_back(before, today, reading, limits)) {
            let grown = covered(&before, reading, limits).unwrap_or(f64::INFINITY);
            let sum = (before.sum + grown.min(today - before.last)).max(self.sum);
            self.late = None;
            self.accept(today, today, reading, limits);
            self.sum = sum;
            return DayEvent::Undone;
        }
        let below = self.candidate.filter(|candidate| candidate.first < self.last);
        let cleared = match self.total_rose(reading) {
            Some(rose) => (after_silence || below.is_some()) && self.proves_clear(rose, today, limits),
            None => below.is_some_and(|candidate| {
                candidate.count >= 2
                    && self.can_have_begun(&candidate, limits)
                    && candidate.first <= self.last / 2.0
                    && candidate.last > candidate.first
                    && candidate.is_continued_by(today, reading.time, limits.rate)
            }),
        };
        if cleared {
            if self.mirror && silent {
                self.sum = 0.0;
            }
            (self.fell, self.late) = (None, None);
            self.accept(0.0, today, reading, limits);
            return DayEvent::UnseenClear;
        }
        let (before, elapsed) = (self.sum, seconds(self.at, reading.time));
        self.accept(self.last, today, reading, limits);
        if limits.rate.allows(self.sum - before, elapsed) { DayEvent::None } else { DayEvent::Rise }
    }

    /// A confirmed fall: a restart, or a correction.
    fn accept_fall(&mut self, candidate: Candidate, reading: &Reading, limits: DayLimits) -> DayEvent {
        let rose = self.total_rose(reading);
        let proven = rose.is_some_and(|rose| self.proves_clear(rose, candidate.last, limits));
        // One that moved tells as well that so much was not produced; one that stands still may be held.
        let disproven = rose.is_some_and(|rose| rose > EPSILON && rose + limits.total_step < candidate.last);
        let restart = self.can_have_begun(&candidate, limits)
            && !disproven
            && (proven || candidate.first <= self.last / 2.0);
        let before = self.before();
        self.late = None;
        if restart && self.mirror && self.after_silence {
            self.sum = 0.0;
        }
        self.accept(if restart { 0.0 } else { candidate.first }, candidate.last, reading, limits);
        self.fell = Some(before);
        if restart { DayEvent::Fall } else { DayEvent::Correction }
    }

    /// A confirmed rise. One that begins where a fall began undoes it; any is as large as the total allows.
    fn accept_rise(&mut self, candidate: Candidate, reading: &Reading, limits: DayLimits) -> DayEvent {
        let undone = self.fell.filter(|before| candidate.first >= before.last);
        let from = undone.unwrap_or(self.before());
        let mut rise = candidate.last - from.last;
        if let Some(covered) = covered(&from, reading, limits) {
            if rise > covered * (1.0 + EPSILON) && candidate.lasted() < TOTAL_IS_LATE {
                return DayEvent::None;
            }
            self.late = (rise > covered).then_some(from);
            rise = rise.min(covered);
        }
        let sum = (from.sum + rise).max(self.sum);
        self.accept(candidate.last, candidate.last, reading, limits);
        self.sum = sum.max(self.sum);
        if undone.is_some() { DayEvent::Undone } else { DayEvent::Rise }
    }

    /// Sum, counter and total as they are.
    fn before(&self) -> Baseline {
        Baseline { sum: self.sum, last: self.last, total: self.total }
    }

    /// The device's counter went from `from` to `to`.
    fn accept(&mut self, from: f64, to: f64, reading: &Reading, limits: DayLimits) {
        self.sum = grown(self.sum, from, to);
        // A counter that goes on from below has fallen indeed.
        self.fell = self.fell.filter(|_| to <= self.last);
        (self.last, self.at, self.total) = (to, reading.time, reading.total);
        (self.candidate, self.after_silence) = (None, false);
        // A total that was late covers what it did not.
        if let Some(before) = self.late
            && let Some(covered) = covered(&before, reading, limits)
        {
            let rise = to - before.last;
            self.sum = self.sum.max(before.sum + rise.min(covered));
            self.late = (rise > covered).then_some(before);
        }
    }

    /// Whether a possible step leads back to where a believed fall began: a counter that restarted does not leap from
    /// less than half of its old value over it, unless the total says that it did.
    fn comes_back(&self, before: &Baseline, today: f64, reading: &Reading, limits: DayLimits) -> bool {
        if self.last > before.last / 2.0 || today < before.last {
            return false;
        }
        let (claimed, step) = (self.sum + today - self.last - before.sum, limits.total_step);
        match reading.total.zip(before.total).map(|(now, before)| now - before) {
            Some(rose) if limits.total_is_fine => rose + step * (1.0 + EPSILON) < claimed,
            Some(rose) => rose < claimed + step,
            None => true,
        }
    }

    /// By how much the total rose since the last accepted reading, if both said it.
    fn total_rose(&self, reading: &Reading) -> Option<f64> {
        Some(reading.total? - self.total?)
    }

    /// Whether what the candidate began with can have been produced since the last accepted reading.
    fn can_have_begun(&self, candidate: &Candidate, limits: DayLimits) -> bool {
        limits.rate.allows(candidate.first, seconds(self.at, candidate.since))
    }

    /// Whether the lifetime total rose by more than the counter of the day did: then that was cleared meanwhile. All
    /// that it shows has been produced since, so a total that rose by less than that (one that was held before)
    /// proves nothing, and one that counts coarsely must have risen by a step more.
    fn proves_clear(&self, rose: f64, today: f64, limits: DayLimits) -> bool {
        let step = limits.total_step;
        let least = if limits.total_is_fine { today - step } else { today + step };
        rose > today - self.last + step * (1.0 + EPSILON) && rose >= least - step * EPSILON
    }
}

/// How much can have been produced since, by the total.
fn covered(before: &Baseline, reading: &Reading, limits: DayLimits) -> Option<f64> {
    Some((reading.total? - before.total?).max(0.0) + limits.total_step)
}
