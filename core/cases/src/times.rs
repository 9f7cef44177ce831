//! Times as cases write them: `2026-06-01T12:30:00Z`, or `12:30` and `1d 12:30:05` from a given day on.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use smiles_stage::Path;

/// What short times are short for.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    date: Option<Date>,
    zone: TimeZone,
}

impl Times {
    /// From this day on, in this zone; without either, only full times are understood, and the zone is UTC.
    ///
    /// # Errors
    /// Which of the keys `date` and `timezone` is wrong, and how.
    pub(crate) fn new(date: Option<&str>, zone: Option<&str>) -> Result<Self, (&'static str, String)> {
        let date = date.map(|text| {
            text.parse().map_err(|_| ("date", format!("`{text}` is no date such as `2026-06-01`")))
        });
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => smiles_stage::time_zone(name, Path::root())
                .map_err(|problem| ("timezone", problem.message))?,
        };
        Ok(Self { date: date.transpose()?, zone })
    }

    /// The instant a text means.
    ///
    /// # Errors
    /// Why it means none.
    pub(crate) fn read(&self, text: &str) -> Result<Timestamp, String> {
        if let Ok(time) = text.parse() {
            return Ok(time);
        }
        let (day, clock) = match text.split_once("d ") {
            Some((days, clock)) => (days.trim().parse::<i32>().ok(), clock),
            None => (Some(0), text),
        };
        let (Some(day), Ok(clock)) = (day, clock.trim().parse::<Time>()) else {
            return Err(format!("`{text}` is no time such as `12:30`, `1d 12:30` or `2026-06-01T12:30:00Z`"));
        };
        let date = self.date.ok_or("a time such as `12:30` needs a `date`: give the case or the file one")?;
        let beyond = |_| format!("`{text}` lies beyond the calendar");
        let date = Span::new().try_days(day).and_then(|days| date.checked_add(days)).map_err(beyond)?;
        self.zone.to_timestamp(date.to_datetime(clock)).map_err(beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_count_from_the_day_of_the_case() {
        let berlin = Times::new(Some("2026-03-28"), Some("Europe/Berlin")).unwrap();
        for (text, expected) in [
            ("12:30", "2026-03-28T11:30:00Z"),
            ("1d 12:30:05", "2026-03-29T10:30:05Z"),
            ("1d 02:30", "2026-03-29T01:30:00Z"),
            ("-1d 00:00", "2026-03-26T23:00:00Z"),
            ("2026-06-01T12:30:00+02:00", "2026-06-01T10:30:00Z"),
        ] {
            assert_eq!(berlin.read(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_explained() {
        let times = Times::new(None, None).unwrap();
        for (text, said) in [
            ("noon", "`noon` is no time such as"),
            ("25:00", "`25:00` is no time"),
            ("xd 12:00", "is no time"),
            ("12:30", "needs a `date`"),
            ("99999999d 12:30", "needs a `date`"),
        ] {
            assert!(times.read(text).unwrap_err().contains(said), "{text}: {:?}", times.read(text));
        }
        let far = Times::new(Some("2026-06-01"), None).unwrap().read("99999999d 12:30");
        assert!(far.unwrap_err().contains("beyond the calendar"));
        assert_eq!(Times::new(Some("June"), None).unwrap_err().0, "date");
        assert_eq!(Times::new(None, Some("Berlin")).unwrap_err().0, "timezone");
    }
}
