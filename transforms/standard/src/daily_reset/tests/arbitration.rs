//! What the total decides, and what is decided without one.

use super::*;

/// A day behind the first: `last` on the counter, published 0.
fn from(last: f64, total: Option<f64>, then: &[Row]) -> Vec<Row> {
    [&[("0 12:00", Some(last), total), ("0 23:00", Some(last), total)], then].concat()
}

fn case(name: &str, last: f64, total: Option<f64>, then: &[Row], expected: &[f64], events: &[DayEvent]) {
    check(name, &from(last, total, then), &[&[last, 0.0], expected].concat(), events);
}

#[test]
fn a_counter_that_corrects_itself() {
    let stays = |first: f64| {
        ["1 12:00", "1 12:01", "1 12:02", "1 12:03", "1 12:04"]
            .map(|at| (at, Some(first), Some(50_000.0)))
            .to_vec()
    };
    let then = [stays(11_998.0), vec![("1 12:05", Some(12_003.0), Some(50_005.0))]].concat();
    case(
        "by 2 Wh",
        12_000.0,
        Some(50_000.0),
        &then,
        &[0.0, 0.0, 0.0, 0.0, 0.0, 5.0],
        &[DayEvent::Correction],
    );
    let then: Vec<Row> = then.iter().map(|(at, today, _)| (*at, *today, None)).collect();
    case("without a total", 12_000.0, None, &then, &[0.0, 0.0, 0.0, 0.0, 0.0, 5.0], &[DayEvent::Correction]);
    let then: Vec<Row> =
        [79.0; 5].iter().zip(stays(0.0)).map(|(today, (at, _, _))| (at, Some(*today), None)).collect();
    case("of little", 80.0, None, &then, &[0.0; 5], &[DayEvent::Correction]);
    let then = [5000.0, 4998.0, 4998.0, 4998.0, 5003.0];
    let then: Vec<Row> =
        then.iter().zip(stays(0.0)).map(|(today, (at, _, _))| (at, Some(*today), None)).collect();
    case("a glitch below by 2 Wh", 5000.0, None, &then, &[0.0, 0.0, 0.0, 0.0, 3.0], &[]);
}

#[test]
fn a_restart_that_begins_above_half_of_the_old_value() {
    let todays = [60.0, 70.0, 80.0, 90.0, 95.0];
    let at = ["1 10:00", "1 10:15", "1 10:30", "1 10:45", "1 11:00"];
    let rows = |total: Option<f64>| -> Vec<Row> {
        at.iter()
            .zip(todays)
            .map(|(at, today)| (*at, Some(today), total.map(|total| total + today)))
            .collect()
    };
    case(
        "the total proves it",
        100.0,
        Some(1000.0),
        &rows(Some(1000.0)),
        &[0.0, 0.0, 0.0, 0.0, 95.0],
        &[DayEvent::Fall],
    );
    case(
        "without one it is taken for a correction",
        100.0,
        None,
        &rows(None),
        &[0.0, 0.0, 0.0, 0.0, 35.0],
        &[DayEvent::Correction],
    );
}

#[test]
fn a_dark_day_is_passed_before_five_polls() {
    let at = ["1 10:00", "1 10:15", "1 10:30", "1 10:45"];
    let todays = [20.0, 50.0, 80.0, 140.0];
    for total in [Some(1000.0), None] {
        let rows: Vec<Row> = at
            .iter()
            .zip(todays)
            .map(|(at, today)| (*at, Some(today), total.map(|total| total + today)))
            .collect();
        case("yesterday 60 Wh", 60.0, total, &rows, &[0.0, 0.0, 80.0, 140.0], &[DayEvent::UnseenClear]);
    }
    let flat = [heard("1 10:00", 20.0), heard("1 10:15", 20.0), heard("1 10:30", 80.0)];
    case("what has not risen may be a glitch", 60.0, None, &flat, &[0.0, 0.0, 20.0], &[]);
    let one = [heard("1 10:00", 20.0), heard("1 10:15", 80.0)];
    case("one reading tells nothing", 60.0, None, &one, &[0.0, 20.0], &[]);
    let far = [heard("1 10:00", 20.0), heard("1 10:15", 50.0), heard("1 10:16", 170.0)];
    case("nor one that does not follow", 60.0, None, &far, &[0.0, 0.0, 110.0], &[]);
}

#[test]
fn a_fall_that_comes_back() {
    let zeros =
        ["1 12:01", "1 12:02", "1 12:03", "1 12:04", "1 12:05"].map(|at| (at, Some(0.0), Some(1010.0)));
    let back =
        ["1 12:06", "1 12:07", "1 12:08", "1 12:09", "1 12:10"].map(|at| (at, Some(5020.0), Some(1024.0)));
    let rows = [&zeros[..], &back].concat();
    let expected = [&[0.0; 9][..], &[20.0]].concat();
    case("it is undone", 5000.0, Some(1000.0), &rows, &expected, &[DayEvent::Fall, DayEvent::Undone]);
    let unknown: Vec<Row> = rows.iter().map(|(at, today, _)| (*at, *today, None)).collect();
    case("without a total too", 5000.0, None, &unknown, &expected, &[DayEvent::Fall, DayEvent::Undone]);
}

#[test]
fn a_fall_that_comes_back_by_a_possible_step() {
    let at = ["1 12:00", "1 13:00", "1 14:00", "1 15:00", "1 16:00", "1 17:00"];
    let rows = |back: f64, total: Option<f64>| -> Vec<Row> {
        let todays = [0.0, 0.0, 0.0, 0.0, 0.0, back];
        at.iter().zip(todays).map(|(at, today)| (*at, Some(today), total)).collect()
    };
    let undone = [DayEvent::Fall, DayEvent::Undone];
    let expected = |last: f64| [[0.0; 5].as_slice(), &[last]].concat();
    case("an hour allows it", 1500.0, Some(9.0), &rows(1501.0, Some(9.0)), &expected(1.0), &undone);
    case("without a total", 1500.0, None, &rows(1501.0, None), &expected(1.0), &undone);
    case("a little, and the total tells", 60.0, Some(9.0), &rows(61.0, Some(9.0)), &expected(1.0), &undone);
    case("a little, too low rather than too high", 60.0, None, &rows(61.0, None), &expected(1.0), &undone);
    let real = [&rows(0.0, Some(9.0))[..5], &[("1 17:00", Some(1501.0), Some(1510.0))]].concat();
    case("a restart that the total proves", 1500.0, Some(9.0), &real, &expected(1501.0), &[DayEvent::Fall]);
    let reset = [
        ("0 22:54", Some(5000.0), Some(9.0)),
        ("0 22:55", Some(0.0), Some(9.0)),
        ("0 22:56", Some(0.0), Some(9.0)),
        ("0 22:57", Some(0.0), Some(9.0)),
        ("0 22:58", Some(0.0), Some(9.0)),
        ("0 22:59", Some(0.0), Some(9.0)),
        ("1 08:00", Some(5003.0), Some(12.0)),
    ];
    let rows = [&[("0 12:00", Some(5000.0), Some(9.0))], reset.as_slice()].concat();
    check("over the reset", &rows, &[5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0, 3.0], &undone);
}

#[test]
fn a_total_that_is_late_covers_a_rise_in_the_end() {
    let row = |at: &'static str, today: f64, total: f64| (at, Some(today), Some(total));
    let rows = [
        row("1 12:00", 9000.0, 1000.0),
        row("1 12:15", 9100.0, 1000.0),
        row("1 12:30", 9200.0, 1000.0),
        row("1 12:45", 9300.0, 1000.0),
        row("1 13:00", 9400.0, 1000.0),
        row("1 13:15", 9500.0, 1000.0),
        row("1 13:30", 9600.0, 5600.0),
        row("1 13:45", 9610.0, 5610.0),
    ];
    let expected = [0.0, 0.0, 0.0, 0.0, 1.0, 101.0, 4600.0, 4610.0];
    let before =
        [row("0 12:00", 5000.0, 1000.0), row("0 23:00", 5000.0, 1000.0), row("1 11:59", 5000.0, 1000.0)];
    let expected = [&[5000.0, 0.0, 0.0], expected.as_slice()].concat();
    check(
        "an hour, then the rest",
        &[&before[..], &rows].concat(),
        &expected,
        &[DayEvent::Rise, DayEvent::Rise],
    );
}

#[test]
fn a_rise_is_as_large_as_the_total_allows() {
    let spike = |minutes: std::ops::Range<usize>, step: usize| -> Vec<Row> {
        const AT: [&str; 14] = [
            "1 12:00", "1 12:05", "1 12:10", "1 12:15", "1 12:20", "1 12:25", "1 12:30", "1 12:35",
            "1 12:40", "1 12:45", "1 12:50", "1 12:55", "1 13:00", "1 13:05",
        ];
        AT[minutes].iter().step_by(step).map(|at| (*at, Some(65_000.0), Some(1007.0))).collect()
    };
    case("not covered, less than an hour", 5000.0, Some(1000.0), &spike(0..12, 1), &[0.0; 12], &[]);
    let expected = [&[0.0; 12][..], &[8.0, 8.0]].concat();
    case("not covered, for an hour", 5000.0, Some(1000.0), &spike(0..14, 1), &expected, &[DayEvent::Rise]);
    let covered: Vec<Row> =
        spike(0..5, 1).iter().map(|(at, today, _)| (*at, *today, Some(61_000.0))).collect();
    case("covered", 5000.0, Some(1000.0), &covered, &[0.0, 0.0, 0.0, 0.0, 60_000.0], &[DayEvent::Rise]);
}

#[test]
fn a_total_in_whole_kilowatt_hours() {
    let coarse = |rows: &[Row]| {
        let rate: RateText = serde_json::from_str("\"2000 Wh/h\"").unwrap();
        let rate = rate.resolve(Some(&"Wh".parse().unwrap()), &Path::root()).unwrap();
        published_within(rows, DayLimits { rate, confirm: 5, total_step: 1000.0, total_is_fine: false }).0
    };
    let wobble = [
        ("1 12:00", Some(900.0), Some(4000.0)),
        ("1 12:01", Some(899.0), Some(4000.0)),
        ("1 12:02", Some(902.0), Some(5000.0)),
    ];
    assert_eq!(coarse(&wobble), [900.0, 900.0, 902.0].map(Some));
    let unseen = [("0 14:00", Some(3000.0), Some(100_000.0)), ("1 14:30", Some(3200.0), Some(105_000.0))];
    assert_eq!(coarse(&unseen), [3000.0, 3200.0].map(Some));
    let unproven = [("0 14:00", Some(3000.0), Some(100_000.0)), ("1 14:30", Some(3200.0), Some(104_000.0))];
    assert_eq!(coarse(&unproven), [3000.0, 200.0].map(Some), "too low, never too high");
}
