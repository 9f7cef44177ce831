//! Sinks: exactly once whatever goes wrong, one bad row at a time, each on its own.

use std::collections::HashSet;

use smiles_journal::{Journal, OnFull, Options, SqliteJournal};
use smiles_stage::{Clock, Delivery, SinkState};
use smiles_testkit::{CollectingSink, MemoryTarget, Script, ScriptStep, TargetFault, TargetFaults, numbered};

use crate::bench::{Bench, MINUTE, SECOND, Started, passing, standing, up_to};

const ONE: &str = "
pipeline: test
sources: { DTU: { type: dtu, every: 60s } }
sinks: { store: { type: target } }
";

struct World {
    bench: Bench,
    script: Script,
    target: MemoryTarget,
    mishaps: TargetFaults,
}

fn world() -> World {
    let (script, target, mishaps) = (Script::counting(), MemoryTarget::new(1), TargetFaults::none());
    let bench = Bench::new().polled("dtu", &script).target("target", &target, &mishaps);
    World { bench, script, target, mishaps }
}

fn book(started: &Started) -> [u64; 6] {
    let sink = started.health().sinks.remove(0);
    [sink.accepted, sink.delivered, sink.dead_lettered, sink.dropped, sink.lost, sink.waiting]
}

#[tokio::test]
async fn whatever_goes_wrong_every_row_is_stored_once_and_in_order() {
    let accidents = [
        TargetFault::NoWatermark,
        TargetFault::FailWrite,
        TargetFault::FailFlush,
        TargetFault::LoseAnswer,
        TargetFault::LoseAnswer,
        TargetFault::Panic,
        TargetFault::FailWrite,
        TargetFault::LoseAnswer,
    ];
    let World { bench, target, mishaps, .. } = world();
    for accident in accidents {
        mishaps.push(accident);
    }
    let started = bench.start(ONE).await;
    passing(&started.clock, || mishaps.are_over() && target.ids().len() >= 3).await;
    passing(&started.clock, || started.health().sinks[0].state == SinkState::Delivering).await;
    started.end().await;
    let stored = target.ids();
    assert_eq!(stored, up_to(i64::try_from(stored.len()).unwrap()));
}

#[tokio::test]
async fn a_restart_goes_on_where_the_target_stands() {
    let World { bench, target, mishaps, script } = world();
    for life in 1..=4 {
        mishaps.push(TargetFault::LoseAnswer);
        let started = bench.start(ONE).await;
        // Not driven further: the answer is lost and the process ends in doubt.
        standing(|| target.ids() == up_to(life)).await;
        started.end().await;
    }
    let started = bench.start(ONE).await;
    standing(|| target.ids() == up_to(5)).await;
    standing(|| book(&started) == [5, 5, 0, 0, 0, 0]).await;
    assert_eq!(script.asked().len(), 5);
    started.end().await;
}

#[tokio::test]
async fn a_row_that_cannot_be_cured_is_set_aside_and_all_others_arrive() {
    let World { bench, script, target, mishaps } = world();
    for bad in [2, 4, 5] {
        mishaps.refuse(bad);
    }
    script.push(ScriptStep::Rows(numbered([1, 2, 3])));
    script.push(ScriptStep::Rows(numbered([4, 5])));
    script.push(ScriptStep::Rows(numbered([6])));
    let started = bench.start(ONE).await;
    for (minute, ids, aside) in [(1, vec![1, 3], 1), (2, vec![1, 3], 3), (3, vec![1, 3, 6], 3)] {
        standing(|| target.ids() == ids && book(&started)[2] == aside && book(&started)[5] == 0).await;
        started.clock.wait_for_sleeper_until(MINUTE * minute).await;
        if minute < 3 {
            started.clock.advance(MINUTE);
        }
    }
    let [accepted, delivered, dead, dropped, lost, waiting] = book(&started);
    assert_eq!((accepted, dead), (delivered + dead + dropped + lost + waiting, 3));
    let text = started.scrape();
    let line = "smiles_sink_books{book=\"dead_lettered\",pipeline=\"test\",sink=\"store\"} 3";
    assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    started.end().await;
}

#[tokio::test]
async fn a_sink_whose_dead_letters_have_no_room_holds_and_loses_nothing() {
    let World { bench, script, target, mishaps } = world();
    let small = format!("{ONE}\njournal: {{max_size: 64KiB}}\n");
    for bad in 0..200 {
        mishaps.refuse(bad);
    }
    for poll in 0..20 {
        script.push(ScriptStep::Rows(numbered(poll * 10..poll * 10 + 10)));
    }
    script.push(ScriptStep::Rows(numbered([1_000])));
    let started = bench.start(&small).await;
    let halted = || started.health().sinks[0].state == SinkState::Halted;
    passing(&bench.clock, halted).await;
    let warnings = started.health().warnings;
    assert!(warnings.iter().any(|said| said.contains("take up all of their share")), "{warnings:?}");
    let [accepted, delivered, dead, dropped, lost, waiting] = book(&started);
    assert!(dead > 0 && dead < 200, "{dead}");
    assert_eq!((accepted, dropped, lost, delivered), (dead + waiting, 0, 0, 0));
    assert!(target.ids().is_empty());
    started.end().await;
}

#[tokio::test]
async fn rows_set_aside_before_a_crash_are_not_offered_again() {
    let World { bench, script, target, mishaps } = world();
    mishaps.refuse(2);
    script.push(ScriptStep::Rows(numbered([1, 2, 3])));
    // The rest of the batch hangs, so the letters are written and the batch is not delivered.
    mishaps.push(TargetFault::Hang);
    let started = bench.start(ONE).await;
    standing(|| started.health().sinks[0].dead_lettered == 1).await;
    started.end().await;
    assert!(target.ids().is_empty());
    let rest = TargetFaults::none();
    let bench = Bench {
        registry: Bench::new().polled("dtu", &script).target("target", &target, &rest).registry,
        ..bench
    };
    let started = bench.start(ONE).await;
    standing(|| target.ids().starts_with(&[1, 3])).await;
    standing(|| book(&started)[2] == 1 && book(&started)[5] == 0).await;
    started.end().await;
}

#[tokio::test]
async fn a_halted_sink_drops_nothing_and_is_tried_again_after_five_minutes() {
    let World { bench, target, mishaps, .. } = world();
    mishaps.push(TargetFault::Halt);
    let started = bench.start(ONE).await;
    standing(|| started.health().sinks[0].state == SinkState::Halted).await;
    started.clock.wait_for_sleeper_until(SECOND * 300).await;
    let warnings = started.health().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("the password is wrong")), "{warnings:?}");
    started.clock.advance(MINUTE * 4);
    standing(|| started.health().sources[0].success_count == 2).await;
    assert!(target.ids().is_empty());
    started.clock.advance(MINUTE);
    standing(|| target.ids().starts_with(&[1, 2])).await;
    standing(|| started.health().sinks[0].state == SinkState::Delivering).await;
    assert!(started.health().sinks[0].last_error.is_none());
    started.end().await;
}

#[tokio::test]
async fn a_sink_that_is_down_or_hangs_delays_nobody_else() {
    let World { bench, target, mishaps, script } = world();
    let (down, hung) = (TargetFaults::none(), TargetFaults::none());
    down.set_down(true);
    hung.push(TargetFault::Hang);
    let (second, third, fourth) = (MemoryTarget::new(2), MemoryTarget::new(3), CollectingSink::default());
    let bench = bench.target("down", &second, &down).target("hung", &third, &hung);
    let bench = bench.collecting("loose", &fourth, Delivery::AtLeastOnce);
    let started = bench
        .start(
            "
pipeline: test
sources: { DTU: { type: dtu, every: 60s } }
sinks:
  down: { type: down }
  hung: { type: hung }
  store: { type: target }
  loose: { type: loose }
",
        )
        .await;
    for pass in 1..=5 {
        standing(|| target.ids() == up_to(pass) && fourth.ids() == up_to(pass)).await;
        started.clock.wait_for_sleeper_until(MINUTE * u32::try_from(pass).unwrap()).await;
        started.clock.advance(MINUTE);
    }
    assert!(second.ids().is_empty() && third.ids().is_empty());
    down.set_down(false);
    let caught_up = || second.ids().len() >= 5;
    passing(&started.clock, caught_up).await;
    assert!(second.commits() < 5, "a sink that lags merges batches: {} commits", second.commits());
    assert!(!mishaps.are_over() || script.asked().len() >= 5);
    started.end().await;
}

#[tokio::test]
async fn a_restored_target_gets_what_is_retained_again() {
    let World { bench, target, .. } = world();
    let started = bench.start(ONE).await;
    standing(|| target.ids() == [1]).await;
    let backup = target.backup();
    started.clock.wait_for_sleeper_until(MINUTE).await;
    started.clock.advance(MINUTE);
    standing(|| target.ids() == [1, 2]).await;
    started.end().await;
    target.restore(backup);
    let started = bench.start(ONE).await;
    standing(|| target.ids() == up_to(3)).await;
    standing(|| book(&started) == [3, 3, 0, 0, 0, 0]).await;
    started.end().await;
}

#[tokio::test]
async fn another_target_gets_what_is_retained_too() {
    let World { bench, target, script, .. } = world();
    let started = bench.start(ONE).await;
    standing(|| target.ids() == [1]).await;
    started.end().await;
    let other = MemoryTarget::new(2);
    let registry =
        Bench::new().polled("dtu", &script).target("target", &other, &TargetFaults::none()).registry;
    let bench = Bench { registry, ..bench };
    let started = bench.start(ONE).await;
    standing(|| other.ids() == [1, 2]).await;
    assert_eq!(started.health().sinks[0].lost, 0, "nothing is lost by choosing another target");
    started.end().await;
}

#[tokio::test]
async fn a_sink_that_makes_a_part_durable_gets_the_rest_alone() {
    let (script, mishaps) = (Script::counting(), TargetFaults::none());
    let taken = CollectingSink::new(&mishaps);
    let bench = Bench::new().polled("dtu", &script).collecting("target", &taken, Delivery::AtLeastOnce);
    mishaps.set_down(true);
    let started = bench.start(ONE).await;
    passing(&started.clock, || script.asked().len() >= 4).await;
    standing(|| book(&started)[5] >= 4).await;
    for _ in 0..2 {
        mishaps.push(TargetFault::FlushPart);
    }
    mishaps.set_down(false);
    passing(&started.clock, || mishaps.are_over() && taken.ids().len() >= 4 && book(&started)[5] == 0).await;
    started.end().await;
    let ids = taken.ids();
    assert_eq!(ids, up_to(i64::try_from(ids.len()).unwrap()));
}

#[tokio::test]
async fn watermarks_of_forgotten_runs_are_pruned_however_often_that_fails() {
    let World { bench, target, mishaps, .. } = world();
    let started = bench.start(ONE).await;
    standing(|| target.ids() == [1]).await;
    standing(|| book(&started)[5] == 0).await;
    started.end().await;
    let old = target.runs();
    let options = Options {
        path: Some(bench.folder.path().join("test.journal")),
        pipeline: "test".into(),
        max_size: 1 << 30,
        retain: MINUTE,
        on_full: OnFull::Block,
    };
    let now = bench.clock.now();
    let journal = SqliteJournal::open(options, now).await.unwrap();
    journal.maintain(now + MINUTE * 2).await.unwrap();
    let forgotten = journal.maintain(now + MINUTE * 60 * 24 * 401).await.unwrap().forgotten;
    assert_eq!(forgotten.into_iter().collect::<HashSet<_>>(), old);
    drop(journal);
    // The process that forgot them ended before it told the target, which then fails twice.
    mishaps.push(TargetFault::NoForget);
    mishaps.push(TargetFault::NoForget);
    let started = bench.start(ONE).await;
    passing(&started.clock, || old.is_disjoint(&target.runs())).await;
    assert!(mishaps.are_over());
    started.end().await;
}
