//! One counter of the day: what is kept of it, and how its periods follow one another.
//!
//! How a reading changes it is in [`super::reading`]. A known counter always yields its sum, heard or not, since a sum is
//! not a measurement.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::candidate::Candidate;
use crate::rate::Rate;

/// A mirrored counter whose period changes by more has missed one, or the clock came right: it is mirrored anew.
const MISSED_PERIOD: SignedDuration = SignedDuration::from_hours(36);
/// A period that changes by more is kept aside: the clock may have leapt.
const CLOCK_LEAP: SignedDuration = SignedDuration::from_hours(7 * 24);
/// So long it is kept, and so long rows may be older than the period before that is given up.
const SUSPEND_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What a row says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) time: Timestamp,
    /// The device's counter of the day; `None`: not heard.
    pub(super) today: Option<f64>,
    /// The lifetime total, in the unit of `today`.
    pub(super) total: Option<f64>,
}

/// What is possible and what confirms the impossible.
#[derive(Clone, Copy, Debug)]
pub(super) struct DayLimits {
    pub(super) rate: Rate,
    pub(super) confirm: u32,
    /// The step in which the total counts: so much more or less it may rise than the counter of the day does.
    pub(super) total_step: f64,
    /// Whether that step is no coarser than the counter of the day.
    pub(super) total_is_fine: bool,
}

/// What happened beyond ordinary counting, for metrics and the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DayEvent {
    None,
    /// The first row that is older than the period.
    Behind,
    /// The counter began again from zero.
    Fall,
    /// The counter fell by a little and stayed: it corrected itself.
    Correction,
    /// An impossible rise was believed.
    Rise,
    /// A fall that had been believed was none: the counter is back.
    Undone,
    /// The counter had been cleared between two readings.
    UnseenClear,
    /// The clock had been ahead: the period kept aside goes on.
    Returned,
    /// Rows had been older than the period for a day.
    Restarted,
}

/// The state of one key. It is written with every reading, so what is usual is left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DayState {
    /// The reset instant that names the period.
    pub(super) period: Timestamp,
    /// Production of the period: what is published.
    pub(super) sum: f64,
    /// The last accepted counter, the total it came with, and its time.
    pub(super) last: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<f64>,
    pub(super) at: Timestamp,
    /// When anything was last heard, accepted or not.
    pub(super) heard_at: Timestamp,
    /// Whether something was heard in this period.
    pub(super) heard: bool,
    /// On the first day the device's own counter is published as it is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) mirror: bool,
    /// The next reading is mirrored as that of a key never seen.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) anew: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) candidate: Option<Candidate>,
    /// Whether the candidate began an hour or more after the reading before it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) after_silence: bool,
    /// What the last believed fall fell from, until the counter rises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fell: Option<Baseline>,
    /// What a believed rise rose from that the total has not covered yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) late: Option<Baseline>,
    /// Since when rows have been older than the period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) behind_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) aside: Option<SuspendedPeriod>,
}

/// Sum, counter and total before a fall or rise was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub(super) sum: f64,
    pub(super) last: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<f64>,
}

/// A period that was left by a leap of the clock, its sum, and when: it goes on if the clock comes back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SuspendedPeriod {
    period: Timestamp,
    sum: f64,
    since: Timestamp,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl DayState {
    /// A key never seen: the device's own counter is all there is to go by, and is mirrored; where it is no counter
    /// of the day at all, counting begins with it at nothing.
    pub(super) fn first(period: Timestamp, today: f64, reading: &Reading, mirror: bool) -> Self {
        Self {
            period,
            sum: if mirror { today } else { 0.0 },
            last: today,
            total: reading.total,
            at: reading.time,
            heard_at: reading.time,
            heard: true,
            mirror,
            anew: false,
            candidate: None,
            after_silence: false,
            fell: None,
            late: None,
            behind_since: None,
            aside: None,
        }
    }

    /// What is published.
    pub(super) fn sum(&self) -> f64 {
        self.sum
    }

    /// Counts a row of `period`.
    pub(super) fn count(&mut self, period: Timestamp, reading: &Reading, limits: DayLimits) -> DayEvent {
        let time = reading.time;
        let event = if period < self.period { self.fall_behind(period, time) } else { DayEvent::None };
        if period >= self.period {
            self.behind_since = None;
            self.aside = self.aside.filter(|aside| time.duration_since(aside.since) < SUSPEND_FOR);
        }
        if period > self.period {
            self.begin(period, time);
        }
        let heard = reading.today.map_or(DayEvent::None, |today| self.apply_reading(today, reading, limits));
        if heard == DayEvent::None { event } else { heard }
    }

    /// A period begins, with nothing; what waited to be believed was of the one before.
    fn begin(&mut self, period: Timestamp, time: Timestamp) {
        let change = period.duration_since(self.period);
        self.aside = if change > CLOCK_LEAP {
            Some(SuspendedPeriod { period: self.period, sum: self.sum, since: time })
        } else {
            self.aside.map(|aside| SuspendedPeriod { sum: self.together(&aside), ..aside })
        };
        self.anew = self.anew || (self.mirror && change > MISSED_PERIOD);
        self.mirror = self.anew;
        // What the total has yet to cover is less by what was counted.
        self.late = self.late.map(|before| Baseline { sum: before.sum - self.sum, ..before });
        (self.period, self.sum, self.heard) = (period, 0.0, false);
        (self.candidate, self.after_silence) = (None, false);
        // A fall may still prove none; nothing of this period came before it.
        self.fell = self.fell.map(|before| Baseline { sum: 0.0, total: self.total, ..before });
    }

    /// A row that is older than the period: the clock was stepped back, or had been ahead.
    fn fall_behind(&mut self, period: Timestamp, time: Timestamp) -> DayEvent {
        let is_of = |aside: &SuspendedPeriod| {
            period >= aside.period && period.duration_since(aside.period) <= CLOCK_LEAP
        };
        if let Some(aside) = self.aside.filter(is_of) {
            self.sum = self.together(&aside);
            (self.period, self.aside, self.anew) = (aside.period, None, false);
            (self.heard, self.fell, self.late, self.behind_since) = (true, None, None, None);
            return DayEvent::Returned;
        }
        // A clock that is stepped back once more begins its day anew.
        let since = self.behind_since.map_or(time, |since| since.min(time));
        if period.duration_since(since) >= SUSPEND_FOR {
            (self.mirror, self.anew, self.behind_since) = (false, false, None);
            self.begin(period, time);
            return DayEvent::Restarted;
        }
        if self.behind_since.replace(since).is_some() { DayEvent::None } else { DayEvent::Behind }
    }

    /// The sum of a period kept aside with what was counted since. What is mirrored was not counted.
    fn together(&self, aside: &SuspendedPeriod) -> f64 {
        match (self.anew, self.mirror) {
            (true, _) => aside.sum,
            (false, true) => aside.sum.max(self.sum),
            (false, false) => aside.sum + self.sum,
        }
    }
}
