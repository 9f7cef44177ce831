//! Spans of the local clock: parts of an hour, hours, days. Exact over the days on which clocks change. Pure.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use smiles_stage::Periods;

/// How long a span of the local clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interval {
    /// So many minutes: a whole part of an hour, or an hour.
    Minutes(i64),
    /// From one midnight to the next.
    Day,
}

impl Interval {
    /// `5m`, `1h`, `1d`; `None` for what does not divide an hour or a day.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "1h" => return Some(Self::Minutes(60)),
            "1d" => return Some(Self::Day),
            _ => {}
        }
        let minutes: i64 = text.strip_suffix('m')?.parse().ok()?;
        (minutes > 0 && minutes <= 60 && 60 % minutes == 0).then_some(Self::Minutes(minutes))
    }
}

/// The spans of a zone's clock.
#[derive(Clone, Debug)]
pub(crate) struct Spans {
    /// The clock.
    pub zone: TimeZone,
    /// How long a span is, where the clock does not change.
    pub interval: Interval,
}

impl Spans {
    /// Where the span around an instant begins and ends; `None` at the very ends of the calendar.
    pub(crate) fn around(&self, time: Timestamp) -> Option<(Timestamp, Timestamp)> {
        match self.interval {
            Interval::Day => Periods::new(self.zone.clone(), 0).around(time),
            Interval::Minutes(minutes) => self.part(time, minutes * 60),
        }
    }

    /// On the grid of the offset in force; a change of the clock begins a new span where it falls between.
    fn part(&self, time: Timestamp, seconds: i64) -> Option<(Timestamp, Timestamp)> {
        let offset = i64::from(self.zone.to_offset(time).seconds());
        let local = time.as_second() + offset;
        // Whole seconds round toward zero; a time before 1970 must go down.
        let local = if time.subsec_nanosecond() < 0 { local - 1 } else { local };
        let start = Timestamp::from_second(local.div_euclid(seconds) * seconds - offset).ok()?;
        let end = start.checked_add(SignedDuration::from_secs(seconds)).ok()?;
        let just_after = time.checked_add(SignedDuration::from_nanos(1)).ok()?;
        let last = self.zone.preceding(just_after).next().map(|change| change.timestamp());
        let next = self.zone.following(time).next().map(|change| change.timestamp());
        Some((last.map_or(start, |last| start.max(last)), next.map_or(end, |next| end.min(next))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: &str, interval: &str, rows: &[(&str, &str, &str)]) {
        let spans =
            Spans { zone: TimeZone::get(zone).unwrap(), interval: Interval::parse(interval).unwrap() };
        for (time, start, end) in rows {
            let around = spans.around(time.parse().unwrap()).unwrap();
            let expected = (start.parse().unwrap(), end.parse().unwrap());
            assert_eq!(around, expected, "{interval} around {time} in {zone}");
        }
    }

    #[test]
    fn spans_follow_the_local_clock() {
        check("UTC", "5m", &[("2026-06-01T12:04:59.9Z", "2026-06-01T12:00:00Z", "2026-06-01T12:05:00Z")]);
        check("UTC", "1h", &[("1969-12-31T23:59:59.5Z", "1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z")]);
        let kathmandu = [("2026-06-01T12:00:00Z", "2026-06-01T11:15:00Z", "2026-06-01T12:15:00Z")];
        check("Asia/Kathmandu", "1h", &kathmandu);
        check(
            "Europe/Berlin",
            "1d",
            &[("2026-06-01T22:00:00Z", "2026-06-01T22:00:00Z", "2026-06-02T22:00:00Z")],
        );
    }

    #[test]
    fn days_on_which_clocks_change_are_as_long_as_they_are() {
        check(
            "Europe/Berlin",
            "1d",
            &[
                ("2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
                ("2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ],
        );
        // The hour that is shown twice is two spans.
        check(
            "Europe/Berlin",
            "1h",
            &[
                ("2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"),
                ("2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"),
            ],
        );
        // A clock that moves by half an hour leaves half a span.
        let before = [("2026-10-03T15:10:00Z", "2026-10-03T14:30:00Z", "2026-10-03T15:30:00Z")];
        check("Australia/Lord_Howe", "1h", &before);
        let after = [("2026-10-03T15:40:00Z", "2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z")];
        check("Australia/Lord_Howe", "1h", &after);
        // Midnight itself can be skipped.
        check(
            "America/Havana",
            "1d",
            &[("2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z")],
        );
    }

    #[test]
    fn spans_meet_without_gap_over_a_year() {
        for zone in ["Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "UTC"] {
            for interval in ["30m", "1h", "1d"] {
                let zone = TimeZone::get(zone).unwrap();
                let spans = Spans { zone, interval: Interval::parse(interval).unwrap() };
                let mut at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
                let stop: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
                while at < stop {
                    let (start, end) = spans.around(at).unwrap();
                    assert!(start <= at && at < end, "{at} is not in {start}..{end}");
                    assert_eq!(spans.around(start), Some((start, end)), "{at}");
                    at = end;
                }
            }
        }
    }

    #[test]
    fn intervals_divide_an_hour_or_a_day() {
        for bad in ["", "7m", "0m", "-5m", "90m", "2h", "2d", "m", "5s"] {
            assert_eq!(Interval::parse(bad), None, "{bad}");
        }
        assert_eq!(Interval::parse("60m"), Interval::parse("1h"));
    }
}
