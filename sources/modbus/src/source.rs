//! The source: polls the device and decodes the answers.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use smiles_stage::{Pass, Source, StageError};

use crate::decode::{PollData, rows};
use crate::pass::{Clients, PollMemory, PollOutcome, PollPlan, run};
use crate::refusals::Refusals;

/// One device, polled.
pub(crate) struct Poller {
    /// The source and its address, for messages.
    pub(crate) name: String,
    pub(crate) clients: Clients,
    pub(crate) refusals: Refusals,
    pub(crate) plan: PollPlan,
    pub(crate) memory: PollMemory,
}

#[async_trait]
impl Source for Poller {
    async fn next(&mut self) -> Result<Option<Pass>, StageError> {
        let outcome = self.poll().await;
        self.pass(outcome).map(Some)
    }
}

impl Poller {
    pub(crate) async fn poll(&mut self) -> PollOutcome {
        run(&mut self.clients, &self.plan, &mut self.memory).await
    }

    fn pass(&mut self, outcome: PollOutcome) -> Result<Pass, StageError> {
        let rows = if self.has_rows(&outcome) {
            let lists = self.plan.device.requests.lists.iter().zip(&outcome.lists);
            let lists: Vec<_> = lists
                .map(|(list, records)| (list.block, records.values().map(Vec::as_slice).collect()))
                .collect();
            let data = PollData { blocks: &outcome.blocks, lists: &lists };
            let plan = &self.plan.device;
            let mut refused = Vec::new();
            let rows = rows(&plan.schema, &plan.columns, data, &mut refused).map_err(|error| {
                StageError::halt(format!("{}: cannot make rows of the answers", self.name)).because(error)
            })?;
            self.refusals.count(refused.iter().map(|column| column.arrow.name().as_str()));
            rows
        } else if self.was_due(&outcome) {
            self.memory.read_all_again();
            let cause = outcome.cause.as_deref().unwrap_or("no record could be read");
            return Err(StageError::retry(format!("{}: {cause}", self.name)));
        } else {
            RecordBatch::new_empty(SchemaRef::clone(&self.plan.device.schema))
        };
        Ok(Pass { rows, faults: outcome.faults, complete: outcome.complete })
    }

    /// Whether anything came that makes a row: a record, or, of a device without a list, a block that was asked now.
    fn has_rows(&self, outcome: &PollOutcome) -> bool {
        if !outcome.lists.is_empty() {
            return outcome.lists.iter().any(|records| !records.is_empty());
        }
        let only_once = self.plan.device.requests.reads.iter().all(|read| read.once);
        outcome.fresh || only_once && outcome.blocks.iter().any(Option::is_some)
    }

    /// Whether rows were to be expected of this pass: blocks may have periods of their own.
    fn was_due(&self, outcome: &PollOutcome) -> bool {
        if outcome.lists.is_empty() { outcome.due } else { outcome.lists_due }
    }
}
