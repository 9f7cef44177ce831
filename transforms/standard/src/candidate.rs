//! A value that cannot follow the last accepted one: it is held until it is confirmed or proves a glitch.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::rate::Rate;

/// A longer gap between two readings counts as this: a leap of the clock or a long silence confirms nothing.
const LONGEST_GAP: SignedDuration = SignedDuration::from_hours(12);

/// A run of values each of which can follow the one before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) first: f64,
    pub(crate) last: f64,
    pub(crate) since: Timestamp,
    /// When the last value came.
    pub(crate) at: Timestamp,
    pub(crate) count: u32,
    /// The sum of its gaps; version 3.0.0 did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lasted: Option<SignedDuration>,
}

impl Candidate {
    /// The candidate with one more value; a new one where there is none or the value does not continue it.
    pub(crate) fn extended(before: Option<Self>, value: f64, time: Timestamp, rate: Rate) -> Self {
        match before {
            Some(before) if before.is_continued_by(value, time, rate) => Self {
                last: value,
                at: time,
                // A clock that was stepped back must not put the beginning behind the end.
                since: before.since.min(time),
                count: before.count.saturating_add(1),
                first: before.first,
                lasted: Some(before.lasted() + gap(before.at, time)),
            },
            _ => Self { first: value, last: value, since: time, at: time, count: 1, lasted: None },
        }
    }

    /// For how long it has gone on: the sum of the gaps between its readings.
    pub(crate) fn lasted(&self) -> SignedDuration {
        let gaps = i32::try_from(self.count.saturating_sub(1)).unwrap_or(i32::MAX);
        self.lasted.unwrap_or_else(|| {
            let whole = self.at.duration_since(self.since).max(SignedDuration::ZERO);
            LONGEST_GAP.checked_mul(gaps).map_or(whole, |most| whole.min(most))
        })
    }

    /// Whether it goes on with this value: not below its last, and by a possible step.
    pub(crate) fn is_continued_by(&self, value: f64, time: Timestamp, rate: Rate) -> bool {
        value >= self.last && rate.allows(value - self.last, seconds(self.at, time))
    }
}

fn gap(from: Timestamp, to: Timestamp) -> SignedDuration {
    to.duration_since(from).clamp(SignedDuration::ZERO, LONGEST_GAP)
}

/// The seconds between two readings; none where the clock was stepped back.
pub(crate) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

/// What `published` becomes when its counter goes from `from` up to `to`. Where both agreed they still do, to the
/// last bit: sums of decimal fractions would drift.
pub(crate) fn grown(published: f64, from: f64, to: f64) -> f64 {
    (to + (published - from)).max(published)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_do_not_drift_and_never_fall() {
        let mut published = 0.1;
        for step in 1..1000 {
            let (from, to) = (0.1 * f64::from(step), 0.1 * f64::from(step + 1));
            let next = grown(published, from, to);
            assert!(next >= published);
            published = next;
            assert_eq!(published.to_bits(), to.to_bits());
        }
        assert_eq!(grown(5000.0, 0.0, 8.0), 5008.0);
    }
}
