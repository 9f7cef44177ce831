//! The battery passes on a sound source, and each check fails on one broken in its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use smiles_stage::{Cadence, StageError};

use super::*;
use crate::{ManualClock, ids, numbered, numbered_schema, open_context};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    OtherSchema,
    NoAddress,
    RefusesCommits,
    LosesAbandonedRows,
    PretendsToHear,
    NeverHeals,
}

struct Counter {
    flaw: Option<Flaw>,
    reachable: Arc<AtomicBool>,
}

struct Counting {
    flaw: Option<Flaw>,
    reachable: Arc<AtomicBool>,
    next: i64,
    failed: bool,
}

fn counter(flaw: Option<Flaw>) -> Counter {
    Counter { flaw, reachable: Arc::new(AtomicBool::new(true)) }
}

#[async_trait]
impl SourcePlan for Counter {
    fn output(&self) -> SchemaRef {
        numbered_schema()
    }

    fn cadence(&self) -> Cadence {
        Cadence::Streamed
    }

    fn address(&self) -> String {
        if self.flaw == Some(Flaw::NoAddress) { String::new() } else { "count://".into() }
    }

    async fn open(&self, _context: OpenContext) -> Result<Box<dyn Source>, StageError> {
        let reachable = Arc::clone(&self.reachable);
        Ok(Box::new(Counting { flaw: self.flaw, reachable, next: 1, failed: false }))
    }
}

#[async_trait]
impl Source for Counting {
    async fn next(&mut self) -> Result<Option<Pass>, StageError> {
        let (flaw, reachable) = (self.flaw, self.reachable.load(Ordering::Relaxed));
        let dead = flaw == Some(Flaw::NeverHeals) && self.failed;
        if (!reachable && flaw != Some(Flaw::PretendsToHear)) || dead {
            self.failed = true;
            return Err(StageError::retry("nobody counts"));
        }
        let next = self.next;
        if flaw == Some(Flaw::LosesAbandonedRows) {
            self.next += 1;
        }
        tokio::task::yield_now().await;
        self.next = next + 1;
        Ok(Some(Pass { rows: rows(flaw, next), faults: Vec::new(), complete: true }))
    }

    async fn commit(&mut self, _position: Position) -> Result<(), StageError> {
        let refuses = self.flaw == Some(Flaw::RefusesCommits);
        if refuses { Err(StageError::retry("no commits here")) } else { Ok(()) }
    }
}

fn rows(flaw: Option<Flaw>, id: i64) -> RecordBatch {
    if flaw == Some(Flaw::OtherSchema) {
        let field = arrow_schema::Field::new("number", arrow_schema::DataType::Int64, true);
        let schema = Arc::new(arrow_schema::Schema::new(vec![field]));
        return RecordBatch::try_new(schema, numbered([id]).columns().to_vec()).unwrap();
    }
    numbered([id])
}

#[async_trait]
impl Subject for Counter {
    fn plan(&self) -> &dyn SourcePlan {
        self
    }

    fn context(&self) -> OpenContext {
        open_context(std::path::Path::new("."), Arc::new(ManualClock::new()))
    }

    async fn set_reachable(&self, reachable: bool) -> bool {
        self.reachable.store(reachable, Ordering::Relaxed);
        true
    }

    fn names(&self, pass: &Pass) -> Vec<String> {
        ids(&pass.rows).iter().map(ToString::to_string).collect()
    }
}

#[tokio::test]
async fn a_sound_source_passes() {
    all(async || counter(None)).await;
}

#[tokio::test]
#[should_panic(expected = "in the schema of the plan")]
async fn another_schema_is_found() {
    rows_fit_the_plan(&counter(Some(Flaw::OtherSchema))).await;
}

#[test]
#[should_panic(expected = "names what it talks to")]
fn a_missing_address_is_found() {
    the_plan_names_what_it_talks_to(&counter(Some(Flaw::NoAddress)));
}

#[tokio::test]
#[should_panic(expected = "a commit is taken")]
async fn a_refused_commit_is_found() {
    a_commit_is_taken(&counter(Some(Flaw::RefusesCommits))).await;
}

#[tokio::test]
#[should_panic(expected = "lost or repeated")]
async fn lost_rows_are_found() {
    an_abandoned_pass_loses_nothing(&counter(Some(Flaw::LosesAbandonedRows))).await;
}

#[tokio::test]
#[should_panic(expected = "an unreachable device brought a pass")]
async fn invented_rows_are_found() {
    a_failure_is_an_error_and_heals(&counter(Some(Flaw::PretendsToHear))).await;
}

#[tokio::test]
#[should_panic(expected = "heard again")]
async fn a_source_that_stays_dead_is_found() {
    a_failure_is_an_error_and_heals(&counter(Some(Flaw::NeverHeals))).await;
}
