//! Sources: on time, spared while they fail, reported once per change; their rows stamped and durable.

use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use jiff::SignedDuration;
use smiles_stage::{Clock, Delivery, SinkState, SourceState};
use smiles_testkit::{CollectingSink, MemoryTarget, Script, ScriptStep, TargetFaults, numbered};

use crate::bench::{Bench, MINUTE, SECOND, passing, standing, up_to};

const ONE: &str = "
pipeline: test
journal: memory
sources: { DTU: { type: dtu, every: 60s, stretch_after: 2 } }
sinks: { store: { type: target } }
";

fn bench(script: &Script, target: &MemoryTarget) -> Bench {
    Bench::new().polled("dtu", script).target("target", target, &TargetFaults::none())
}

fn seconds(script: &Script) -> Vec<u64> {
    script.asked().iter().map(Duration::as_secs).collect()
}

#[tokio::test]
async fn a_source_is_asked_on_its_grid_and_missed_ticks_are_skipped() {
    let slow = |length| ScriptStep::Slow(length, Box::new(ScriptStep::Rows(numbered([0]))));
    let script = Script::counting().then(slow(SECOND * 7)).then(slow(SECOND * 150)).then(slow(SECOND * 120));
    let target = MemoryTarget::new(1);
    let started = bench(&script, &target).start(ONE).await;
    for next in [7, 60, 210, 240, 360, 420, 480] {
        started.clock.wait_for_sleeper_until(SECOND * next).await;
        let now = started.clock.monotonic();
        // In two steps, so that a pass that began early would be seen.
        started.clock.advance(SECOND * next - now - Duration::from_millis(1));
        started.clock.advance(Duration::from_millis(1));
    }
    standing(|| seconds(&script) == [0, 60, 240, 360, 420, 480]).await;
    started.end().await;
}

#[tokio::test]
async fn failures_stretch_the_period_and_the_first_success_restores_it() {
    let fail = || ScriptStep::Fail("cannot reach tcp://10.0.0.5:502: connection refused".into());
    let script = Script::counting().then(fail()).then(fail()).then(fail());
    let target = MemoryTarget::new(1);
    let started = bench(&script, &target).start(ONE).await;
    for next in [60, 180] {
        started.clock.wait_for_sleeper_until(SECOND * next).await;
        started.clock.advance(SECOND * next - started.clock.monotonic());
    }
    standing(|| started.health().sources[0].error_count == 3).await;
    let source = started.health().sources.remove(0);
    assert_eq!((source.state, source.stretched, source.success_count), (SourceState::Error, true, 0));
    assert!(source.last_error.unwrap().1.contains("connection refused"));
    let text = started.scrape();
    for line in [
        "smiles_source_breaker_state{pipeline=\"test\",source=\"DTU\"} 1",
        "smiles_source_up{pipeline=\"test\",source=\"DTU\"} 0",
        "smiles_source_passes_total{outcome=\"error\",pipeline=\"test\",source=\"DTU\"} 3",
        "smiles_source_errors_total{kind=\"pass\",pipeline=\"test\",source=\"DTU\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    for next in [420, 480] {
        started.clock.wait_for_sleeper_until(SECOND * next).await;
        started.clock.advance(SECOND * next - started.clock.monotonic());
    }
    standing(|| target.ids() == [1, 2]).await;
    assert_eq!(seconds(&script), [0, 60, 180, 420, 480]);
    assert!(!started.health().sources[0].stretched);
    started.end().await;
}

#[tokio::test]
async fn a_partial_pass_is_one_success_and_one_error() {
    let script =
        Script::counting().then(ScriptStep::Partial(numbered([7, 8]), "inverter 3 did not answer".into()));
    let target = MemoryTarget::new(1);
    let started = bench(&script, &target).start(ONE).await;
    standing(|| target.ids() == [7, 8]).await;
    let source = started.health().sources.remove(0);
    assert_eq!((source.state, source.success_count, source.error_count), (SourceState::Online, 1, 1));
    let (at, error) = source.last_error.unwrap();
    assert_eq!((at, error.as_str()), (started.clock.now(), "inverter 3 did not answer"));
    assert_eq!(source.since_success, Some(Duration::ZERO));
    started.end().await;
}

#[tokio::test]
async fn rows_carry_when_their_pass_began_and_who_heard_them() {
    let script =
        Script::counting().then(ScriptStep::Slow(SECOND * 5, Box::new(ScriptStep::Rows(numbered([1, 2])))));
    let target = MemoryTarget::new(1);
    let bench = bench(&script, &target);
    let began = bench.clock.now();
    let started = bench.start(ONE).await;
    started.clock.wait_for_sleeper_until(SECOND * 5).await;
    started.clock.advance(SECOND * 5);
    standing(|| target.ids() == [1, 2]).await;
    let records = target.stored().remove(0).records;
    let times = records.column_by_name("time").unwrap().as_primitive::<TimestampMicrosecondType>();
    assert_eq!(times.values(), &[began.as_microsecond(); 2]);
    assert_eq!(records.column_by_name("source").unwrap().as_string::<i32>().value(1), "DTU");
    standing(|| script.commits() == [target.stored()[0].position]).await;
    started.end().await;
}

#[tokio::test]
async fn what_falls_over_is_made_anew_and_harms_no_other() {
    let broken = Script::counting().then(ScriptStep::Panic).then(ScriptStep::Fail("still dizzy".into()));
    let healthy = Script::counting();
    let target = MemoryTarget::new(1);
    let bench = bench(&broken, &target).polled("other", &healthy);
    let started = bench
        .start(
            "
pipeline: test
journal: memory
sources: { DTU: { type: dtu, every: 60s }, other: { type: other, every: 60s } }
sinks: { store: { type: target } }
",
        )
        .await;
    standing(|| target.ids() == [1] && started.health().sources[0].error_count == 1).await;
    assert!(started.health().sources[0].last_error.as_ref().unwrap().1.contains("panicked"));
    for pass in 1..=2 {
        started.clock.advance(MINUTE);
        standing(|| healthy.asked().len() == pass + 1 && broken.asked().len() == pass + 1).await;
        started.clock.wait_for_sleeper_until(MINUTE * u32::try_from(pass + 1).unwrap()).await;
    }
    standing(|| target.ids().len() == 4).await;
    assert_eq!((broken.opened(), healthy.opened()), (2, 1), "only what fell over was made anew");
    assert_eq!(started.health().sources[1].error_count, 0);
    started.end().await;
}

#[tokio::test]
async fn a_source_that_needs_a_person_is_asked_again_after_five_minutes() {
    let script = Script::counting().then(ScriptStep::Halt("the password is wrong".into()));
    let target = MemoryTarget::new(1);
    let started = bench(&script, &target).start(ONE).await;
    started.clock.wait_for_sleeper_until(SECOND * 300).await;
    started.clock.advance(SECOND * 300);
    standing(|| target.ids() == [1]).await;
    assert_eq!(seconds(&script), [0, 300]);
    started.end().await;
}

#[tokio::test]
async fn a_stepped_clock_begins_a_new_run() {
    let script = Script::counting();
    let target = MemoryTarget::new(1);
    let started = bench(&script, &target).start(ONE).await;
    let mut runs = Vec::new();
    for (pass, step) in [(1, 0), (2, 9), (3, -3600), (4, 0)] {
        started.clock.step_wall(SignedDuration::from_secs(step));
        if pass > 1 {
            started.clock.advance(MINUTE);
        }
        standing(|| target.ids() == up_to(pass)).await;
        started.clock.wait_for_sleeper_until(MINUTE * u32::try_from(pass).unwrap()).await;
        let position = target.stored().pop().unwrap().position;
        runs.push((position.run, position.seq.0));
    }
    let seqs: Vec<u64> = runs.iter().map(|run| run.1).collect();
    assert_eq!(seqs, [1, 2, 1, 2], "a step of an hour begins a run, one of nine seconds does not");
    assert!(runs[0].0 == runs[1].0 && runs[1].0 != runs[2].0 && runs[2].0 == runs[3].0);
    started.end().await;
}

#[tokio::test]
async fn a_full_journal_pauses_the_polls_and_drops_nothing() {
    let script = Script::counting();
    let (target, mishaps) = (MemoryTarget::new(1), TargetFaults::none());
    mishaps.set_down(true);
    let bench = Bench::new().polled("dtu", &script).target("target", &target, &mishaps);
    let started = bench
        .start(
            "
pipeline: test
journal: { max_size: 256KiB }
sources: { DTU: { type: dtu, every: 100ms } }
sinks: { store: { type: target } }
",
        )
        .await;
    passing(&started.clock, || started.health().journal.full).await;
    let paused = script.asked().len();
    assert!(started.health().warnings.iter().any(|warning| warning.contains("the journal is full")));
    for _ in 0..100 {
        started.clock.advance(SECOND);
        tokio::task::yield_now().await;
    }
    assert!(script.asked().len() <= paused + 2, "polls go on although nothing can be kept");
    mishaps.set_down(false);
    passing(&started.clock, || !started.health().journal.full && script.asked().len() > paused + 10).await;
    let clock = started.clock.clone();
    started.stop.cancel();
    passing(&clock, || started.task.is_finished()).await;
    let stored = target.ids();
    assert_eq!(stored, up_to(i64::try_from(stored.len()).unwrap()), "a reading is missing or out of order");
    assert!(stored.len() > paused);
}

#[tokio::test]
async fn a_stream_is_asked_at_once_and_learns_what_is_durable() {
    let script = Script::ending();
    for id in 1..=200 {
        script.push(ScriptStep::Rows(numbered([id])));
    }
    let target = MemoryTarget::new(1);
    let bench = Bench::new().streamed("stream", &script).target("target", &target, &TargetFaults::none());
    let yaml = "
pipeline: test
journal: memory
sources: { S: { type: stream } }
sinks: { store: { type: target } }
";
    let started = bench.start(yaml).await;
    assert_eq!(started.ended().await, smiles_runtime::Exit::Finished);
    assert_eq!(target.ids(), up_to(200));
    let commits: Vec<u64> = script.commits().iter().map(|position| position.seq.0).collect();
    assert!(commits.len() >= 3, "a busy stream is told from time to time: {commits:?}");
    assert_eq!(commits.last(), Some(&200));
    assert!(commits.is_sorted());
}

#[tokio::test]
async fn live_sinks_begin_with_what_is_retained_and_follow() {
    let yaml = "
pipeline: test
sources: { DTU: { type: dtu, every: 60s } }
sinks: { store: { type: target }, api: { type: live } }
";
    let script = Script::counting();
    let (target, first) = (MemoryTarget::new(1), CollectingSink::default());
    let mut bench = bench(&script, &target).collecting("live", &first, Delivery::Live);
    let started = bench.start(yaml).await;
    standing(|| first.ids() == [1]).await;
    started.clock.advance(MINUTE);
    standing(|| first.ids() == [1, 2]).await;
    assert_eq!(started.health().sinks[1].delivered, 2);
    started.end().await;

    let mishaps = TargetFaults::none();
    let second = CollectingSink::new(&mishaps);
    bench = bench.collecting("live", &second, Delivery::Live);
    mishaps.push(smiles_testkit::TargetFault::FailWrite);
    let started = bench.start(yaml).await;
    standing(|| second.ids() == [2, 3]).await;
    // What a live sink cannot take holds up nobody.
    standing(|| target.ids() == up_to(3)).await;
    started.end().await;
}

#[tokio::test]
async fn a_live_sink_that_panicked_is_made_anew_and_told_everything_but_that_batch() {
    let yaml = "
pipeline: test
sources: { DTU: { type: dtu, every: 60s } }
sinks: { store: { type: target }, api: { type: live } }
";
    let (script, target, mishaps) = (Script::counting(), MemoryTarget::new(1), TargetFaults::none());
    let live = CollectingSink::new(&mishaps);
    let bench = bench(&script, &target).collecting("live", &live, Delivery::Live);
    let started = bench.start(yaml).await;
    standing(|| live.ids() == [1]).await;
    started.clock.advance(MINUTE);
    standing(|| live.ids() == [1, 2]).await;
    mishaps.push(smiles_testkit::TargetFault::Panic);
    started.clock.advance(MINUTE);
    // What was shown is gone with it; the batch that did it is not tried again.
    standing(|| live.ids() == [1, 2, 1, 2]).await;
    started.clock.advance(MINUTE);
    standing(|| live.ids() == [1, 2, 1, 2, 4]).await;
    standing(|| started.health().sinks[1].state == SinkState::Delivering).await;
    standing(|| target.ids() == up_to(4)).await;
    started.end().await;
}

#[tokio::test]
async fn drop_oldest_goes_on_polling_and_counts_what_it_drops() {
    let script = Script::counting();
    let (target, mishaps) = (MemoryTarget::new(1), TargetFaults::none());
    mishaps.set_down(true);
    let bench = Bench::new().polled("dtu", &script).target("target", &target, &mishaps);
    let started = bench
        .start(
            "
pipeline: test
journal: { max_size: 256KiB, on_full: drop_oldest }
sources: { DTU: { type: dtu, every: 100ms } }
sinks: { store: { type: target } }
",
        )
        .await;
    passing(&started.clock, || started.health().sinks[0].dropped > 0).await;
    assert!(!started.health().journal.full);
    assert!(started.health().warnings.iter().any(|warning| warning.contains("drop_oldest")));
    mishaps.set_down(false);
    passing(&started.clock, || !target.ids().is_empty() && started.health().sinks[0].waiting == 0).await;
    let sink = started.health().sinks.remove(0);
    assert_eq!(sink.accepted, sink.delivered + sink.dropped);
    let stored = target.ids();
    assert!(
        stored[0] > 1 && stored.windows(2).all(|pair| pair[0] < pair[1]),
        "the newest are kept, in order"
    );
    started.end().await;
}

#[tokio::test]
async fn rows_that_break_their_own_schema_are_an_error_of_their_source() {
    let other = numbered([1]).project(&[]).unwrap();
    let script = Script::counting().then(ScriptStep::Rows(other));
    let target = MemoryTarget::new(1);
    let started = bench(&script, &target).start(ONE).await;
    standing(|| started.health().sources[0].error_count == 1).await;
    assert!(started.health().sources[0].last_error.as_ref().unwrap().1.contains("lack their column `id`"));
    started.clock.wait_for_sleeper_until(MINUTE).await;
    started.clock.advance(MINUTE);
    standing(|| target.ids() == [1]).await;
    started.end().await;
}
