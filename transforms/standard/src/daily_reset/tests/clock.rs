//! Clocks that are wrong: ahead, behind, and right at last.

use super::*;

#[test]
fn a_clock_that_had_been_in_the_future() {
    check(
        "after a day, the next reset instant of its own begins a day with nothing",
        &[
            heard("9 12:00", 100.0),
            heard("0 12:00", 110.0),
            heard("1 11:59", 120.0),
            heard("1 12:01", 130.0),
            heard("1 22:59", 140.0),
            heard("1 23:00", 150.0),
            heard("1 23:01", 160.0),
            heard("2 23:01", 170.0),
        ],
        &[100.0, 110.0, 120.0, 130.0, 140.0, 10.0, 20.0, 10.0],
        &[DayEvent::Behind, DayEvent::Restarted],
    );
    check(
        "also when nothing is heard at it",
        &[heard("9 12:00", 100.0), heard("0 12:00", 110.0), silent("1 23:00"), heard("1 23:01", 115.0)],
        &[100.0, 110.0, 0.0, 5.0],
        &[DayEvent::Behind, DayEvent::Restarted],
    );
    check(
        "stepped back twice, the day begins with the second",
        &[heard("9 12:00", 100.0), heard("8 12:00", 110.0), heard("0 12:00", 120.0), heard("1 12:00", 130.0)],
        &[100.0, 110.0, 120.0, 130.0],
        &[DayEvent::Behind],
    );
    check(
        "a step back over the reset counts on and is over with the next",
        &[heard("0 23:10", 100.0), heard("0 22:30", 110.0), heard("0 23:00", 120.0), heard("1 23:00", 130.0)],
        &[100.0, 110.0, 120.0, 10.0],
        &[DayEvent::Behind],
    );
}

/// Day 0 at 23:10 with 300 Wh published and 5300 on the counter.
fn not_the_first_day(then: &[Row]) -> Vec<Row> {
    [
        &[
            heard("0 12:00", 5000.0),
            heard("0 22:59", 5000.0),
            heard("0 23:00", 5000.0),
            heard("1 12:00", 5300.0),
        ],
        then,
    ]
    .concat()
}

#[test]
fn a_clock_that_leaps_ahead_and_comes_back() {
    let before = [5000.0, 5000.0, 0.0, 300.0];
    let case = |case: &str, then: &[Row], expected: &[f64], events: &[DayEvent]| {
        check(case, &not_the_first_day(then), &[&before, expected].concat(), events);
    };
    case(
        "a year for one row",
        &[heard("366 12:01", 5301.0), heard("1 12:02", 5302.0)],
        &[1.0, 302.0],
        &[DayEvent::Returned],
    );
    case(
        "for two days of that clock: what was counted in both returns, within 24 hours of it",
        &[heard("366 22:50", 5310.0), heard("366 23:10", 5320.0), heard("1 12:02", 5330.0)],
        &[10.0, 10.0, 330.0],
        &[DayEvent::Returned],
    );
    case(
        "and comes right three days later: that period is over",
        &[heard("366 12:01", 5301.0), heard("4 12:00", 5310.0), heard("4 12:01", 5311.0)],
        &[1.0, 9.0, 10.0],
        &[DayEvent::Returned],
    );
    case(
        "more than a day later it is kept no more",
        &[heard("366 12:01", 5301.0), heard("367 12:01", 5310.0), heard("1 12:02", 5320.0)],
        &[1.0, 9.0, 19.0],
        &[DayEvent::Behind],
    );
    case(
        "a week off is no leap",
        &[heard("7 12:00", 5310.0), heard("1 12:02", 5320.0)],
        &[10.0, 20.0],
        &[DayEvent::Behind],
    );
}

#[test]
fn the_first_day_of_an_install_whose_clock_is_wrong() {
    check(
        "boots years ago, then the clock comes right",
        &[
            heard("0 12:00", 3000.0),
            heard("3650 12:01", 3060.0),
            heard("3650 12:02", 3061.0),
            heard("3650 23:00", 3070.0),
        ],
        &[3000.0, 3060.0, 3061.0, 9.0],
        &[],
    );
    check(
        "and nothing is heard at first",
        &[heard("0 12:00", 3000.0), silent("3650 12:01"), silent("3651 12:01"), heard("3651 12:02", 3061.0)],
        &[3000.0, 0.0, 0.0, 3061.0],
        &[],
    );
    check(
        "a year ahead for one row",
        &[
            heard("0 12:00", 5300.0),
            heard("365 12:01", 5301.0),
            heard("0 12:02", 5302.0),
            heard("0 23:00", 5303.0),
        ],
        &[5300.0, 5301.0, 5302.0, 1.0],
        &[DayEvent::Returned],
    );
    check(
        "a whole period is missed",
        &[heard("0 12:00", 5300.0), heard("2 12:00", 700.0), heard("2 23:00", 710.0)],
        &[5300.0, 700.0, 10.0],
        &[],
    );
    check(
        "ahead on the first day, it is not mirrored anew",
        &[
            heard("9 12:00", 5300.0),
            heard("0 12:00", 5310.0),
            heard("1 23:00", 5320.0),
            heard("1 23:01", 5330.0),
        ],
        &[5300.0, 5310.0, 10.0, 20.0],
        &[DayEvent::Behind, DayEvent::Restarted],
    );
}
