//! Situations of the field beyond the worked cases.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::cases::{check, heard, minutes, silent, time};
use crate::chain::{Chain, Row};
use crate::logged::Warnings;

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
        &[9000, 3000, 3010, 3020, 3030, 3040],
        &[900_000, 903_000, 903_010, 903_020, 903_030, 903_040],
    );
}

#[test]
fn rows_without_a_number_hold_both() {
    let rows = [heard("0 12:00", 0, 0), heard("0 12:01", 1, 1), silent("0 12:02")];
    // A brand-new inverter: everything is zero but the grid.
    check("brand-new", &rows, &[0, 1, 1], &[0, 1, 1]);
}

/// The reset instants of these hours by the clock on the wall: the first minute of a local day at which it shows the
/// hour or, where it skips that, a later time.
fn by_the_wall(zone: &str, hour: i8, start: Timestamp, minutes: i64) -> Vec<Timestamp> {
    let zone = TimeZone::get(zone).unwrap();
    let shown = |minute: i64| zone.to_datetime(start + minute.minutes());
    let mut last = shown(-1).date();
    let mut found = Vec::new();
    // A day whose reset hour has passed at the start is not looked at.
    let mut open = shown(0).hour() < hour;
    for minute in 0..minutes {
        let now = shown(minute);
        if now.date() != last {
            (last, open) = (now.date(), true);
        }
        if open && now.hour() >= hour {
            open = false;
            found.push(start + minute.minutes());
        }
    }
    found
}

#[test]
fn days_on_which_the_clocks_change() {
    for (zone, changes) in [
        ("Europe/Berlin", ["2026-03-27T10:00:00Z", "2026-10-23T10:00:00Z"]),
        ("America/New_York", ["2026-03-06T15:00:00Z", "2026-10-30T15:00:00Z"]),
        ("Australia/Lord_Howe", ["2026-04-03T03:00:00Z", "2026-10-02T03:00:00Z"]),
        ("UTC", ["2026-03-27T10:00:00Z", "2026-10-23T10:00:00Z"]),
    ] {
        for (hour, start) in [0, 2, 12, 23].into_iter().flat_map(|hour| changes.map(|start| (hour, start))) {
            let start: Timestamp = start.parse().unwrap();
            // Polls every five minutes over four days; the device grows by one each and never clears itself.
            let rows: Vec<Row> = (0..4 * 288_u16)
                .map(|poll| Row::heard(start + (i64::from(poll) * 5).minutes(), poll, 1000 + u32::from(poll)))
                .collect();
            let published = Chain::new(hour, zone).run(&rows);
            let today = |row: usize| published[row].today.unwrap();
            let resets: Vec<Timestamp> = (1..rows.len())
                .filter(|row| today(*row) < today(row - 1))
                .map(|row| rows[row].time)
                .collect();
            assert_eq!(resets, by_the_wall(zone, hour, start, 4 * 1440), "{zone} at {hour} from {start}");
            assert!(resets.len() >= 3, "{zone} at {hour} from {start}: {resets:?}");
            let (first, last) = (resets[0], resets[resets.len() - 1]);
            for (row, Row { time, .. }) in rows.iter().enumerate().skip(1) {
                let expected = if resets.contains(time) { 1 } else { today(row - 1) + 1 };
                assert_eq!(today(row), expected, "{zone} at {hour}, {time}");
            }
            assert!(first > start && last < start + (4 * 24).hours());
        }
    }
}

#[test]
fn resets_around_a_change_as_a_person_would_list_them() {
    for (zone, hour, start, expected) in [
        ("Europe/Berlin", 2, "2026-03-27T02:00:00Z", ["28T01:00", "29T01:00", "30T00:00", "31T00:00"]),
        ("Europe/Berlin", 2, "2026-10-23T02:00:00Z", ["24T00:00", "25T00:00", "26T01:00", "27T01:00"]),
        ("America/New_York", 2, "2026-03-06T08:00:00Z", ["07T07:00", "08T07:00", "09T06:00", "10T06:00"]),
        ("Australia/Lord_Howe", 2, "2026-10-02T00:00:00Z", ["02T15:30", "03T15:30", "04T15:00", "05T15:00"]),
        ("Australia/Lord_Howe", 2, "2026-04-03T00:00:00Z", ["03T15:00", "04T15:30", "05T15:30", "06T15:30"]),
    ] {
        let found = by_the_wall(zone, hour, start.parse().unwrap(), 5 * 1440);
        let found: Vec<_> = found.iter().take(4).map(|time| time.to_string()[8..16].to_owned()).collect();
        assert_eq!(found, expected, "{zone} at {hour} from {start}");
    }
}

#[test]
fn what_is_believed_in_the_end_is_said_once() {
    let restart = minutes("0 14:01", &[0, 8, 16, 24, 32, 40, 48, 56], 900_005);
    let unseen = [heard("1 14:30", 3200, 905_200), heard("1 14:31", 3210, 905_210)];
    let stepped_back = [heard("0 22:30", 3220, 905_220), heard("0 22:31", 3230, 905_230)];
    let rows = [&[heard("0 14:00", 5000, 900_000)], restart.as_slice(), &unseen, &stepped_back].concat();
    let warnings = Warnings::default();
    warnings.during(|| Chain::new(23, "UTC").run(&rows));
    assert_eq!(
        warnings.lines(),
        [
            "daily_reset: 1161/1: daily counter restarted during the day: what it counts is added",
            "daily_reset: 1161/1: daily counter was reset between two readings: all of it is added",
            "daily_reset: 1161/1: row is older than the current day: the clock was set back, or the time zone changed",
        ]
    );
    let rises: Vec<Row> =
        (0..12).map(|n| heard(&format!("0 12:{n:02}"), 5, 900_000 + u32::from(n > 0) * 9000)).collect();
    let warnings = Warnings::default();
    warnings.during(|| Chain::new(23, "UTC").run(&rises));
    assert_eq!(
        warnings.lines(),
        ["counter: 1161/1: total rose faster than possible and stayed: the new value is accepted"]
    );
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
