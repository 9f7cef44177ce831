//! Situations of the field beyond the worked cases.

use jiff::ToSpan;

use crate::cases::{check, heard, minutes, silent, time};
use crate::chain::{Chain, Row};

#[test]
fn the_counter_of_the_day_is_not_cleared_at_our_reset() {
    // The next poll must not bring yesterday's value back.
    let rows = [
        heard("0 22:59", 12000, 900_000),
        heard("0 23:00", 12003, 900_003),
        heard("0 23:01", 12005, 900_005),
    ];
    check("not cleared", &rows, &[12000, 3, 5], &[900_000, 900_003, 900_005]);
}

#[test]
fn a_spike_upward() {
    let rows = [
        heard("0 14:00", 5000, 900_000),
        heard("0 14:01", 65_000, 4_000_000_000),
        heard("0 14:02", 65_000, 4_000_000_000),
        heard("0 14:03", 5020, 900_020),
    ];
    check("spike", &rows, &[5000, 5000, 5000, 5020], &[900_000, 900_000, 900_000, 900_020]);
}

#[test]
fn a_port_that_disappears_and_comes_back() {
    let port = |row: Row, port: u8| Row { port, ..row };
    let rows = [
        port(heard("0 12:00", 100, 1000), 1),
        port(heard("0 12:00", 200, 2000), 2),
        port(heard("0 12:01", 110, 1010), 1),
        port(heard("0 12:40", 120, 1020), 1),
        port(heard("0 12:40", 230, 2030), 2),
    ];
    check("ports stand alone", &rows, &[100, 200, 110, 120, 230], &[1000, 2000, 1010, 1020, 2030]);
}

#[test]
fn one_serial_and_port_on_two_stations() {
    // One station hears the inverter, the other remembers an older value or nothing.
    let mut rows = Vec::new();
    for minute in 0..20_u16 {
        rows.push(heard(&format!("0 12:{minute:02}"), 5000 + minute * 10, 900_000 + u32::from(minute) * 10));
        let stale = if minute % 2 == 0 { heard("0 12:00", 4990, 899_990) } else { silent("0 12:00") };
        rows.push(Row { time: rows[rows.len() - 1].time, ..stale });
    }
    let published = Chain::new(23, "UTC").run(&rows);
    for (row, published) in rows.iter().step_by(2).zip(published.chunks(2)) {
        assert_eq!(published[0].today, Some(i64::from(row.today)));
        assert_eq!(published[1], published[0], "the station that is behind holds");
    }
}

#[test]
fn a_counter_of_the_day_that_wraps() {
    let before = [heard("0 14:00", 65_530, 900_000)];
    let after = minutes("0 14:01", &[4, 14, 24, 34, 44], 900_010);
    check(
        "16 bits",
        &[before.as_slice(), &after].concat(),
        &[65_530, 65_530, 65_530, 65_530, 65_530, 65_574],
        &[900_000, 900_010, 900_020, 900_030, 900_040, 900_050],
    );
}

#[test]
fn a_total_beyond_31_bits() {
    let rows = [heard("0 12:00", 100, 3_000_000_000), heard("0 12:01", 110, 3_000_000_010)];
    check("2 TWh", &rows, &[100, 110], &[3_000_000_000, 3_000_000_010]);
}

#[test]
fn a_small_value_before_and_after_our_reset_in_the_morning() {
    // Reset at six, the device clears at dawn just before it.
    let night = [heard("0 20:00", 9000, 900_000)];
    let dawn = minutes("1 05:55", &[0, 1, 1, 2, 3, 4, 5, 6], 900_000);
    let rows = [night.as_slice(), &dawn].concat();
    let published = Chain::new(6, "UTC").run(&rows);
    let todays: Vec<_> = published.iter().map(|row| row.today.unwrap()).collect();
    // 9000 was mirrored; what came after the night was believed at 05:59, and 06:00 begins the day.
    assert_eq!(todays, [9000, 9000, 9000, 9000, 9000, 3, 1, 2, 3]);
}

#[test]
fn a_device_that_is_off_for_a_week() {
    let before = [heard("0 20:00", 9000, 900_000)];
    let after = minutes("7 12:00", &[3000, 3010, 3020, 3030, 3040], 903_000);
    check(
        "a week",
        &[before.as_slice(), &after].concat(),
        &[9000, 0, 0, 0, 0, 3040],
        &[900_000, 903_000, 903_010, 903_020, 903_030, 903_040],
    );
}

#[test]
fn rows_without_a_number_hold_both() {
    let rows = [heard("0 12:00", 0, 0), heard("0 12:01", 1, 1), silent("0 12:02")];
    // A brand-new inverter: everything is zero but the grid.
    check("brand-new", &rows, &[0, 1, 1], &[0, 1, 1]);
}

/// Polls every half hour over five days around a change of the clocks; today grows by one each.
fn resets(zone: &str, hour: i8, first: &str) -> Vec<String> {
    let start: jiff::Timestamp = first.parse().unwrap();
    let rows: Vec<Row> = (0..240_u16)
        .map(|poll| Row::heard(start + (i64::from(poll) * 30).minutes(), poll, 1000 + u32::from(poll)))
        .collect();
    let published = Chain::new(hour, zone).run(&rows);
    rows.iter()
        .zip(published.windows(2).map(|pair| pair[1].today < pair[0].today))
        .filter(|(_, fell)| *fell)
        .map(|(row, _)| (row.time + 30.minutes()).to_string())
        .collect()
}

#[test]
fn days_on_which_the_clocks_change() {
    for (zone, hour, first, expected) in [
        ("Europe/Berlin", 0, "2026-03-27T00:00:00Z", ["27T23:00", "28T23:00", "29T22:00", "30T22:00"]),
        ("Europe/Berlin", 2, "2026-03-27T02:00:00Z", ["28T01:00", "29T01:00", "30T00:00", "31T00:00"]),
        ("Europe/Berlin", 2, "2026-10-23T02:00:00Z", ["24T00:00", "25T00:00", "26T01:00", "27T01:00"]),
        ("Europe/Berlin", 12, "2026-10-23T12:00:00Z", ["24T10:00", "25T11:00", "26T11:00", "27T11:00"]),
        ("Europe/Berlin", 23, "2026-10-23T00:00:00Z", ["23T21:00", "24T21:00", "25T22:00", "26T22:00"]),
        ("America/New_York", 2, "2026-03-06T08:00:00Z", ["07T07:00", "08T07:00", "09T06:00", "10T06:00"]),
        ("America/New_York", 23, "2026-03-06T08:00:00Z", ["07T04:00", "08T04:00", "09T03:00", "10T03:00"]),
        ("America/New_York", 0, "2026-10-30T08:00:00Z", ["31T04:00", "01T04:00", "02T05:00", "03T05:00"]),
        ("Australia/Lord_Howe", 2, "2026-10-02T00:00:00Z", ["02T15:30", "03T15:30", "04T15:00", "05T15:00"]),
        ("Australia/Lord_Howe", 2, "2026-04-03T00:00:00Z", ["03T15:00", "04T15:30", "05T15:30", "06T15:30"]),
        ("Australia/Lord_Howe", 12, "2026-04-03T06:00:00Z", ["04T01:00", "05T01:30", "06T01:30", "07T01:30"]),
        ("UTC", 23, "2026-03-27T00:00:00Z", ["27T23:00", "28T23:00", "29T23:00", "30T23:00"]),
    ] {
        let found = resets(zone, hour, first);
        let found: Vec<_> = found.iter().map(|time| &time[8..16]).collect();
        assert_eq!(found[..4], expected, "{zone} at {hour} from {first}");
    }
}

#[test]
fn a_clock_that_steps() {
    let mut rows = minutes("0 12:00", &[100, 110, 120], 1000);
    rows.extend(minutes("0 11:30", &[130, 140, 150], 1030));
    rows.extend(minutes("0 13:30", &[160, 170], 1060));
    let todays: Vec<i64> = (10..18).map(|n| n * 10).collect();
    let totals: Vec<i64> = (100..108).map(|n| n * 10).collect();
    let chain = check("half an hour back and two forward", &rows, &todays, &totals);
    assert_eq!(chain.accepted(), 0.0);
    assert!(time("0 13:30") > time("0 12:00"));
}
