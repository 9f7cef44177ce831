//! The worked cases: readings with their times, and what is published of today and of the total.

use jiff::{Timestamp, ToSpan};

use crate::chain::{Chain, Published, Row};
use crate::logged::Warnings;

/// `day hh:mm` in UTC; day 0 is 2026-06-01. An `hh` of 23 is the reset hour of every case.
pub(crate) fn time(text: &str) -> Timestamp {
    let (day, clock) = text.split_once(' ').unwrap();
    let start: Timestamp = format!("2026-06-01T{clock}:00Z").parse().unwrap();
    start + (day.parse::<i64>().unwrap() * 24).hours()
}

/// A reading of today and total.
pub(crate) fn heard(at: &str, today: u16, total: u32) -> Row {
    Row::heard(time(at), today, total)
}

pub(crate) fn silent(at: &str) -> Row {
    Row::silent(time(at))
}

/// Readings a minute apart from `at` on; the total starts at `total` and follows today.
pub(crate) fn minutes(at: &str, todays: &[u16], total: u32) -> Vec<Row> {
    let start = time(at);
    let offset = total - u32::from(todays[0]);
    (0_i64..)
        .zip(todays)
        .map(|(n, today)| Row::heard(start + n.minutes(), *today, offset + u32::from(*today)))
        .collect()
}

/// Runs the rows in one batch, one by one, and one by one with a crash and a restart at each: always the same.
pub(crate) fn check(case: &str, rows: &[Row], todays: &[i64], totals: &[i64]) -> Chain {
    let warnings = Warnings::default();
    let at_once = warnings.during(|| Chain::new(23, "UTC").run(rows));
    let (mut chain, mut crashing) = (Chain::new(23, "UTC"), Chain::new(23, "UTC"));
    let mut one_by_one = Vec::new();
    let mut restarted = Vec::new();
    for row in rows {
        one_by_one.extend(chain.run(&[*row]));
        crashing.run_in_vain(&[*row]);
        restarted.extend(crashing.run(&[*row]));
        crashing.restart();
    }
    let todays_published: Vec<_> = at_once.iter().map(|row| row.today.unwrap_or(-1)).collect();
    let totals_published: Vec<_> = at_once.iter().map(|row| row.total.unwrap_or(-1)).collect();
    assert_eq!(todays_published, todays, "{case}: today");
    assert_eq!(totals_published, totals, "{case}: total");
    assert_eq!(one_by_one, at_once, "{case}: one by one");
    assert_eq!(restarted, at_once, "{case}: restarted");
    assert_eq!(crashing.accepted(), chain.accepted(), "{case}: counted");
    let logged = warnings.believed("daily_reset") + warnings.believed("counter");
    assert_eq!(logged as f64, chain.accepted(), "{case}: logged");
    chain
}

fn joined(parts: &[&[Row]]) -> Vec<Row> {
    parts.concat()
}

#[test]
fn first_start_at_noon() {
    let rows = [heard("0 12:00", 3000, 900_000), heard("0 12:01", 3010, 900_010)];
    check("first start", &rows, &[3000, 3010], &[900_000, 900_010]);
}

#[test]
fn ordinary_reset() {
    let rows = [heard("0 22:59", 12000, 900_000), heard("0 23:01", 12000, 900_000)];
    check("ordinary reset", &rows, &[12000, 0], &[900_000; 2]);
}

#[test]
fn night_not_heard_and_cleared_at_dawn() {
    let night = [heard("0 22:59", 12000, 900_000), silent("0 23:00"), silent("1 03:00"), silent("1 06:29")];
    let dawn = minutes("1 06:30", &[2, 4, 7, 9, 12, 15], 900_002);
    let chain = check(
        "cleared at dawn",
        &joined(&[&night, &dawn]),
        &[12000, 0, 0, 0, 0, 0, 0, 0, 12, 15],
        &[900_000, 900_000, 900_000, 900_000, 900_002, 900_004, 900_007, 900_009, 900_012, 900_015],
    );
    assert_eq!(chain.counted("smiles_daily_reset_accepted_total", "fall"), 1.0);
}

#[test]
fn heard_after_the_reset_and_then_cleared() {
    let night = [heard("0 22:59", 12000, 900_000), heard("0 23:01", 12000, 900_000)];
    let dawn = minutes("1 06:30", &[2, 4, 7, 9, 12], 900_002);
    check(
        "clears later",
        &joined(&[&night, &dawn]),
        &[12000, 0, 0, 0, 0, 0, 12],
        &[900_000, 900_000, 900_002, 900_004, 900_007, 900_009, 900_012],
    );
}

#[test]
fn a_quarter_hour_glitch_all_zero() {
    let zero = Row { link: 1, ..silent("0 14:01") };
    for glitch in [zero, silent("0 14:01")] {
        let rows = [heard("0 14:00", 5000, 900_000), glitch, heard("0 14:02", 5020, 900_020)];
        check("all zero", &rows, &[5000, 5000, 5020], &[900_000, 900_000, 900_020]);
    }
}

#[test]
fn a_glitch_of_today_alone() {
    let rows =
        [heard("0 14:00", 5000, 900_000), heard("0 14:01", 0, 900_010), heard("0 14:02", 5020, 900_020)];
    check("today alone", &rows, &[5000, 5000, 5020], &[900_000, 900_010, 900_020]);
}

#[test]
fn a_restart_by_day() {
    let before = [heard("0 14:00", 5000, 900_000)];
    let after = minutes("0 14:01", &[0, 8, 16, 24, 32, 40], 900_005);
    let chain = check(
        "restart",
        &joined(&[&before, &after]),
        &[5000, 5000, 5000, 5000, 5000, 5032, 5040],
        &[900_000, 900_005, 900_013, 900_021, 900_029, 900_037, 900_045],
    );
    assert_eq!(chain.counted("smiles_daily_reset_accepted_total", "fall"), 1.0);
    assert_eq!(chain.counted("smiles_counting_accepted_total", "fall"), 0.0);
}

#[test]
fn down_over_the_reset() {
    let rows = [heard("0 22:30", 12000, 900_000), heard("0 23:40", 12000, 900_000)];
    check("down over the reset", &rows, &[12000, 0], &[900_000; 2]);
}

#[test]
fn down_until_the_next_afternoon() {
    let rows = [heard("0 14:00", 3000, 900_000), heard("1 14:30", 3200, 905_200)];
    let chain = check("down for a day", &rows, &[3000, 3200], &[900_000, 905_200]);
    assert_eq!(chain.counted("smiles_daily_reset_accepted_total", "unseen_clear"), 1.0);
}

#[test]
fn down_over_night() {
    let before = [heard("0 22:00", 12000, 900_000)];
    let after = minutes("1 10:00", &[1200, 1210, 1220, 1230, 1240], 901_200);
    check(
        "down over night",
        &joined(&[&before, &after]),
        &[12000, 0, 0, 0, 0, 1240],
        &[900_000, 901_200, 901_210, 901_220, 901_230, 901_240],
    );
}

#[test]
fn snow() {
    let rows = [heard("0 15:00", 2, 900_000), silent("0 23:00"), heard("1 10:00", 2, 900_002)];
    check("snow", &rows, &[2, 0, 2], &[900_000, 900_000, 900_002]);
}

#[test]
fn never_run_before_and_started_after_the_reset_hour() {
    let evening = [heard("0 23:30", 12000, 900_000), silent("0 23:31"), silent("1 06:29")];
    let dawn = minutes("1 06:30", &[2, 4, 6, 8, 10, 12], 900_002);
    check(
        "mirrors until 23:00",
        &joined(&[&evening, &dawn]),
        &[12000, 12000, 12000, 12000, 12000, 12000, 12000, 10, 12],
        &[900_000, 900_000, 900_000, 900_002, 900_004, 900_006, 900_008, 900_010, 900_012],
    );
}

#[test]
fn a_restart_on_the_first_day() {
    let before = [heard("0 13:00", 5000, 900_000)];
    let after = minutes("0 13:01", &[0, 8, 16, 24, 32, 40], 900_005);
    check(
        "restart on the first day",
        &joined(&[&before, &after]),
        &[5000, 5000, 5000, 5000, 5000, 5032, 5040],
        &[900_000, 900_005, 900_013, 900_021, 900_029, 900_037, 900_045],
    );
}

#[test]
fn never_heard_again_before_the_reset() {
    let rows = [heard("0 22:50", 12000, 900_000), silent("0 22:51"), silent("0 22:59"), silent("0 23:00")];
    check("never heard again", &rows, &[12000, 12000, 12000, 0], &[900_000; 4]);
}

#[test]
fn a_total_that_stood_still_for_two_weeks_and_jumps() {
    let mut rows: Vec<Row> = (0..14).map(|day| heard(&format!("{day} 12:00"), 100, 900_000)).collect();
    rows.extend(
        (0..12).map(|minute| heard(&format!("14 12:{minute:02}"), 100 + minute, 980_000 + u32::from(minute))),
    );
    let published = Chain::new(23, "UTC").run(&rows);
    let totals: Vec<_> = published.iter().map(|row| row.total.unwrap()).collect();
    assert_eq!(totals[..14], [900_000; 14]);
    // Two days at two kilowatts could be 96 kWh; a minute after the last reading they cannot.
    assert_eq!(totals[14..], [[900_000; 10].as_slice(), &[980_010, 980_011]].concat());
    let todays: Vec<_> = published[14..].iter().map(|row| row.today.unwrap()).collect();
    assert_eq!(todays, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], "today is ordinary");
}

#[test]
fn a_total_that_loses_the_day_while_offline() {
    let evening =
        [heard("0 21:00", 5000, 905_000), heard("0 21:01", 5000, 900_000), heard("0 22:00", 5000, 900_000)];
    let dawn = minutes("1 06:30", &[5000, 5001, 5003], 905_000);
    check(
        "back at dawn",
        &joined(&[&evening, &dawn]),
        &[5000, 5000, 5000, 0, 1, 3],
        &[905_000, 905_000, 905_000, 905_000, 905_001, 905_003],
    );
}

#[test]
fn a_meter_that_lost_its_memory() {
    let mut rows = vec![heard("0 12:00", 100, 1_053_000)];
    rows.extend((1..=60).map(|half| {
        let at = time("0 12:00") + (half * 30).minutes();
        Row::heard(at, 100, 616_000 + u32::try_from(half).unwrap() * 10)
    }));
    let mut chain = Chain::new(23, "UTC");
    let published = chain.run(&rows);
    let totals: Vec<_> = published.iter().map(|row| row.total.unwrap()).collect();
    assert_eq!(totals[..49], [1_053_000; 49], "held for a day");
    assert_eq!(
        totals[49..],
        (0..12).map(|n| 1_053_480 + n * 10).collect::<Vec<_>>(),
        "then on by its growth"
    );
    assert_eq!(chain.counted("smiles_counting_accepted_total", "fall"), 1.0);
}

#[test]
fn a_key_never_heard_yields_nothing() {
    let rows = [silent("0 12:00"), silent("0 23:30"), heard("1 06:00", 5, 100)];
    let published = Chain::new(23, "UTC").run(&rows);
    assert_eq!(published[1], Published { today: None, total: None });
    assert_eq!(published[2], Published { today: Some(5), total: Some(100) });
}
