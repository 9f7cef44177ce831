//! Periods of a day: each is named by the instant at which the local clock showed the reset hour.

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// Finds the period of an instant. Asked with instants in ascending order it computes once a day.
#[derive(Clone, Debug)]
pub struct Periods {
    zone: TimeZone,
    reset_hour: i8,
    /// The last answer and where the next period begins.
    last: Option<(Timestamp, Timestamp)>,
}

impl Periods {
    /// Periods of days that begin when the clock of `zone` shows `reset_hour`.
    pub fn new(zone: TimeZone, reset_hour: i8) -> Self {
        Self { zone, reset_hour, last: None }
    }

    /// The latest reset instant that is not after `time`, and the next one; `None` only at the very ends of the calendar.
    pub fn around(&mut self, time: Timestamp) -> Option<(Timestamp, Timestamp)> {
        if let Some((start, end)) = self.last
            && start <= time
            && time < end
        {
            return self.last;
        }
        // A day that a zone skipped altogether resets with the day after it: look one further on both sides.
        let mut date = self.zone.to_datetime(time).date().checked_add(2.days()).ok()?;
        let mut end = self.instant(date)?;
        loop {
            date = date.yesterday().ok()?;
            let start = self.instant(date)?;
            if start <= time && start < end {
                self.last = Some((start, end));
                return self.last;
            }
            end = start;
        }
    }

    /// When the clock showed the reset hour on that date: skipped, the first instant after the gap; twice, the first.
    fn instant(&self, date: Date) -> Option<Timestamp> {
        let shown = date.at(self.reset_hour, 0, 0, 0);
        let ambiguous = self.zone.to_ambiguous_timestamp(shown);
        match ambiguous.offset() {
            AmbiguousOffset::Gap { before, .. } => {
                let beyond = before.to_timestamp(shown).ok()?;
                let after = beyond.checked_add(1.nanosecond()).ok()?;
                self.zone.preceding(after).next().map(|transition| transition.timestamp())
            }
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: &str, reset_hour: i8, rows: &[(&str, &str)]) {
        let mut periods = Periods::new(TimeZone::get(zone).unwrap(), reset_hour);
        for (time, expected) in rows {
            let period = periods.around(time.parse().unwrap()).unwrap().0;
            assert_eq!(period, expected.parse::<Timestamp>().unwrap(), "{time} in {zone} at {reset_hour}");
        }
    }

    #[test]
    fn a_period_begins_when_the_local_clock_shows_the_hour() {
        check(
            "UTC",
            23,
            &[
                ("2026-06-01T22:59:59Z", "2026-05-31T23:00:00Z"),
                ("2026-06-01T23:00:00Z", "2026-06-01T23:00:00Z"),
                ("2026-06-02T12:00:00Z", "2026-06-01T23:00:00Z"),
            ],
        );
        check(
            "Europe/Berlin",
            0,
            &[
                ("2026-06-01T21:59:59Z", "2026-05-31T22:00:00Z"),
                ("2026-06-01T22:00:00Z", "2026-06-01T22:00:00Z"),
            ],
        );
    }

    #[test]
    fn a_skipped_hour_resets_at_the_first_instant_after_the_gap() {
        check(
            "Europe/Berlin",
            2,
            &[
                ("2026-03-29T00:59:59Z", "2026-03-28T01:00:00Z"),
                ("2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
                ("2026-03-30T00:00:00Z", "2026-03-30T00:00:00Z"),
            ],
        );
        check("Australia/Lord_Howe", 2, &[("2026-10-03T15:30:00Z", "2026-10-03T15:30:00Z")]);
        // The whole of 2011-12-30 was skipped: no period of its own.
        check("Pacific/Apia", 12, &[("2011-12-30T21:00:00Z", "2011-12-30T10:00:00Z")]);
    }

    #[test]
    fn an_hour_shown_twice_resets_at_the_first() {
        check(
            "Europe/Berlin",
            2,
            &[
                ("2026-10-25T00:00:00Z", "2026-10-25T00:00:00Z"),
                ("2026-10-25T01:00:00Z", "2026-10-25T00:00:00Z"),
            ],
        );
        check(
            "America/New_York",
            1,
            &[
                ("2026-11-01T05:00:00Z", "2026-11-01T05:00:00Z"),
                ("2026-11-01T06:30:00Z", "2026-11-01T05:00:00Z"),
            ],
        );
    }

    #[test]
    fn going_back_in_time_finds_the_earlier_period() {
        check(
            "UTC",
            0,
            &[
                ("2026-06-05T12:00:00Z", "2026-06-05T00:00:00Z"),
                ("2026-06-03T12:00:00Z", "2026-06-03T00:00:00Z"),
            ],
        );
    }
}
