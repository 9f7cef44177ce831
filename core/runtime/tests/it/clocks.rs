//! A wall clock that cannot be right: its readings are marked, said on /health, and known again after a restart.

use jiff::SignedDuration;
use smiles_stage::misdated;
use smiles_testkit::{MemoryTarget, Script, TargetFaults};

use crate::bench::{Bench, MINUTE, Started, standing, up_to};

const KEPT: &str = "
pipeline: test
sources: { DTU: { type: dtu, every: 60s } }
sinks: { store: { type: target } }
";

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// Lets the next poll happen at the right monotonic minute, after the wall clock was stepped.
async fn poll(started: &Started, target: &MemoryTarget, step: SignedDuration, ids: i64) {
    started.clock.wait_for_sleepers(1).await;
    started.clock.step_wall(step);
    started.clock.advance(MINUTE);
    standing(|| target.ids() == up_to(ids)).await;
}

fn marked(target: &MemoryTarget) -> Vec<bool> {
    target.stored().iter().map(|stored| misdated(stored.records.schema_ref()).is_some()).collect()
}

#[tokio::test]
async fn readings_of_a_clock_in_doubt_are_marked_and_told() {
    let (script, target) = (Script::counting(), MemoryTarget::new(1));
    let bench = Bench::new().polled("dtu", &script).target("target", &target, &TargetFaults::none());
    let started = bench.start(KEPT).await;
    standing(|| target.ids() == up_to(1)).await;
    assert_eq!(started.health().warnings, [""; 0]);
    poll(&started, &target, days(365), 2).await;
    let warning = &started.health().warnings[0];
    assert!(warning.contains("seems wrong, it should be 2026-06-21T12:01:00Z at least: set it"), "{warning}");
    poll(&started, &target, days(-365), 3).await;
    assert!(
        started.health().warnings[0].contains("is right again; nothing to do; one poll, at 2027-06-21"),
        "{:?}",
        started.health().warnings
    );
    assert_eq!(marked(&target), [false, true, false]);
    started.end().await;
    // The next process begins with a clock a year ahead: only the journal can know.
    bench.clock.step_wall(days(365));
    let started = bench.start(KEPT).await;
    standing(|| target.ids() == up_to(4)).await;
    let warning = &started.health().warnings[0];
    assert!(warning.contains("2 polls, from 2027-06-21"), "what came before is told too: {warning}");
    for id in 5..=10 {
        poll(&started, &target, SignedDuration::ZERO, id).await;
    }
    assert_eq!(marked(&target)[3..], [true, true, true, true, true, false, false], "{:?}", marked(&target));
    started.end().await;
}
