//! One counter of the day: what is kept of it and how a reading changes it.
//!
//! A fall is never believed at once, since a device that answers 0 for one poll must not count its day twice;
//! a known counter always yields its sum, heard or not, since a sum is not a measurement.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::candidate::{Candidate, grown, seconds};
use crate::rate::Rate;

/// After this long without a reading a device may have cleared its counter on its own.
const UNSEEN: SignedDuration = SignedDuration::from_hours(1);
/// After this long of rows older than the period, the clock had been in the future.
const CLOCK_WAS_WRONG: SignedDuration = SignedDuration::from_hours(24);

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
pub(super) struct Limits {
    pub(super) rate: Rate,
    pub(super) confirm: u32,
    /// So much more the total may rise than the counter of the day, since both are rounded.
    pub(super) slack: f64,
}

/// What happened beyond ordinary counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    None,
    /// The first row that is older than the period.
    Behind,
    /// A fall was believed.
    Fall,
    /// An impossible rise was believed.
    Rise,
    /// The counter had been cleared between two readings.
    UnseenClear,
    /// Rows had been older than the period for a day.
    Restarted,
}

/// The state of one key. It is written with every reading, so what is usual is left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Day {
    /// The reset instant that names the period.
    period: Timestamp,
    /// Production of the period: what is published.
    sum: f64,
    /// The last accepted counter, the total it came with, and its time.
    last: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total: Option<f64>,
    at: Timestamp,
    /// When anything was last heard, accepted or not.
    heard_at: Timestamp,
    /// Whether something was heard in this period.
    heard: bool,
    /// On the first day the device's own counter is published as it is.
    #[serde(default, skip_serializing_if = "is_false")]
    mirror: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    candidate: Option<Candidate>,
    /// Whether the candidate began an hour or more after the reading before it.
    #[serde(default, skip_serializing_if = "is_false")]
    after_silence: bool,
    /// Since when rows have been older than the period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    behind_since: Option<Timestamp>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Day {
    /// A key never seen: the device's own counter is all there is to go by.
    pub(super) fn first(period: Timestamp, today: f64, reading: &Reading) -> Self {
        Self {
            period,
            sum: today,
            last: today,
            total: reading.total,
            at: reading.time,
            heard_at: reading.time,
            heard: true,
            mirror: true,
            candidate: None,
            after_silence: false,
            behind_since: None,
        }
    }

    /// What is published.
    pub(super) fn sum(&self) -> f64 {
        self.sum
    }

    /// Counts a row of `period`.
    pub(super) fn count(&mut self, period: Timestamp, reading: &Reading, limits: Limits) -> Event {
        let mut event = Event::None;
        if period < self.period {
            let (since, told) = self.fall_behind(reading.time);
            if reading.time.duration_since(since) >= CLOCK_WAS_WRONG
                && let Some(today) = reading.today
            {
                *self = Self::first(period, today, reading);
                return Event::Restarted;
            }
            if !told {
                event = Event::Behind;
            }
        } else {
            self.behind_since = None;
        }
        if period > self.period {
            *self = Self { period, sum: 0.0, heard: false, mirror: false, ..*self };
        }
        let heard = reading.today.map_or(Event::None, |today| self.hear(today, reading, limits));
        if heard == Event::None { event } else { heard }
    }

    /// Since when rows have been older than the period, and whether that was known. A clock that is stepped back
    /// once more begins its day anew.
    fn fall_behind(&mut self, time: Timestamp) -> (Timestamp, bool) {
        let since = self.behind_since.map_or(time, |since| since.min(time));
        (since, self.behind_since.replace(since).is_some())
    }

    fn hear(&mut self, today: f64, reading: &Reading, limits: Limits) -> Event {
        let silence = reading.time.duration_since(self.heard_at) >= UNSEEN;
        let first_of_period = !self.heard;
        (self.heard_at, self.heard) = (reading.time, true);
        let step = today - self.last;
        if step >= 0.0 && limits.rate.allows(step, seconds(self.at, reading.time)) {
            let cleared = first_of_period && silence && self.cleared(today, reading.total, limits.slack);
            let from = if cleared { 0.0 } else { self.last };
            self.accept(from, today, reading);
            return if cleared { Event::UnseenClear } else { Event::None };
        }
        let candidate = Candidate::extended(self.candidate, today, reading.time, limits.rate);
        if candidate.count == 1 {
            // One that had to start over still began where the first did: nothing was accepted in between.
            self.after_silence = silence || (self.candidate.is_some() && self.after_silence);
        }
        self.candidate = Some(candidate);
        if candidate.count < limits.confirm { Event::None } else { self.believe(candidate, reading) }
    }

    /// Accepts a confirmed candidate. It never falls, so its first value tells what it is.
    fn believe(&mut self, candidate: Candidate, reading: &Reading) -> Event {
        let fell = candidate.first < self.last;
        if fell && self.mirror && self.after_silence {
            self.sum = 0.0;
        }
        self.accept(if fell { 0.0 } else { self.last }, candidate.last, reading);
        if fell { Event::Fall } else { Event::Rise }
    }

    /// The device's counter went from `from` to `to`.
    fn accept(&mut self, from: f64, to: f64, reading: &Reading) {
        self.sum = grown(self.sum, from, to);
        (self.last, self.at, self.total) = (to, reading.time, reading.total);
        (self.candidate, self.after_silence) = (None, false);
    }

    /// Whether the lifetime total rose by more than the counter of the day did: then that was cleared meanwhile. All
    /// that it shows has been produced since, so a total that rose by less than that (one that counts coarsely, or was
    /// held before) proves nothing.
    fn cleared(&self, today: f64, total: Option<f64>, slack: f64) -> bool {
        let (Some(before), Some(now)) = (self.total, total) else { return false };
        now - before > today - self.last + slack && now - before + slack >= today
    }
}
