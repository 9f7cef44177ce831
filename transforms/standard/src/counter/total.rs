//! One lifetime total: what is kept of it and how a reading changes it.
//!
//! The published total never falls, since whoever adds up energy books any later rise as new production. A fall or an
//! impossible rise is held until it has lasted.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::candidate::{Candidate, grown, seconds};
use crate::rate::Rate;

/// What is possible, and how long the impossible must last to be believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) rate: Rate,
    pub(super) fall: Duration,
    pub(super) rise: Duration,
    pub(super) readings: u32,
}

/// What was believed in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The device lost its memory; counting goes on from where it stood.
    Fall,
    /// The device jumped and stayed.
    Rise,
}

/// The state of one key.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Total {
    /// The last accepted value of the device and its time.
    raw: f64,
    at: Timestamp,
    published: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    candidate: Option<Candidate>,
}

impl Total {
    /// A key never seen: the device's own number is all there is to go by.
    pub(super) fn first(value: f64, time: Timestamp) -> Self {
        Self { raw: value, at: time, published: value, candidate: None }
    }

    pub(super) fn published(&self) -> f64 {
        self.published
    }

    /// Counts what the device said.
    pub(super) fn count(&mut self, value: f64, time: Timestamp, limits: Limits) -> Option<Event> {
        let step = value - self.raw;
        if step >= 0.0 && limits.rate.allows(step, seconds(self.at, time)) {
            self.accept(self.raw, value, time);
            return None;
        }
        let candidate = Candidate::extended(self.candidate, value, time, limits.rate);
        self.candidate = Some(candidate);
        // A candidate never falls, so its first value tells what it is.
        let (event, wait, from) = if candidate.first < self.raw {
            (Event::Fall, limits.fall, candidate.first)
        } else {
            (Event::Rise, limits.rise, self.raw)
        };
        let lasted =
            SignedDuration::try_from(wait).is_ok_and(|wait| time.duration_since(candidate.since) >= wait);
        if !lasted || candidate.count < limits.readings {
            return None;
        }
        self.accept(from, value, time);
        Some(event)
    }

    /// The device's counter went from `from` to `to`.
    fn accept(&mut self, from: f64, to: f64, time: Timestamp) {
        self.published = grown(self.published, from, to);
        (self.raw, self.at, self.candidate) = (to, time, None);
    }
}
