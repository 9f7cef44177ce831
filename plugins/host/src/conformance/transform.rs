//! The rules of a transform.

use std::collections::HashMap;
use std::sync::mpsc::channel;

use arrow_array::RecordBatch;
use arrow_array::ffi::FFI_ArrowArray;
use smiles_stage::Action;

use crate::conformance::batches;
use crate::conformance::count::ReleaseCount;
use crate::conformance::subject::{Check, Subject, Verdict, WRITES};
use crate::context::{ApplyState, StateRequest};
use crate::instance_handle::{CallError, InstanceHandle};
use crate::rows::copied;

pub(super) const CHECKS: &[Check] = &[
    ("every type and shape of rows is taken, transformed and released", every_shape),
    ("the rows it is given are left as they were", leaves_rows),
    ("rows come out the same wherever they begin in their memory", any_offset),
    ("the same rows and the same state give the same rows", replay),
    ("rows outlive their instance", rows_outlive),
];

type StoredState = HashMap<Vec<u8>, Vec<u8>>;

/// One batch through, with its state. Rows that it rejects are taken out and the rest comes again, as in a run.
fn apply(
    handle: &mut InstanceHandle,
    rows: &RecordBatch,
    count: &mut ReleaseCount,
    state: &mut StoredState,
) -> Result<RecordBatch, Verdict> {
    let mut rows = rows.clone();
    loop {
        let failed = match once(handle, &rows, count.give(&rows), state) {
            Ok(made) => return Ok(made),
            Err(failed) => failed,
        };
        rows = rest(&rows, failed)?;
    }
}

/// The rows that were not rejected; any other failure is one.
fn rest(rows: &RecordBatch, failed: CallError) -> Result<RecordBatch, Verdict> {
    let rejected: Vec<usize> = match failed.error.action() {
        Action::Reject { rows } => rows.iter().map(|rejection| rejection.row).collect(),
        _ => Vec::new(),
    };
    batches::without(rows, &rejected).ok_or_else(|| failed.into())
}

/// One call.
fn once(
    handle: &mut InstanceHandle,
    rows: &RecordBatch,
    given: FFI_ArrowArray,
    state: &mut StoredState,
) -> Result<RecordBatch, CallError> {
    let (ask, asked) = channel();
    let memory = ApplyState { ask: ask.clone(), puts: HashMap::new() };
    let before = state.clone();
    let answering = std::thread::spawn(move || {
        while let Ok(StateRequest::Get(key, answer)) = asked.recv() {
            // The plugin's thread waits for it.
            drop(answer.send(before.get(&key).cloned()));
        }
    });
    let result = handle.apply_array(given, rows, memory);
    // The thread may have gone already: then there is nothing to end.
    drop(ask.send(StateRequest::Done));
    drop(answering.join());
    let puts = handle.context().puts();
    let made = result?;
    state.extend(puts);
    Ok(made)
}

fn through(subject: &Subject, count: &mut ReleaseCount) -> Result<Vec<RecordBatch>, Verdict> {
    let (mut handle, _) = subject.bound("through")?;
    let mut state = StoredState::new();
    let mut all = Vec::new();
    for (name, rows) in batches::shapes() {
        let made = apply(&mut handle, &rows, count, &mut state);
        all.push(made.map_err(|verdict| match verdict {
            Verdict::Fail(reason) => Verdict::Fail(format!("{name}: {reason}")),
            skip => skip,
        })?);
    }
    Ok(all)
}

fn every_shape(subject: &Subject) -> Result<(), Verdict> {
    let mut count = ReleaseCount::default();
    // Rows that leave may hold those that came: all of them go before the books are looked at.
    let made = through(subject, &mut count).map(drop);
    count.verdict()?;
    made
}

fn leaves_rows(subject: &Subject) -> Result<(), Verdict> {
    let mut count = ReleaseCount::default();
    let (mut handle, _) = subject.bound("leaving")?;
    let mut state = StoredState::new();
    for ((name, rows), (_, before)) in batches::shapes().into_iter().zip(batches::shapes()) {
        let made = once(&mut handle, &rows, count.give(&rows), &mut state);
        if rows != before {
            return Err(Verdict::Fail(format!("{name}: {WRITES}")));
        }
        drop(made);
    }
    Ok(())
}

/// What comes of rows in memory of their own must come of them wherever they are.
fn any_offset(subject: &Subject) -> Result<(), Verdict> {
    let mut count = ReleaseCount::default();
    for (name, part, alone) in batches::offset() {
        let fresh = || subject.bound("offset").map(|(handle, _)| (handle, StoredState::new()));
        let ((mut one, mut kept), (mut other, mut kept_other)) = (fresh()?, fresh()?);
        let expected = apply(&mut one, &alone, &mut count, &mut kept)?;
        let made = apply(&mut other, &part, &mut count, &mut kept_other)?;
        same(name, &expected, &made)?;
    }
    let whole = batches::rows(0, 40, |row| row % 3 == 0);
    let (first, length) = (13, 11);
    let part = copied(&whole.slice(first, length));
    let ((mut one, _), (mut other, _)) = (subject.bound("offset")?, subject.bound("offset")?);
    let expected = once(&mut one, &part, count.give(&part), &mut StoredState::new());
    let made = once(&mut other, &part, count.give_within(&whole, first, length), &mut StoredState::new());
    match (expected, made) {
        (Ok(expected), Ok(made)) => same("an offset in the struct", &expected, &made),
        (Err(expected), Err(made)) if expected.error.action() == made.error.action() => Ok(()),
        (_, Err(failed)) => Err(failed.into()),
        (Err(_), Ok(_)) => {
            Err("an offset in the struct: rows are taken that are rejected elsewhere".to_owned().into())
        }
    }
}

fn same(name: &str, expected: &RecordBatch, made: &RecordBatch) -> Result<(), Verdict> {
    if expected == made {
        return Ok(());
    }
    let advice = "value i of a column is at place `offset` of the struct + `offset` of the column + i";
    Err(Verdict::Fail(format!(
        "{name}: other rows come out than of the same rows in memory of their own ({advice})"
    )))
}

fn replay(subject: &Subject) -> Result<(), Verdict> {
    let mut count = ReleaseCount::default();
    let (first, second) = (through(subject, &mut count)?, through(subject, &mut count)?);
    match first.iter().zip(&second).position(|(first, second)| first != second) {
        None => Ok(()),
        Some(at) => Err(Verdict::Fail(format!("batch {} came out differently the second time", at + 1))),
    }
}

fn rows_outlive(subject: &Subject) -> Result<(), Verdict> {
    let rows = batches::rows(0, 20, |row| row % 5 == 0);
    let (mut handle, _) = subject.bound("outliving")?;
    let made = apply(&mut handle, &rows, &mut ReleaseCount::default(), &mut StoredState::new())?;
    let before = format!("{made:?}");
    handle.close();
    drop(handle);
    if format!("{made:?}") == before {
        Ok(())
    } else {
        Err("rows changed when the instance closed".to_owned().into())
    }
}
