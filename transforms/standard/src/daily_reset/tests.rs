//! The worked cases, each a row: readings with their times, and what is published.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use smiles_stage::Path;

use super::day::{Day, Event, Limits, Reading};
use crate::period::Periods;
use crate::rate::RateText;

/// Times are `day hh:mm`; day 0 is 2026-06-01. A total of `None` follows no reading.
type Row = (&'static str, Option<f64>, Option<f64>);

fn time(text: &str) -> Timestamp {
    let (day, clock) = text.split_once(' ').unwrap();
    let start: Timestamp = format!("2026-06-01T{clock}:00Z").parse().unwrap();
    start + (day.parse::<i64>().unwrap() * 24).hours()
}

fn published(rows: &[Row]) -> (Vec<Option<f64>>, Vec<Event>) {
    let rate: RateText = serde_json::from_str("\"2000 Wh/h\"").unwrap();
    let limits = Limits { rate: rate.resolve(Some("Wh"), &Path::root()).unwrap(), confirm: 5 };
    let mut periods = Periods::new(TimeZone::UTC, 23);
    let mut state: HashMap<&str, Vec<u8>> = HashMap::new();
    let mut events = Vec::new();
    let sums = rows.iter().map(|(at, today, total)| {
        let reading = Reading { time: time(at), today: *today, total: *total };
        let period = periods.of(reading.time).unwrap();
        // Through its bytes on every row: a restart between any two rows changes nothing.
        let day = match (state.get("k").map(|bytes| Day::decode(bytes).unwrap()), today) {
            (Some(mut day), _) => {
                events
                    .extend(Some(day.count(period, &reading, limits)).filter(|event| *event != Event::None));
                day
            }
            (None, Some(today)) => Day::first(period, *today, &reading),
            (None, None) => return None,
        };
        state.insert("k", day.encode().unwrap());
        Some(day.sum())
    });
    (sums.collect(), events)
}

fn check(case: &str, rows: &[Row], expected: &[f64], events: &[Event]) {
    let (sums, happened) = published(rows);
    assert_eq!(sums, expected.iter().copied().map(Some).collect::<Vec<_>>(), "{case}");
    assert_eq!(happened, events, "{case}");
}

fn heard(at: &'static str, today: f64) -> Row {
    (at, Some(today), None)
}

fn silent(at: &'static str) -> Row {
    (at, None, None)
}

#[test]
fn ordinary_days() {
    check("first start", &[heard("0 12:00", 3000.0), heard("0 12:01", 3010.0)], &[3000.0, 3010.0], &[]);
    check("reset", &[heard("0 22:59", 12000.0), heard("0 23:01", 12000.0)], &[12000.0, 0.0], &[]);
    check("down over it", &[heard("0 22:30", 12000.0), heard("0 23:40", 12000.0)], &[12000.0, 0.0], &[]);
    check(
        "not heard before it",
        &[heard("0 22:50", 12000.0), silent("0 22:51"), silent("0 23:00")],
        &[12000.0, 12000.0, 0.0],
        &[],
    );
    let (sums, _) = published(&[silent("0 12:00"), heard("0 12:01", 5.0)]);
    assert_eq!(sums, [None, Some(5.0)], "a key never heard yields null");
}

#[test]
fn nights() {
    check(
        "cleared at dawn",
        &[
            heard("0 22:59", 12000.0),
            silent("0 23:00"),
            silent("1 03:00"),
            heard("1 06:30", 2.0),
            heard("1 06:31", 4.0),
            heard("1 06:32", 7.0),
            heard("1 06:33", 9.0),
            heard("1 06:34", 12.0),
            heard("1 06:35", 15.0),
        ],
        &[12000.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 12.0, 15.0],
        &[Event::Fall],
    );
    check(
        "heard after the reset, then clears",
        &[
            heard("0 22:59", 12000.0),
            heard("0 23:01", 12000.0),
            heard("1 06:30", 2.0),
            heard("1 06:31", 4.0),
            heard("1 06:32", 7.0),
            heard("1 06:33", 9.0),
            heard("1 06:34", 12.0),
        ],
        &[12000.0, 0.0, 0.0, 0.0, 0.0, 0.0, 12.0],
        &[Event::Fall],
    );
    check(
        "down over night",
        &[
            heard("0 22:00", 12000.0),
            heard("1 10:00", 1200.0),
            heard("1 10:01", 1210.0),
            heard("1 10:02", 1220.0),
            heard("1 10:03", 1230.0),
            heard("1 10:04", 1240.0),
        ],
        &[12000.0, 0.0, 0.0, 0.0, 0.0, 1240.0],
        &[Event::Fall],
    );
    check(
        "never run before, started late",
        &[heard("0 22:30", 12000.0), silent("0 22:31"), heard("1 06:30", 2.0)],
        &[12000.0, 12000.0, 0.0],
        &[],
    );
    check(
        "first evening after the reset hour",
        &[
            heard("0 23:30", 12000.0),
            silent("0 23:31"),
            heard("1 06:30", 2.0),
            heard("1 06:31", 4.0),
            heard("1 06:32", 6.0),
            heard("1 06:33", 8.0),
            heard("1 06:34", 10.0),
            heard("1 06:35", 12.0),
        ],
        &[12000.0, 12000.0, 12000.0, 12000.0, 12000.0, 12000.0, 10.0, 12.0],
        &[Event::Fall],
    );
}

#[test]
fn glitches_and_restarts() {
    check(
        "all zero",
        &[heard("0 14:00", 5000.0), silent("0 14:01"), heard("0 14:02", 5020.0)],
        &[5000.0, 5000.0, 5020.0],
        &[],
    );
    check(
        "today alone",
        &[heard("0 14:00", 5000.0), heard("0 14:01", 0.0), heard("0 14:02", 5020.0)],
        &[5000.0, 5000.0, 5020.0],
        &[],
    );
    check(
        "spike",
        &[heard("0 14:00", 5000.0), heard("0 14:01", 65535.0), heard("0 14:02", 5020.0)],
        &[5000.0, 5000.0, 5020.0],
        &[],
    );
    check(
        "restart by day",
        &[
            heard("0 14:00", 5000.0),
            heard("0 14:01", 0.0),
            heard("0 14:02", 8.0),
            heard("0 14:03", 16.0),
            heard("0 14:04", 24.0),
            heard("0 14:05", 32.0),
            heard("0 14:06", 40.0),
        ],
        &[5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 5032.0, 5040.0],
        &[Event::Fall],
    );
}

#[test]
fn the_total_tells_of_a_clear_that_nobody_saw() {
    check(
        "down until the next afternoon",
        &[("0 14:00", Some(3000.0), Some(100_000.0)), ("1 14:30", Some(3200.0), Some(105_200.0))],
        &[3000.0, 3200.0],
        &[Event::UnseenClear],
    );
    check(
        "snow",
        &[("0 22:00", Some(2.0), Some(100.0)), ("1 10:00", Some(2.0), Some(102.0))],
        &[2.0, 2.0],
        &[Event::UnseenClear],
    );
}

#[test]
fn a_clock_that_had_been_in_the_future() {
    let mut rows = vec![heard("9 12:00", 100.0), heard("0 12:00", 110.0)];
    rows.push(heard("1 11:59", 120.0));
    rows.push(heard("1 12:00", 130.0));
    let (sums, events) = published(&rows);
    assert_eq!(sums, [100.0, 110.0, 120.0, 130.0].map(Some));
    assert_eq!(events, [Event::Behind, Event::Behind, Event::Restarted]);
}
