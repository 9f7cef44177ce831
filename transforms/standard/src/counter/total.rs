//! One lifetime total: what is kept of it and how a reading changes it.
//!
//! The published total never falls, since whoever adds up energy books any later rise as new production. A fall or an
//! impossible rise is held until it has lasted.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use smiles_stage::StageError;

use crate::candidate::{Candidate, grown, seconds};
use crate::rate::Rate;

/// After a longer silence a fall is not told from an overflow by what can have been produced meanwhile.
const OVERFLOW_SECONDS: f64 = 3600.0;

/// What is possible, and how long the impossible must last to be believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct CounterLimits {
    pub(super) rate: Rate,
    pub(super) fall: Duration,
    pub(super) rise: Duration,
    pub(super) readings: u32,
    /// What the device's total loses when an inner counter of it overflows.
    pub(super) wrap: Option<f64>,
}

/// What an accepted change was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CounterEvent {
    /// The device lost its memory; counting goes on from where it stood.
    Fall,
    /// The device jumped and stayed.
    Rise,
    /// An inner counter of the device overflowed; nothing is lost.
    Wrap,
}

/// What is kept of one key: its state in the journal, for whoever must read or correct it there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Total {
    /// The last accepted value of the device.
    pub raw: f64,
    /// When that was read.
    pub at: Timestamp,
    /// The total that is published, which goes on by what `raw` grows.
    pub published: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    candidate: Option<Candidate>,
}

impl Total {
    /// Reads a state as the journal holds it, of this version or an earlier one.
    ///
    /// # Errors
    /// When the bytes are no state of `counter`.
    pub fn decode(bytes: &[u8]) -> Result<Self, StageError> {
        serde_json::from_slice(bytes).map_err(|error| {
            StageError::halt("the journal holds a state of counter that cannot be read").because(error)
        })
    }

    /// The state as the journal is to hold it.
    ///
    /// # Errors
    /// When a number in it is none.
    pub fn encode(&self) -> Result<Vec<u8>, StageError> {
        if !self.raw.is_finite() || !self.published.is_finite() {
            return Err(StageError::halt("a total must be a number"));
        }
        serde_json::to_vec(self)
            .map_err(|error| StageError::halt("cannot write a state of counter").because(error))
    }

    /// A key never seen: the device's own number is all there is to go by.
    pub(super) fn first(value: f64, time: Timestamp) -> Self {
        Self { raw: value, at: time, published: value, candidate: None }
    }

    /// Counts what the device said.
    pub(super) fn count(
        &mut self,
        value: f64,
        time: Timestamp,
        limits: CounterLimits,
    ) -> Option<CounterEvent> {
        let step = value - self.raw;
        if step >= 0.0 && limits.rate.allows(step, seconds(self.at, time)) {
            self.accept(self.raw, value, time);
            return None;
        }
        let candidate = Candidate::extended(self.candidate, value, time, limits.rate);
        self.candidate = Some(candidate);
        let (event, wait, from) = self.classify(&candidate, limits);
        let lasted = SignedDuration::try_from(wait).is_ok_and(|wait| candidate.lasted() >= wait);
        if !lasted || candidate.count < limits.readings {
            return None;
        }
        self.accept(from, value, time);
        Some(event)
    }

    /// A candidate never falls, so its first value tells what it is: what, how long it must last, and from where it
    /// counts.
    fn classify(&self, candidate: &Candidate, limits: CounterLimits) -> (CounterEvent, Duration, f64) {
        let within = seconds(self.at, candidate.since).min(OVERFLOW_SECONDS);
        let overflow = limits.wrap.filter(|wrap| {
            let step = candidate.first + wrap - self.raw;
            step >= 0.0 && limits.rate.allows(step, within)
        });
        match overflow {
            Some(wrap) => (CounterEvent::Wrap, Duration::ZERO, self.raw - wrap),
            None if candidate.first < self.raw => (CounterEvent::Fall, limits.fall, candidate.first),
            None => (CounterEvent::Rise, limits.rise, self.raw),
        }
    }

    /// The device's counter went from `from` to `to`.
    fn accept(&mut self, from: f64, to: f64, time: Timestamp) {
        self.published = grown(self.published, from, to);
        (self.raw, self.at, self.candidate) = (to, time, None);
    }
}
