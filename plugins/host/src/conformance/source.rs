//! The rules of a source.

use std::sync::mpsc::channel;
use std::time::Duration;

use arrow_array::RecordBatch;
use smiles_stage::{Action, Position, RunId, Seq};

use crate::conformance::subject::{Check, LIMIT, Subject, Verdict};
use crate::instance_handle::{InstanceHandle, PassResult};

pub(super) const CHECKS: &[Check] = &[
    ("passes bring rows of the planned columns", passes),
    ("rows outlive their instance", rows_outlive),
    ("a pass that waits ends when it is cancelled", cancelled_pass),
];

/// One pass; a device that cannot be reached from here says nothing against the plugin.
fn pass(handle: &mut InstanceHandle, limit: Duration) -> Result<Option<RecordBatch>, Verdict> {
    match handle.next(limit) {
        Ok(PassResult::Rows(rows, _) | PassResult::Last(rows, _)) => Ok(Some(rows)),
        Ok(PassResult::Ended) => Ok(None),
        Err(failed) => match failed.error.action() {
            Action::Retry { .. } | Action::Halt if !failed.reopen => {
                Err(Verdict::Skip(format!("it brings nothing here: {}", failed.error)))
            }
            _ => Err(failed.into()),
        },
    }
}

fn passes(subject: &Subject) -> Result<(), Verdict> {
    let (mut handle, _) = subject.bound("passes")?;
    for seq in 1..=3 {
        if pass(&mut handle, LIMIT)?.is_none() {
            return Ok(());
        }
        handle.commit(Position { run: RunId([7; 16]), seq: Seq(seq) })?;
    }
    Ok(())
}

fn rows_outlive(subject: &Subject) -> Result<(), Verdict> {
    let (mut handle, _) = subject.bound("outliving")?;
    let Some(rows) = pass(&mut handle, LIMIT)? else { return Ok(()) };
    let before = format!("{rows:?}");
    handle.close();
    drop(handle);
    if format!("{rows:?}") == before {
        Ok(())
    } else {
        Err("rows changed when the instance closed".to_owned().into())
    }
}

fn cancelled_pass(subject: &Subject) -> Result<(), Verdict> {
    if subject.stage.cancel.is_none() {
        // It need not have one: there is nothing to try.
        return Ok(());
    }
    let (mut handle, cancel) = subject.bound("cancelled")?;
    let (ended, end) = channel::<()>();
    let clock = std::sync::Arc::clone(&subject.clock);
    let begun = clock.monotonic();
    let canceller = std::thread::spawn(move || {
        // Again and again, since the pass may not have begun.
        while end.recv_timeout(Duration::from_millis(20)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            cancel.ask();
        }
    });
    let passed = pass(&mut handle, LIMIT * 4);
    drop(ended);
    drop(canceller.join());
    if clock.monotonic().saturating_sub(begun) > LIMIT * 2 {
        return Err(Verdict::Fail(format!("it was cancelled and did not return within {:?}", LIMIT * 2)));
    }
    passed.map(drop)
}
