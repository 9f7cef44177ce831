//! The source: a pass over the line, decoded.

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use smiles_stage::{Pass, Source, StageError};

use crate::columns::Column;
use crate::connection::Line;
use crate::decode::{Heard, rows};
use crate::poll::{Course, Memories, Outcome, run};

/// One device, polled.
pub(crate) struct Poller {
    /// The source and its address, for messages.
    pub(crate) name: String,
    pub(crate) line: Line,
    pub(crate) keep: bool,
    pub(crate) course: Course,
    pub(crate) memories: Memories,
    pub(crate) columns: Vec<Column>,
    pub(crate) schema: SchemaRef,
}

#[async_trait]
impl Source for Poller {
    async fn next(&mut self) -> Result<Option<Pass>, StageError> {
        let outcome = run(&mut self.line, &self.course, &mut self.memories).await;
        if self.keep {
            self.line.keep();
        } else {
            self.line.close().await;
        }
        self.pass(outcome).map(Some)
    }
}

impl Poller {
    fn pass(&mut self, outcome: Outcome) -> Result<Pass, StageError> {
        let list = self.course.plan.list.as_ref().map(|list| list.block);
        let nothing = if list.is_some() { outcome.records.is_empty() } else { !self.heard(&outcome) };
        if nothing {
            self.memories.doubt();
            let cause = outcome.cause.as_deref().unwrap_or("no record could be read");
            return Err(StageError::retry(format!("{}: {cause}", self.name)));
        }
        let records: Vec<&[u8]> = outcome.records.values().map(Vec::as_slice).collect();
        let heard = Heard { blocks: &outcome.blocks, list, records: &records };
        let rows = rows(&self.schema, &self.columns, heard).map_err(|error| {
            StageError::halt(format!("{}: cannot make rows of the answers", self.name)).because(error)
        })?;
        Ok(Pass { rows, faults: outcome.faults, complete: outcome.complete })
    }

    /// Whether anything came that makes a row of a device without a list.
    fn heard(&self, outcome: &Outcome) -> bool {
        let only_once = self.course.plan.reads.iter().all(|read| read.once);
        outcome.fresh || only_once && outcome.blocks.iter().any(Option::is_some)
    }
}
