//! The rules of a lifetime total, each a row, and what `counter` refuses.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use smiles_stage::{ColumnMeta, time_field};
use smiles_testkit::NoFiles;

use super::*;

fn time(minute: i64) -> Timestamp {
    Timestamp::from_second(1_780_300_800 + minute * 60).unwrap()
}

fn limits() -> CounterLimits {
    let rate: RateText = serde_json::from_str("\"2000 Wh/h\"").unwrap();
    CounterLimits {
        rate: rate.resolve(Some(&"Wh".parse().unwrap()), &Path::root()).unwrap(),
        fall: Duration::from_secs(86_400),
        rise: Duration::from_secs(600),
        readings: 10,
        wrap: Some(65_536.0),
    }
}

/// Readings by minute, and what is published.
fn check(case: &str, rows: &[(i64, f64)], expected: &[f64], events: &[CounterEvent]) {
    let mut total: Option<Total> = None;
    let mut happened = Vec::new();
    let published: Vec<f64> = rows
        .iter()
        .map(|(minute, value)| {
            let total = match total.as_mut() {
                Some(total) => {
                    happened.extend(total.count(*value, time(*minute), limits()));
                    total
                }
                None => total.insert(Total::first(*value, time(*minute))),
            };
            total.published
        })
        .collect();
    assert_eq!(published, expected, "{case}");
    assert_eq!(happened, events, "{case}");
}

#[test]
fn what_is_possible_is_believed() {
    check("growth", &[(0, 1000.0), (1, 1010.0), (2, 1010.0)], &[1000.0, 1010.0, 1010.0], &[]);
    check("at least three minutes' worth", &[(0, 1000.0), (1, 1100.0)], &[1000.0, 1100.0], &[]);
    check("a long silence allows a large step", &[(0, 1000.0), (120, 5000.0)], &[1000.0, 5000.0], &[]);
    check("a glitch downwards", &[(0, 1000.0), (1, 0.0), (2, 1010.0)], &[1000.0, 1000.0, 1010.0], &[]);
    check("a glitch upwards", &[(0, 1000.0), (1, 9e9), (2, 1010.0)], &[1000.0, 1000.0, 1010.0], &[]);
}

#[test]
fn the_impossible_must_last() {
    let mut rows: Vec<(i64, f64)> = vec![(0, 1000.0)];
    rows.extend((1..=11).map(|minute| (minute, 50_000.0)));
    let mut expected = vec![1000.0; 11];
    expected.push(50_000.0);
    check("a rise, ten minutes", &rows, &expected, &[CounterEvent::Rise]);

    let rows: Vec<_> = [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50].map(|minute| (minute, 50_000.0)).to_vec();
    let rows = [vec![(-5, 1000.0)], rows].concat();
    let expected = [vec![1000.0; 10], vec![50_000.0; 2]].concat();
    check("a rise, ten readings", &rows, &expected, &[CounterEvent::Rise]);

    let hours: Vec<i64> = (0..=24).collect();
    let mut rows = vec![(-1, 1_053_000.0)];
    rows.extend(hours.iter().map(|hour| (hour * 60, 616_000.0 + 100.0 * *hour as f64)));
    rows.push((25 * 60, 618_450.0));
    let expected = [vec![1_053_000.0; 25], vec![1_055_400.0, 1_055_450.0]].concat();
    check("a fall, a day; its own growth is kept", &rows, &expected, &[CounterEvent::Fall]);
}

#[test]
fn a_candidate_that_does_not_go_on_starts_over() {
    let mut rows: Vec<(i64, f64)> = vec![(0, 1000.0)];
    rows.extend((1..=8).map(|minute| (minute, 50_000.0)));
    rows.push((9, 40_000.0));
    rows.extend((10..=20).map(|minute| (minute, 50_000.0)));
    let expected = [vec![1000.0; 20], vec![50_000.0]].concat();
    check("neither a fall nor a jump continues it", &rows, &expected, &[CounterEvent::Rise]);
}

#[test]
fn a_clock_that_steps_back_delays_no_confirmation() {
    let mut rows = vec![(1_000_000, 50_000.0), (1_000_001, 100.0)];
    rows.extend((0..=24).map(|hour| (hour * 60, 100.0)));
    let expected = [vec![50_000.0; 26], vec![50_000.0]].concat();
    check("it counts from the earlier time", &rows, &expected, &[CounterEvent::Fall]);
}

#[test]
fn a_leap_of_the_clock_and_a_long_silence_confirm_nothing() {
    let day = 24 * 60;
    let rows = [(0, 50_000.0), (1, 100.0), (400 * day, 101.0), (400 * day + 1, 102.0)];
    let rows = [rows.to_vec(), (2..=10).map(|n| (400 * day + n, 100.0 + n as f64)).collect()].concat();
    check("a year ahead counts as half a day", &rows, &[50_000.0; 13], &[]);
    let days: Vec<_> = (1..=12).map(|n| (n * day, 100.0)).collect();
    let rows = [vec![(0, 50_000.0)], days].concat();
    check("ten readings in ten days", &rows, &[50_000.0; 13], &[CounterEvent::Fall]);
}

#[test]
fn an_overflow_of_the_device_loses_nothing() {
    let rows = |after: i64, first: f64| -> Vec<(i64, f64)> {
        let fallen = (0..12_u8).map(|n| (after + i64::from(n), first + 5.0 * f64::from(n)));
        std::iter::once((0, 700_600.0)).chain(fallen).collect()
    };
    let held = |then: [f64; 3]| [[700_600.0; 10].as_slice(), &then].concat();
    check(
        "believed after ten readings",
        &rows(1, 635_070.0),
        &held([700_651.0, 700_656.0, 700_661.0]),
        &[CounterEvent::Wrap],
    );
    check("just behind it", &rows(1, 635_063.0), &[700_600.0; 13], &[]);
    check(
        "an hour's worth is possible",
        &rows(60, 637_064.0),
        &held([702_645.0, 702_650.0, 702_655.0]),
        &[CounterEvent::Wrap],
    );
    check("and more is not, however long the silence", &rows(600, 637_065.0), &[700_600.0; 13], &[]);
    let glitch = [(0, 700_600.0), (1, 635_070.0), (2, 635_075.0), (3, 700_610.0)];
    check("a glitch", &glitch, &[700_600.0, 700_600.0, 700_600.0, 700_610.0], &[]);
}

/// The very bytes that version 3.0.0 keeps, alone and while a fall is held.
const KEPT_BY_3_0_0: [&[u8]; 2] = [
    br#"{"raw":900010.0,"at":"2026-06-01T12:01:00Z","published":953010.0}"#,
    br#"{"raw":1053000.0,"at":"2026-06-01T08:00:00Z","published":1053000.0,"candidate":{"first":616000.0,"last":616400.0,"since":"2026-06-01T09:00:00Z","at":"2026-06-02T08:59:00Z","count":48}}"#,
];

#[test]
fn what_version_3_0_0_kept_is_understood_and_goes_on() {
    let [plain, held] = KEPT_BY_3_0_0.map(|bytes| Total::decode(bytes).unwrap());
    assert_eq!(
        (plain.raw, plain.at, plain.published),
        (900_010.0, "2026-06-01T12:01:00Z".parse().unwrap(), 953_010.0)
    );
    assert_eq!(plain.encode().unwrap(), KEPT_BY_3_0_0[0]);
    let mut set = held;
    set.published = 1.5;
    let read = Total::decode(&set.encode().unwrap()).unwrap();
    assert_eq!((read, read.published), (set, 1.5), "what is held stays held");
    set.published = f64::NAN;
    assert!(set.encode().is_err());
    assert!(Total::decode(b"{}").is_err());

    // The fall had lasted for almost a day: the next reading confirms it, and nothing steps.
    let mut total = held;
    assert_eq!(total.count(616_400.0, "2026-06-02T08:59:30Z".parse().unwrap(), limits()), None);
    assert_eq!(
        total.count(616_410.0, "2026-06-02T09:00:00Z".parse().unwrap(), limits()),
        Some(CounterEvent::Fall)
    );
    assert_eq!(total.published, 1_053_410.0);
}

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![
        time_field(),
        Field::new("serial", DataType::Utf8, false),
        Field::new("total", DataType::UInt32, false).with_unit("Wh"),
        crate::raw::copy(&Field::new("total", DataType::UInt32, false).with_unit("Wh"), "raw_total".into()),
    ]))
}

fn output(options: &str) -> Result<SchemaRef, Vec<String>> {
    let context = PlanContext { stage: "counter", files: &NoFiles };
    Counter::plan(serde_json::from_str(options).unwrap(), context)
        .and_then(|plan| plan.wire(&input()).map(|wired| wired.output()))
        .map_err(|problems| problems.iter().map(|p| format!("{}: {}", p.at, p.message)).collect())
}

#[test]
fn the_total_leaves_wide_and_nullable_and_the_copy_as_it_was() {
    let schema = output(r#"{"key": ["serial"], "column": "total", "max_rate": "2 kWh/h"}"#).unwrap();
    let total = schema.field(2);
    assert_eq!((total.data_type(), total.is_nullable(), total.unit()), (&DataType::Int64, true, Some("Wh")));
    assert_eq!(schema.field(3), input().field(3));
}

#[test]
fn all_that_does_not_fit_is_said_at_once_where_it_stands() {
    for (options, said) in [
        (
            r#"{"key": ["serail"], "column": "totl", "max_rate": "2000 V/h"}"#,
            vec!["key[0]: no column `serail` here", "column: no column `totl` here"],
        ),
        (
            r#"{"key": [], "column": "total", "max_rate": "2000 V/h"}"#,
            vec!["key: no column is named", "max_rate: `2000 V/h` cannot limit a column in `Wh`"],
        ),
        (
            r#"{"key": ["serial"], "column": "serial", "max_rate": "2000 1/h"}"#,
            vec!["column: column `serial` holds Utf8, not numbers"],
        ),
        (
            r#"{"key": ["serial"], "column": "raw_total", "max_rate": "2000 Wh/h"}"#,
            vec!["column: column `raw_total` is a copy of what was read and stays as it is"],
        ),
        (
            r#"{"key": ["serial"], "column": "total", "max_rate": "2000 Wh/h", "wrap": "65536 V"}"#,
            vec!["wrap: `65536 V` is no amount of a column in `Wh`"],
        ),
        (
            r#"{"key": ["serial"], "column": "total", "max_rate": "2000 Wh/h", "confirm": {"readings": 0}}"#,
            vec!["confirm.readings: no reading at all cannot confirm anything"],
        ),
    ] {
        assert_eq!(output(options).unwrap_err(), said, "{options}");
    }
}
