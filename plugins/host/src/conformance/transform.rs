//! The rules of a transform.

use std::collections::HashMap;
use std::sync::mpsc::channel;

use arrow_array::RecordBatch;

use super::count::Count;
use super::{Check, Subject, Verdict, batches};
use crate::context::{Asked, Memory};
use crate::held::Held;

pub(super) const CHECKS: &[Check] = &[
    ("every type and shape of rows is taken, transformed and released", every_shape),
    ("the same rows and the same state give the same rows", replay),
    ("rows outlive their instance", rows_outlive),
];

type Kept = HashMap<Vec<u8>, Vec<u8>>;

/// One batch through, with its state.
fn apply(
    held: &mut Held,
    rows: &RecordBatch,
    count: &mut Count,
    state: &mut Kept,
) -> Result<RecordBatch, Verdict> {
    let (ask, asked) = channel();
    let memory = Memory { ask: ask.clone(), puts: HashMap::new() };
    let before = state.clone();
    let answering = std::thread::spawn(move || {
        while let Ok(Asked::Get(key, answer)) = asked.recv() {
            // The plugin's thread waits for it.
            drop(answer.send(before.get(&key).cloned()));
        }
    });
    let result = held.apply_array(count.give(rows), rows, memory);
    // The thread may have gone already: then there is nothing to end.
    drop(ask.send(Asked::Done));
    drop(answering.join());
    state.extend(held.context().puts());
    Ok(result?)
}

fn through(subject: &Subject, count: &mut Count) -> Result<Vec<RecordBatch>, Verdict> {
    let (mut held, _) = subject.bound("through")?;
    let mut state = Kept::new();
    let mut all = Vec::new();
    for (name, rows) in batches::shapes() {
        let made = apply(&mut held, &rows, count, &mut state);
        all.push(made.map_err(|verdict| match verdict {
            Verdict::Fail(reason) => Verdict::Fail(format!("{name}: {reason}")),
            skip => skip,
        })?);
    }
    Ok(all)
}

fn every_shape(subject: &Subject) -> Result<(), Verdict> {
    let mut count = Count::default();
    // Rows that leave may hold those that came: all of them go before the books are looked at.
    let made = through(subject, &mut count).map(drop);
    count.verdict()?;
    made
}

fn replay(subject: &Subject) -> Result<(), Verdict> {
    let mut count = Count::default();
    let (first, second) = (through(subject, &mut count)?, through(subject, &mut count)?);
    match first.iter().zip(&second).position(|(first, second)| first != second) {
        None => Ok(()),
        Some(at) => Err(Verdict::Fail(format!("batch {} came out differently the second time", at + 1))),
    }
}

fn rows_outlive(subject: &Subject) -> Result<(), Verdict> {
    let rows = batches::rows(0, 20, |row| row % 5 == 0);
    let (mut held, _) = subject.bound("outliving")?;
    let made = apply(&mut held, &rows, &mut Count::default(), &mut Kept::new())?;
    let before = format!("{made:?}");
    held.close();
    drop(held);
    if format!("{made:?}") == before {
        Ok(())
    } else {
        Err("rows changed when the instance closed".to_owned().into())
    }
}
