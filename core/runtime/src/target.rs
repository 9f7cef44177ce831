//! The targets of a pipeline without its sources and journal: for asking what they hold.

use std::sync::Arc;

use smiles_stage::{Delivery, HealthView, OpenContext, Sink};

use crate::board::Board;
use crate::open::{OpenError, RunOptions};
use crate::wire::Wired;

/// A sink that keeps a watermark, opened to be asked for it.
pub struct Target {
    /// Its name in the file.
    pub name: String,
    /// The sink; nothing has been written to it.
    pub sink: Box<dyn Sink>,
}

impl Wired {
    /// Opens the sinks that keep a watermark, and nothing else.
    ///
    /// # Errors
    /// Something local is wrong, as in [`Wired::open`].
    pub async fn targets(self, options: RunOptions) -> Result<Vec<Target>, OpenError> {
        let board = self.board(&options);
        let mut targets = Vec::new();
        for (decl, wired) in self.pipeline.sinks.iter().zip(self.sinks) {
            // A sink that reads another's store has no table of its own to be asked about.
            if wired.plan.delivery() != Delivery::Transactional || wired.store.is_some() {
                continue;
            }
            let health: Arc<dyn HealthView> = Arc::<Board>::clone(&board);
            let name = decl.stage.name.clone();
            let context = OpenContext {
                pipeline: self.pipeline.name.clone(),
                stage: name.clone(),
                data_dir: options.data_dir.clone(),
                clock: Arc::clone(&options.clock),
                meters: options.meters.registry().clone(),
                health,
                every: None,
            };
            let opened = wired.plan.open(context, None).await;
            let sink = opened.map_err(|source| OpenError::Stage { stage: name.clone(), source })?.sink;
            targets.push(Target { name, sink });
        }
        Ok(targets)
    }
}
