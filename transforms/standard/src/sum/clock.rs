//! Which period is counted into: that of the rows' own time, through clocks that are set forward and back. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smiles_stage::Periods;

const HOUR: i64 = 3_600_000_000;
/// A longer step forward may be a clock that is wrong: the period before it is kept aside.
const LONG_STEP: i64 = 7 * 24 * HOUR;
/// So long.
const SUSPEND_FOR: i64 = 24 * HOUR;

/// The period counted into, named by its first instant in microseconds. The rules are those of `daily_reset`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PeriodClock {
    pub(super) period: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aside: Option<SuspendedPeriod>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    behind: Option<OlderRows>,
}

/// The period before a long step forward.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct SuspendedPeriod {
    period: i64,
    /// When the step was.
    since: i64,
}

/// Rows older than the period are counted into it, for a day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct OlderRows {
    since: i64,
    period: i64,
}

impl PeriodClock {
    /// A clock that has never been looked at.
    pub(super) fn first(period: i64) -> Self {
        Self { period, aside: None, behind: None }
    }

    /// Looks at a row's time; afterwards [`PeriodClock::period`] is the one to count it into.
    pub(super) fn look(&mut self, time: i64, period: i64) {
        if self.aside.is_some_and(|aside| period >= self.period && time - aside.since >= SUSPEND_FOR) {
            self.aside = None;
        }
        if period == self.period {
            self.behind = None;
        } else if period > self.period {
            if period - self.period > LONG_STEP {
                self.aside = Some(SuspendedPeriod { period: self.period, since: time });
            }
            (self.period, self.behind) = (period, None);
        } else if let Some(SuspendedPeriod { period: known, .. }) =
            self.aside.filter(|aside| aside.period <= period && period <= aside.period + LONG_STEP)
        {
            // The clock had been ahead and is right again.
            *self = Self::first(known.max(period));
        } else {
            self.older(time, period);
        }
    }

    fn older(&mut self, time: i64, period: i64) {
        match self.behind {
            Some(behind) if time - behind.since >= SUSPEND_FOR && period > behind.period => {
                *self = Self { aside: self.aside, ..Self::first(period) };
            }
            Some(behind) => self.behind = Some(OlderRows { period: behind.period.max(period), ..behind }),
            None => self.behind = Some(OlderRows { since: time, period }),
        }
    }
}

/// The period of an instant; `None` only at the very ends of the calendar.
pub(super) fn period_of(periods: &mut Periods, time: i64) -> Option<i64> {
    let time = Timestamp::from_microsecond(time).ok()?;
    periods.around(time).map(|(start, _)| start.as_microsecond())
}
