//! Clocks that step, glitch and come right.

use proptest::prelude::*;
use smiles_testkit::ManualClock;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: i64 = 86_400;

/// Looks once a minute; `steps`: before which minute the wall clock is stepped, by how many seconds.
fn looks(clock_trust: &ClockTrust, clock: &ManualClock, minutes: usize, steps: &[(usize, i64)]) -> Vec<bool> {
    let look = |minute| {
        clock.advance(MINUTE);
        for (_, step) in steps.iter().filter(|(at, _)| *at == minute) {
            clock.step_wall(SignedDuration::from_secs(*step));
        }
        clock_trust.look(clock.now(), clock.monotonic()).trusted
    };
    (0..minutes).map(look).collect()
}

fn untrusted(looks: &[bool]) -> Vec<usize> {
    looks.iter().enumerate().filter(|(_, trusted)| !**trusted).map(|(minute, _)| minute).collect()
}

#[test]
fn steps_are_doubted_until_they_have_lasted() {
    type Case = (&'static [(usize, i64)], &'static [usize], &'static str);
    let cases: [Case; 8] = [
        (&[], &[], "an even clock"),
        (&[(3, 60), (6, -60)], &[], "a small step"),
        (&[(3, 365 * DAY), (4, -365 * DAY)], &[3], "a year ahead for one pass"),
        (&[(3, 365 * DAY), (5, -365 * DAY)], &[3, 4], "for two"),
        (&[(3, 365 * DAY)], &[3, 4, 5, 6, 7], "a year ahead for good: somebody set it"),
        (&[(3, -DAY)], &[3, 4, 5, 6, 7], "set back by a day for good"),
        (&[(3, -DAY), (5, DAY)], &[3, 4], "set back and right again"),
        (&[(3, 8 * 3600)], &[], "the machine slept at night"),
    ];
    for (steps, doubted, what) in cases {
        let clock = ManualClock::new();
        let clock_trust = ClockTrust::new(None, Known::default(), clock.monotonic());
        assert_eq!(untrusted(&looks(&clock_trust, &clock, 12, steps)), doubted, "{what}");
    }
}

#[test]
fn a_date_before_the_build_is_never_right() {
    let clock = ManualClock::new();
    let built = clock.now().checked_sub(SignedDuration::from_hours(48)).unwrap();
    clock.step_wall(SignedDuration::from_secs(-3650 * DAY));
    let clock_trust = ClockTrust::new(Some(built), Known::default(), clock.monotonic());
    let seen = looks(&clock_trust, &clock, 30, &[(20, 3650 * DAY)]);
    assert_eq!(untrusted(&seen), (0..20).collect::<Vec<_>>(), "and right at once when it comes right");
    let warning = clock_trust.warning(&clock).unwrap();
    assert!(
        warning.contains("was wrong and is right again; nothing to do; 20 polls, from 2016-"),
        "{warning}"
    );
    clock.advance(Duration::from_secs(86_400 + 600));
    assert_eq!(clock_trust.warning(&clock), None, "a day later all is said");
}

#[test]
fn after_a_restart_the_journal_says_what_was_trusted() {
    let last = ManualClock::new().now();
    for (step, doubted) in [(0, 0), (20 * DAY, 0), (365 * DAY, 5), (-DAY, 5), (-60, 0)] {
        let clock = ManualClock::at(last);
        clock.step_wall(SignedDuration::from_secs(step));
        let clock_trust = ClockTrust::new(None, Known::last(last), clock.monotonic());
        assert_eq!(untrusted(&looks(&clock_trust, &clock, 12, &[])).len(), doubted, "off by {step}");
    }
}

#[test]
fn a_batch_accepted_since_says_more_than_what_was_last_written_down() {
    let clock = ManualClock::new();
    let last = clock.now();
    let accepted = last + SignedDuration::from_mins(30);
    let known = Known::last(last);
    assert_eq!(known.and_accepted(Some(last - SignedDuration::from_mins(1))), known);
    clock.step_wall(SignedDuration::from_hours(-24 * 365 * 50));
    let clock_trust = ClockTrust::new(None, known.and_accepted(Some(accepted)), clock.monotonic());
    assert_eq!(clock_trust.now(&clock), accepted, "before any pass");
    let dated = clock_trust.look(clock.now(), clock.monotonic());
    assert_eq!(dated, Dated { trusted: false, estimate: Some(accepted) });
    assert_eq!(
        Known::default().and_accepted(Some(accepted)),
        Known::default(),
        "of a version without a judge"
    );
}

#[test]
fn housekeeping_goes_by_the_best_that_is_known() {
    let clock = ManualClock::new();
    let clock_trust = ClockTrust::new(None, Known::default(), clock.monotonic());
    let right = || clock.now();
    clock_trust.look(clock.now(), clock.monotonic());
    let before = right();
    clock.advance(MINUTE);
    clock.step_wall(SignedDuration::from_secs(400 * DAY));
    assert_eq!(clock_trust.now(&clock), before + MINUTE, "also before a pass has seen the step");
    clock_trust.look(clock.now(), clock.monotonic());
    assert_eq!(clock_trust.now(&clock), before + MINUTE);
    looks(&clock_trust, &clock, 6, &[]);
    assert_eq!(clock_trust.now(&clock), clock.now(), "it was believed");
}

proptest! {
    /// However a clock steps: once it goes on evenly it is trusted within a few passes, and what is trusted never lies
    /// before what was trusted unless a doubt was lived through.
    #[test]
    fn every_clock_that_goes_on_is_believed(steps in prop::collection::vec((0..40_usize, -500 * DAY..500 * DAY), 0..8)) {
        let clock = ManualClock::new();
        let clock_trust = ClockTrust::new(None, Known::default(), clock.monotonic());
        let seen = looks(&clock_trust, &clock, 60, &steps);
        prop_assert!(seen[46..].iter().all(|trusted| *trusted), "{seen:?}");
        prop_assert_eq!(clock_trust.known(), Known { told: clock_trust.known().told, ..Known::last(clock.now()) });
    }

    /// A clock that is right but for single passes is trusted at all others.
    #[test]
    fn single_passes_spoil_nothing(glitches in prop::collection::btree_map(1..40_usize, prop_oneof![-500 * DAY..-600, 2 * DAY..500 * DAY], 0..8)) {
        let clock = ManualClock::new();
        let clock_trust = ClockTrust::new(None, Known::default(), clock.monotonic());
        let mut steps = Vec::new();
        for (at, by) in &glitches {
            steps.extend([(2 * at, *by), (2 * at + 1, -by)]);
        }
        let expected: Vec<usize> = glitches.keys().map(|at| 2 * at).collect();
        prop_assert_eq!(untrusted(&looks(&clock_trust, &clock, 90, &steps)), expected);
    }
}
