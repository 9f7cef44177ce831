//! The rules of a sink.

use arrow_array::RecordBatch;
use smiles_stage::{Action, Position, RunId, Seq};

use crate::conformance::batches;
use crate::conformance::count::ReleaseCount;
use crate::conformance::subject::{Check, LIMIT, Subject, Verdict, WRITES};
use crate::instance_handle::{CallError, InstanceHandle};

pub(super) const CHECKS: &[Check] = &[
    ("every type and shape of rows is taken and released", every_shape),
    ("the rows it is given are left as they were", leaves_rows),
    ("a flush of nothing succeeds", empty_flush),
    ("a flush says exactly what was written", honest_flush),
    ("rows that were not flushed are released when it closes", closes_with_rows),
    ("cancel is harmless when nothing runs", cancel_when_idle),
];

const RUN: RunId = RunId([7; 16]);

fn at(seq: u64) -> Position {
    Position { run: RUN, seq: Seq(seq) }
}

/// A target that cannot be reached from here says nothing against the plugin.
fn reachable<T>(result: Result<T, CallError>) -> Result<T, Verdict> {
    result.map_err(|failed| match failed.error.action() {
        Action::Retry { .. } | Action::Halt if !failed.reopen => {
            Verdict::Skip(format!("cannot write to the target: {}", failed.error))
        }
        _ => Verdict::Fail(failed.error.to_string()),
    })
}

/// The watermark is asked first, as the runtime does; a fresh run for each check.
fn asked(handle: &mut InstanceHandle, run: RunId) -> Result<Option<Seq>, Verdict> {
    Ok(reachable(handle.watermark(run))?.map(|watermark| watermark.seq))
}

fn every_shape(subject: &Subject) -> Result<(), Verdict> {
    let mut count = ReleaseCount::default();
    let written = shapes_written(subject, &mut count);
    count.verdict()?;
    written
}

fn shapes_written(subject: &Subject, count: &mut ReleaseCount) -> Result<(), Verdict> {
    let (mut handle, _) = subject.bound("shapes")?;
    asked(&mut handle, RUN)?;
    for (seq, (name, rows)) in (1..).zip(batches::shapes()) {
        let written = written(&mut handle, vec![(rows, at(seq))], count);
        let reached = written.map_err(|verdict| named(name, verdict))?;
        if reached != Some(at(seq)) {
            return Err(Verdict::Fail(format!(
                "{name}: the flush says {reached:?}, the batch is {:?}",
                at(seq)
            )));
        }
    }
    Ok(())
}

/// Batches written and flushed. Rows that it rejects are taken out and all of it comes again, as in a run.
fn written(
    handle: &mut InstanceHandle,
    mut batches: Vec<(RecordBatch, Position)>,
    count: &mut ReleaseCount,
) -> Result<Option<Position>, Verdict> {
    loop {
        let mut each = batches.iter();
        let taken = each.try_for_each(|(rows, at)| handle.write_array(count.give(rows), *at));
        let failed = match taken.and_then(|()| handle.flush(LIMIT)) {
            Ok(reached) => return Ok(reached),
            Err(failed) => failed,
        };
        let rejected = match failed.error.action() {
            Action::Reject { rows } => rows.clone(),
            _ => return reachable(Err(failed)),
        };
        let mut fewer = false;
        for (batch, (rows, _)) in batches.iter_mut().enumerate() {
            let own = rejected.iter().filter(|rejection| rejection.batch == batch);
            let own: Vec<usize> = own.map(|rejection| rejection.row).collect();
            if let Some(rest) = batches::without(rows, &own) {
                (*rows, fewer) = (rest, true);
            }
        }
        if !fewer {
            return Err(failed.into());
        }
    }
}

/// Also of rows that its target does not take.
fn leaves_rows(subject: &Subject) -> Result<(), Verdict> {
    let mut count = ReleaseCount::default();
    let (mut handle, _) = subject.bound("leaving")?;
    let run = RunId([12; 16]);
    asked(&mut handle, run)?;
    let mut answer = Ok(None);
    for (seq, ((name, rows), (_, before))) in (1..).zip(batches::shapes().into_iter().zip(batches::shapes()))
    {
        let at = Position { run, seq: Seq(seq) };
        answer = handle.write_array(count.give(&rows), at).and_then(|()| handle.flush(LIMIT));
        if rows != before {
            return Err(Verdict::Fail(format!("{name}: {WRITES}")));
        }
        if answer.is_err() {
            break;
        }
    }
    match answer {
        Err(failed) if !matches!(failed.error.action(), Action::Reject { .. }) => reachable(Err(failed)),
        _ => Ok(()),
    }
}

fn named(name: &str, verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Fail(reason) => Verdict::Fail(format!("{name}: {reason}")),
        skip => skip,
    }
}

fn empty_flush(subject: &Subject) -> Result<(), Verdict> {
    let (mut handle, _) = subject.bound("empty")?;
    let run = RunId([8; 16]);
    asked(&mut handle, run)?;
    match reachable(handle.flush(LIMIT))? {
        None => Ok(()),
        Some(reached) => Err(Verdict::Fail(format!("nothing was written and the flush says {reached}"))),
    }
}

fn honest_flush(subject: &Subject) -> Result<(), Verdict> {
    let (mut handle, _) = subject.bound("honest")?;
    let run = RunId([9; 16]);
    let before = asked(&mut handle, run)?;
    let position = |seq: u64| Position { run, seq: Seq(seq) };
    let three = [1, 2, 3].map(|seq| (batches::rows(0, 3, |_| false), position(seq)));
    let reached = written(&mut handle, three.into(), &mut ReleaseCount::default())?;
    if reached != Some(position(3)) {
        return Err(Verdict::Fail(format!("three batches were written and the flush says {reached:?}")));
    }
    let after = asked(&mut handle, run)?;
    if after.is_some() && after != Some(Seq(3)) {
        return Err(Verdict::Fail(format!("the watermark went from {before:?} to {after:?} and not to 3")));
    }
    Ok(())
}

fn closes_with_rows(subject: &Subject) -> Result<(), Verdict> {
    let mut count = ReleaseCount::default();
    let (mut handle, _) = subject.bound("unflushed")?;
    let run = RunId([10; 16]);
    asked(&mut handle, run)?;
    let given = count.give(&batches::rows(0, 5, |row| row == 2));
    let taken = handle.write_array(given, Position { run, seq: Seq(1) });
    handle.close();
    count.verdict()?;
    match taken {
        Err(failed) if matches!(failed.error.action(), Action::Reject { .. }) => Ok(()),
        taken => reachable(taken),
    }
}

fn cancel_when_idle(subject: &Subject) -> Result<(), Verdict> {
    let (mut handle, cancel) = subject.bound("cancelled")?;
    cancel.ask();
    let run = RunId([11; 16]);
    asked(&mut handle, run)?;
    let one = (batches::rows(0, 1, |_| false), Position { run, seq: Seq(1) });
    written(&mut handle, vec![one], &mut ReleaseCount::default())?;
    cancel.ask();
    handle.close();
    cancel.ask();
    Ok(())
}
