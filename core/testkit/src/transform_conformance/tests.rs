//! Each check passes on a sound transform and fails on one that is broken on purpose.

use arrow_array::Int64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::{DataType, Field, Schema};
use smiles_stage::{OpenContext, Problems, StageError};

use super::*;

/// What is wrong with a running sum.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    None,
    OtherColumns,
    Dropping,
    Random,
    OwnMemory,
    RemembersDiscarded,
    CountsBatches,
    PutsOnEmpty,
}

#[derive(Clone, Copy)]
struct Sum(Flaw, i64);

fn schema(name: &str) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(name, DataType::Int64, false)]))
}

fn numbers(name: &str, values: &[i64]) -> RecordBatch {
    RecordBatch::try_new(schema(name), vec![Arc::new(Int64Array::from(values.to_vec()))]).unwrap()
}

impl TransformPlan for Sum {
    fn wire(&self, _: &SchemaRef) -> Result<Box<dyn WiredTransform>, Problems> {
        Ok(Box::new(*self))
    }
}

impl WiredTransform for Sum {
    fn output(&self) -> SchemaRef {
        schema("sum")
    }

    fn open(&self, _: OpenContext) -> Result<Box<dyn Transform>, StageError> {
        static OPENED: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);
        let opened = OPENED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Box::new(Self(self.0, if self.0 == Flaw::Random { opened } else { 0 })))
    }
}

impl Transform for Sum {
    fn apply(
        &mut self,
        batch: RecordBatch,
        _: &PassInfo,
        state: &mut dyn State,
    ) -> Result<RecordBatch, StageError> {
        let Self(flaw, own) = self;
        let kept = state.get(b"sum").and_then(|bytes| bytes.try_into().ok()).map_or(0, i64::from_le_bytes);
        let mut sum = match *flaw {
            Flaw::OwnMemory | Flaw::RemembersDiscarded if *own > 0 => *own,
            Flaw::Random => kept + *own,
            Flaw::CountsBatches => kept + 1000,
            _ => kept,
        };
        let sums: Vec<i64> = batch
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .map(|value| {
                sum += value;
                sum
            })
            .collect();
        *own = if *flaw == Flaw::OwnMemory || *flaw == Flaw::RemembersDiscarded { sum } else { *own };
        if *flaw != Flaw::OwnMemory && (!sums.is_empty() || *flaw == Flaw::PutsOnEmpty) {
            let more = i64::from(sums.is_empty());
            state.put(b"sum", (sum + more).to_le_bytes().to_vec());
        }
        let name = if *flaw == Flaw::OtherColumns { "total" } else { "sum" };
        let sums = if *flaw == Flaw::Dropping { &sums[..sums.len().saturating_sub(1)] } else { &sums };
        Ok(numbers(name, sums))
    }
}

fn subject(flaw: Flaw) -> Subject {
    Subject {
        plan: Box::new(Sum(flaw, 0)),
        batches: vec![numbers("x", &[1, 2]), numbers("x", &[3]), numbers("x", &[4, 5])],
    }
}

#[test]
fn a_sound_transform_passes() {
    all(&subject(Flaw::None));
}

#[test]
fn every_check_fails_on_a_broken_transform() {
    for (place, flaw) in [
        (0, Flaw::Dropping),
        (0, Flaw::OtherColumns),
        (1, Flaw::Random),
        (2, Flaw::OwnMemory),
        (3, Flaw::RemembersDiscarded),
        (4, Flaw::CountsBatches),
        (5, Flaw::PutsOnEmpty),
    ] {
        let (name, check) = checks()[place];
        let outcome = std::panic::catch_unwind(move || check(&subject(flaw)));
        assert!(outcome.is_err(), "`{name}` passes a transform with the flaw {flaw:?}");
    }
}
