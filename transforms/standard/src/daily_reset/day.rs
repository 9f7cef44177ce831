//! One counter of the day: what is kept of it and how a reading changes it.
//!
//! A fall is never believed at once, since a device that answers 0 for one poll must not count its day twice;
//! a known counter always yields its sum, heard or not, since a sum is not a measurement.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use smiles_stage::StageError;

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
    pub(super) total: Option<f64>,
}

/// What is possible and what confirms the impossible.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) rate: Rate,
    pub(super) confirm: u32,
}

/// What happened beyond ordinary counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    None,
    /// The row is older than the period.
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

/// A value that does not follow from the last accepted one, until it is confirmed or proves a glitch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Candidate {
    last: f64,
    at: Timestamp,
    count: u32,
    /// It began an hour or more after the last reading before it.
    after_silence: bool,
}

/// The state of one key.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Day {
    /// The reset instant that names the period.
    period: Timestamp,
    /// Production of the period: what is published.
    sum: f64,
    /// The last accepted counter, its total and its time.
    last: f64,
    total: Option<f64>,
    at: Timestamp,
    /// When anything was last heard, accepted or not.
    heard_at: Timestamp,
    /// Whether something was heard in this period.
    heard: bool,
    /// On the first day the device's own counter is published as it is.
    mirror: bool,
    candidate: Option<Candidate>,
    /// Since when rows have been older than the period.
    behind_since: Option<Timestamp>,
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
        if period > self.period {
            *self = Self { period, sum: 0.0, heard: false, mirror: false, behind_since: None, ..*self };
        } else if period < self.period {
            let since = *self.behind_since.get_or_insert(reading.time);
            if reading.time.duration_since(since) >= CLOCK_WAS_WRONG
                && let Some(today) = reading.today
            {
                *self = Self::first(period, today, reading);
                return Event::Restarted;
            }
            event = Event::Behind;
        } else {
            self.behind_since = None;
        }
        let heard = reading.today.map_or(Event::None, |today| self.hear(today, reading, limits));
        if heard == Event::None { event } else { heard }
    }

    fn hear(&mut self, today: f64, reading: &Reading, limits: Limits) -> Event {
        let silence = reading.time.duration_since(self.heard_at);
        let first_of_period = !self.heard;
        (self.heard_at, self.heard) = (reading.time, true);
        let step = today - self.last;
        if step >= 0.0 && limits.rate.allows(step, seconds(self.at, reading.time)) {
            let cleared = first_of_period && silence >= UNSEEN && self.total_rose_more(step, reading.total);
            self.sum += if cleared { today } else { step };
            self.accept(today, reading);
            return if cleared { Event::UnseenClear } else { Event::None };
        }
        let candidate = match self.candidate {
            Some(last)
                if today >= last.last
                    && limits.rate.allows(today - last.last, seconds(last.at, reading.time)) =>
            {
                Candidate { last: today, at: reading.time, count: last.count + 1, ..last }
            }
            _ => Candidate { last: today, at: reading.time, count: 1, after_silence: silence >= UNSEEN },
        };
        self.candidate = Some(candidate);
        if candidate.count < limits.confirm { Event::None } else { self.believe(candidate, reading) }
    }

    /// Accepts a confirmed candidate.
    fn believe(&mut self, candidate: Candidate, reading: &Reading) -> Event {
        let rise = candidate.last - self.last;
        let event = if rise >= 0.0 { Event::Rise } else { Event::Fall };
        self.sum = match event {
            Event::Rise => self.sum + rise,
            _ if self.mirror && candidate.after_silence => candidate.last,
            _ => self.sum + candidate.last,
        };
        self.accept(candidate.last, reading);
        event
    }

    fn accept(&mut self, today: f64, reading: &Reading) {
        (self.last, self.at, self.candidate) = (today, reading.time, None);
        self.total = reading.total.or(self.total);
    }

    /// Whether the lifetime total rose by more than the counter of the day did, beyond rounding.
    fn total_rose_more(&self, step: f64, total: Option<f64>) -> bool {
        matches!((self.total, total), (Some(before), Some(now)) if now - before > step + 1.0)
    }

    /// As kept in the journal: JSON, so that anyone can read it there.
    pub(super) fn encode(&self) -> Result<Vec<u8>, StageError> {
        serde_json::to_vec(self)
            .map_err(|error| StageError::halt("cannot write the state of a day").because(error))
    }

    /// The inverse of [`Day::encode`].
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StageError> {
        serde_json::from_slice(bytes).map_err(|error| {
            StageError::halt("the journal holds a state of a day that cannot be read").because(error)
        })
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}
