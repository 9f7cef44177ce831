//! What every transform must do, as functions a transform's tests call: its memory is its state alone, and the same rows
//! give the same rows, however they are split.
//!
//! The test brings a [`Subject`]: a plan, and rows as they enter it, batch by batch. [`all`] runs every check.

#![expect(clippy::unwrap_used, reason = "a check fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use jiff::Timestamp;
use smiles_stage::{PassInfo, State, Transform, TransformPlan, WiredTransform};

use crate::{ManualClock, open_context};

/// A transform under test.
pub struct Subject {
    /// Its plan.
    pub plan: Box<dyn TransformPlan>,
    /// What enters it, in order; of one schema, with rows in every batch.
    pub batches: Vec<RecordBatch>,
}

/// A check of the battery.
pub type Check = fn(&Subject);

/// Every check with its name.
pub fn checks() -> Vec<(&'static str, Check)> {
    vec![
        ("what leaves has the columns that were wired", what_leaves_has_the_columns_that_were_wired),
        ("the same rows give the same rows", the_same_rows_give_the_same_rows),
        ("nothing but its state lasts", nothing_but_its_state_lasts),
        ("a batch that came to nothing changed nothing", a_batch_that_came_to_nothing_changed_nothing),
        (
            "rows are transformed alike however they are split",
            rows_are_transformed_alike_however_they_are_split,
        ),
        ("an empty batch passes", an_empty_batch_passes),
    ]
}

/// Runs every check.
pub fn all(subject: &Subject) {
    for (_, check) in checks() {
        check(subject);
    }
}

/// The state of one transform: what is kept, and what the batch under way has put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    kept: BTreeMap<Vec<u8>, Vec<u8>>,
    put: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl State for Kept {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.put.get(key).or_else(|| self.kept.get(key)).cloned()
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>) {
        self.put.insert(key.to_vec(), value);
    }
}

impl Kept {
    fn keep(&mut self) {
        let put = std::mem::take(&mut self.put);
        self.kept.extend(put);
    }
}

impl Subject {
    fn wired(&self) -> Box<dyn WiredTransform> {
        match self.plan.wire(&self.input()) {
            Ok(wired) => wired,
            Err(problems) => panic!("the plan does not take its own rows: {problems:?}"),
        }
    }

    fn input(&self) -> SchemaRef {
        self.batches.first().unwrap().schema()
    }

    fn open(&self) -> Box<dyn Transform> {
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        self.wired().open(open_context(Path::new("unused"), clock)).unwrap()
    }

    /// What leaves for these batches, and the state after them. `anew`: the transform is made anew before each.
    fn through(&self, batches: &[RecordBatch], anew: bool) -> (RecordBatch, Kept) {
        let (mut open, mut state) = (self.open(), Kept::default());
        let mut left = Vec::new();
        for batch in batches {
            if anew {
                open = self.open();
            }
            left.push(apply(open.as_mut(), batch, &mut state));
            state.keep();
        }
        let schema = self.wired().output();
        (concat_batches(&schema, &left).unwrap(), state)
    }
}

fn apply(open: &mut dyn Transform, batch: &RecordBatch, state: &mut Kept) -> RecordBatch {
    let pass = PassInfo::new("device", Timestamp::UNIX_EPOCH, true);
    if !open.remembers(state) {
        open.recall(&[], &pass, state).unwrap();
    }
    open.apply(batch.clone(), &pass, state).unwrap()
}

fn what_leaves_has_the_columns_that_were_wired(subject: &Subject) {
    let left = apply(subject.open().as_mut(), &subject.batches[0], &mut Kept::default());
    assert_eq!(left.schema(), subject.wired().output());
    assert_eq!(left.num_rows(), subject.batches[0].num_rows(), "a transform maps rows to rows");
}

fn the_same_rows_give_the_same_rows(subject: &Subject) {
    let (first, second) =
        (subject.through(&subject.batches, false), subject.through(&subject.batches, false));
    assert_eq!(first, second, "a second time the same rows gave others");
}

fn nothing_but_its_state_lasts(subject: &Subject) {
    let (kept, anew) = (subject.through(&subject.batches, false), subject.through(&subject.batches, true));
    assert_eq!(kept, anew, "a transform that was made anew gave other rows");
}

fn a_batch_that_came_to_nothing_changed_nothing(subject: &Subject) {
    let (mut open, mut state) = (subject.open(), Kept::default());
    let mut left = Vec::new();
    for batch in &subject.batches {
        apply(open.as_mut(), batch, &mut state);
        state.put.clear();
        left.push(apply(open.as_mut(), batch, &mut state));
        state.keep();
    }
    let (expected, _) = subject.through(&subject.batches, false);
    let schema = subject.wired().output();
    assert_eq!(concat_batches(&schema, &left).unwrap(), expected, "a discarded batch left something behind");
}

fn rows_are_transformed_alike_however_they_are_split(subject: &Subject) {
    let rows = |batch: &RecordBatch| (0..batch.num_rows()).map(|row| batch.slice(row, 1)).collect::<Vec<_>>();
    let split: Vec<RecordBatch> = subject.batches.iter().flat_map(rows).collect();
    let (whole, one_by_one) = (subject.through(&subject.batches, false), subject.through(&split, false));
    assert_eq!(whole, one_by_one, "row by row the same rows gave others");
}

fn an_empty_batch_passes(subject: &Subject) {
    let empty = subject.batches[0].slice(0, 0);
    let (left, state) = subject.through(std::slice::from_ref(&empty), false);
    assert_eq!((left.num_rows(), left.schema()), (0, subject.wired().output()));
    let mut batches = subject.batches.clone();
    batches.insert(1, empty);
    let (with, without) = (subject.through(&batches, false), subject.through(&subject.batches, false));
    // That a poll brought no rows may be remembered.
    assert_eq!(with.0, without.0, "a batch without rows changed what came after it");
    assert!(state.put.is_empty());
}

#[cfg(test)]
mod tests;
