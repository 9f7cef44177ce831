//! The source: polls the device and decodes the answers.

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use smiles_stage::{Pass, Source, StageError};

use crate::columns::Column;
use crate::connection::DeviceConnection;
use crate::decode::{PollData, rows};
use crate::poll::{PollMemory, PollOutcome, PollPlan, run};

/// One device, polled.
pub(crate) struct Poller {
    /// The source and its address, for messages.
    pub(crate) name: String,
    pub(crate) connection: DeviceConnection,
    pub(crate) keep: bool,
    pub(crate) plan: PollPlan,
    pub(crate) memory: PollMemory,
    pub(crate) columns: Vec<Column>,
    pub(crate) schema: SchemaRef,
}

#[async_trait]
impl Source for Poller {
    async fn next(&mut self) -> Result<Option<Pass>, StageError> {
        let outcome = run(&mut self.connection, &self.plan, &mut self.memory).await;
        if self.keep {
            self.connection.keep();
        } else {
            self.connection.close().await;
        }
        self.pass(outcome).map(Some)
    }
}

impl Poller {
    fn pass(&mut self, outcome: PollOutcome) -> Result<Pass, StageError> {
        let list = self.plan.requests.list.as_ref().map(|list| list.block);
        let nothing = if list.is_some() { outcome.records.is_empty() } else { !self.has_data(&outcome) };
        if nothing {
            self.memory.read_all_again();
            let cause = outcome.cause.as_deref().unwrap_or("no record could be read");
            return Err(StageError::retry(format!("{}: {cause}", self.name)));
        }
        let records: Vec<&[u8]> = outcome.records.values().map(Vec::as_slice).collect();
        let data = PollData { blocks: &outcome.blocks, list, records: &records };
        let rows = rows(&self.schema, &self.columns, data).map_err(|error| {
            StageError::halt(format!("{}: cannot make rows of the answers", self.name)).because(error)
        })?;
        Ok(Pass { rows, faults: outcome.faults, complete: outcome.complete })
    }

    /// Whether any data came that make a row of a device without a list.
    fn has_data(&self, outcome: &PollOutcome) -> bool {
        let only_once = self.plan.requests.reads.iter().all(|read| read.once);
        outcome.fresh || only_once && outcome.blocks.iter().any(Option::is_some)
    }
}
