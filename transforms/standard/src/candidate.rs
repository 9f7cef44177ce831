//! A value that cannot follow the last accepted one: it is held until it is confirmed or proves a glitch.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::rate::Rate;

/// A run of values each of which can follow the one before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) first: f64,
    pub(crate) last: f64,
    pub(crate) since: Timestamp,
    /// When the last value came.
    pub(crate) at: Timestamp,
    pub(crate) count: u32,
}

impl Candidate {
    /// The candidate with one more value; a new one where there is none or the value does not continue it.
    pub(crate) fn extended(before: Option<Self>, value: f64, time: Timestamp, rate: Rate) -> Self {
        match before {
            Some(before) if before.is_continued_by(value, time, rate) => Self {
                last: value,
                at: time,
                // A clock that was stepped back must not make the wait longer than it is.
                since: before.since.min(time),
                count: before.count.saturating_add(1),
                first: before.first,
            },
            _ => Self { first: value, last: value, since: time, at: time, count: 1 },
        }
    }

    fn is_continued_by(&self, value: f64, time: Timestamp, rate: Rate) -> bool {
        value >= self.last && rate.allows(value - self.last, seconds(self.at, time))
    }
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
