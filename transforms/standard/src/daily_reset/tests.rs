//! The worked cases, each a row: readings with their times, and what is published.

use std::sync::Arc;

use jiff::ToSpan;

use arrow_schema::{DataType, Schema};
use smiles_stage::{ColumnMeta, time_field};
use smiles_testkit::NoFiles;

use super::*;

mod arbitration;
mod clock;
mod kept;

/// Times are `day hh:mm`; day 0 is 2026-06-01. A total of `None` follows no reading.
type Row = (&'static str, Option<f64>, Option<f64>);

fn time(text: &str) -> Timestamp {
    let (day, clock) = text.split_once(' ').unwrap();
    let start: Timestamp = format!("2026-06-01T{clock}:00Z").parse().unwrap();
    start + (day.parse::<i64>().unwrap() * 24).hours()
}

fn limits() -> DayLimits {
    let rate: RateText = serde_json::from_str("\"2000 Wh/h\"").unwrap();
    let rate = rate.resolve(Some(&"Wh".parse().unwrap()), &Path::root()).unwrap();
    DayLimits { rate: rate.in_steps_of(1.0), confirm: 5, total_step: 1.0, total_is_fine: true }
}

fn published(rows: &[Row]) -> (Vec<Option<f64>>, Vec<DayEvent>) {
    published_within(rows, limits())
}

fn published_within(rows: &[Row], limits: DayLimits) -> (Vec<Option<f64>>, Vec<DayEvent>) {
    let mut periods = Periods::new(TimeZone::UTC, 23);
    let mut state: Option<DayState> = None;
    let mut events = Vec::new();
    let sums = rows.iter().map(|(at, today, total)| {
        let reading = Reading { time: time(at), today: *today, total: *total };
        let period = periods.around(reading.time).unwrap().0;
        match (state.as_mut(), today) {
            (Some(day), _) => {
                events.extend(
                    Some(day.count(period, &reading, limits)).filter(|event| *event != DayEvent::None),
                );
            }
            (None, Some(today)) => state = Some(DayState::first(period, *today, &reading, true)),
            (None, None) => {}
        }
        state.map(|day| day.sum())
    });
    (sums.collect(), events)
}

fn check(case: &str, rows: &[Row], expected: &[f64], events: &[DayEvent]) {
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
        &[DayEvent::Fall],
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
        &[DayEvent::Fall],
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
        &[DayEvent::Fall],
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
        &[DayEvent::Fall],
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
        &[DayEvent::Fall],
    );
}

#[test]
fn the_total_tells_of_a_clear_that_nobody_saw() {
    check(
        "down until the next afternoon",
        &[("0 14:00", Some(3000.0), Some(100_000.0)), ("1 14:30", Some(3200.0), Some(105_200.0))],
        &[3000.0, 3200.0],
        &[DayEvent::UnseenClear],
    );
    check(
        "snow",
        &[("0 22:00", Some(2.0), Some(100.0)), ("1 10:00", Some(2.0), Some(102.0))],
        &[2.0, 2.0],
        &[DayEvent::UnseenClear],
    );
}

#[test]
fn a_total_that_proves_nothing_books_nothing() {
    for (case, rows) in [
        ("not said before", [("0 22:00", Some(100.0), None), ("1 10:00", Some(110.0), Some(1110.0))]),
        ("not said now", [("0 22:00", Some(100.0), Some(1000.0)), ("1 10:00", Some(110.0), None)]),
        (
            "as much as today",
            [("0 22:00", Some(100.0), Some(1000.0)), ("1 10:00", Some(110.0), Some(1011.0))],
        ),
        (
            "counts by hundreds",
            [("0 22:00", Some(9000.0), Some(100_000.0)), ("1 10:00", Some(9010.0), Some(100_100.0))],
        ),
    ] {
        check(case, &rows, &[rows[0].1.unwrap(), 10.0], &[]);
    }
    check(
        "an older total does not stand in for one that was not said",
        &[
            ("0 20:00", Some(100.0), Some(1000.0)),
            ("0 22:00", Some(200.0), None),
            ("1 10:00", Some(210.0), Some(1410.0)),
        ],
        &[100.0, 200.0, 10.0],
        &[],
    );
    check(
        "only the first reading of a period is asked",
        &[("1 01:00", Some(5.0), Some(1000.0)), ("1 12:00", Some(10.0), Some(1015.0))],
        &[5.0, 10.0],
        &[],
    );
}

#[test]
fn over_night_means_since_the_last_reading_before_the_fall() {
    check(
        "a glitch at dawn of the first day starts the wait anew, not the night",
        &[
            heard("0 23:30", 12000.0),
            heard("1 06:30", 2.0),
            heard("1 06:31", 0.0),
            heard("1 06:32", 4.0),
            heard("1 06:33", 6.0),
            heard("1 06:34", 8.0),
            heard("1 06:35", 10.0),
        ],
        &[12000.0, 12000.0, 12000.0, 12000.0, 12000.0, 12000.0, 10.0],
        &[DayEvent::Fall],
    );
    check(
        "a reading that was a glitch after all is no night",
        &[
            heard("0 23:30", 5000.0),
            heard("1 01:30", 0.0),
            heard("1 01:31", 5001.0),
            heard("1 01:32", 0.0),
            heard("1 01:33", 1.0),
            heard("1 01:34", 2.0),
            heard("1 01:35", 3.0),
            heard("1 01:36", 4.0),
        ],
        &[5000.0, 5000.0, 5001.0, 5001.0, 5001.0, 5001.0, 5001.0, 5005.0],
        &[DayEvent::Fall],
    );
}

#[test]
fn what_waits_at_the_reset_was_of_the_day_before() {
    check(
        "restart around the reset instant",
        &[
            heard("0 22:57", 5000.0),
            heard("0 22:58", 0.0),
            heard("0 22:59", 8.0),
            heard("0 23:00", 16.0),
            heard("0 23:01", 24.0),
            heard("0 23:02", 32.0),
            heard("0 23:03", 40.0),
            heard("0 23:04", 48.0),
        ],
        &[5000.0, 5000.0, 5000.0, 0.0, 0.0, 0.0, 0.0, 48.0],
        &[DayEvent::Fall],
    );
    check(
        "a row that was not heard drops it as well",
        &[
            heard("0 22:57", 5000.0),
            heard("0 22:58", 0.0),
            heard("0 22:59", 8.0),
            silent("0 23:00"),
            heard("0 23:01", 5010.0),
        ],
        &[5000.0, 5000.0, 5000.0, 0.0, 10.0],
        &[],
    );
    check(
        "a rise that is impossible is booked where it is believed",
        &[
            heard("0 12:00", 1000.0),
            heard("0 12:01", 9000.0),
            heard("0 12:02", 9001.0),
            heard("0 12:03", 9002.0),
            heard("0 12:04", 9003.0),
            heard("0 12:05", 9004.0),
        ],
        &[1000.0, 1000.0, 1000.0, 1000.0, 1000.0, 9004.0],
        &[DayEvent::Rise],
    );
}

fn plan(changes: &str) -> Result<Box<dyn TransformPlan>, Problems> {
    let mut options: serde_json::Map<String, serde_json::Value> = serde_json::from_str(
        r#"{"key": ["serial"], "today": "today", "total": "total", "max_rate": "2000 Wh/h"}"#,
    )
    .unwrap();
    options.extend(serde_json::from_str::<serde_json::Map<_, _>>(changes).unwrap());
    let context = PlanContext { stage: "daily_reset", files: &NoFiles };
    DailyReset::plan(serde_json::from_value(options.into()).unwrap(), context)
}

fn input() -> SchemaRef {
    let unit =
        |name: &str, data_type: DataType, unit: &str| Field::new(name, data_type, false).with_unit(unit);
    let today = unit("today", DataType::UInt16, "Wh");
    Arc::new(Schema::new(vec![
        time_field(),
        Field::new("serial", DataType::Utf8, false),
        crate::raw::copy(&today, "raw_today".into()),
        today,
        unit("total", DataType::UInt32, "kWh"),
        unit("voltage", DataType::Float64, "V"),
    ]))
}

#[test]
fn what_does_not_fit_is_said_where_it_stands() {
    for (changes, said) in [
        (r#"{"timezone": "Europe/Berln"}"#, "timezone: unknown time zone `Europe/Berln`"),
        (r#"{"reset_hour": 24}"#, "reset_hour: `24` is not an hour of the day (0 to 23)"),
        (r#"{"today": "tody", "max_rate": "2 V/h"}"#, "today: no column `tody` here"),
        (
            r#"{"today": "raw_today"}"#,
            "today: column `raw_today` is a copy of what was read and stays as it is",
        ),
        (r#"{"total": "serial"}"#, "total: column `serial` holds Utf8, not numbers"),
        (r#"{"total": "voltage"}"#, "total: column `voltage` in `V` cannot be held against one in `Wh`"),
        (r#"{"total_step": "1 V"}"#, "total_step: `1 V` is no amount of a column in `Wh`"),
        (r#"{"total": null, "total_step": 1}"#, "total_step: there is no total that could count in steps"),
        (r#"{"max_rate": "2000 V/h"}"#, "max_rate: `2000 V/h` cannot limit a column in `Wh`"),
        (r#"{"key": ["port"]}"#, "key[0]: no column `port` here"),
    ] {
        let Err(problems) = plan(changes).and_then(|plan| plan.wire(&input()).map(|wired| wired.output()))
        else {
            panic!("{changes} was accepted")
        };
        let all: Vec<_> = problems.iter().map(|p| format!("{}: {}", p.at, p.message)).collect();
        assert_eq!(all, [said], "{changes}");
    }
}

#[test]
fn the_total_is_read_in_the_unit_of_the_day() {
    let options = serde_json::from_str(
        r#"{"key": ["serial"], "today": "today", "total": "total", "max_rate": "2000 Wh/h"}"#,
    );
    let plan = DailyPlan { options: options.unwrap(), zone: TimeZone::UTC };
    let Ok(columns) = plan.columns(&input()) else { panic!("refused") };
    assert_eq!(columns.total.unwrap().read(2.0), 2000.0);
    assert_eq!((columns.limits.total_step, columns.limits.total_is_fine), (1000.0, false));
}
