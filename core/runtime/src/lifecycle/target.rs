//! The targets of a pipeline without its sources and journal: for an operator's questions and errands.

use smiles_stage::{Delivery, Migrate, Migrated, Sink, StageError};

use crate::lifecycle::options::{OpenError, RunOptions};
use crate::wire::wired::Wired;

/// An opened sink.
pub struct Target {
    /// Its name in the file.
    pub name: String,
    /// The sink; nothing has been written to it.
    pub sink: Box<dyn Sink>,
}

impl Target {
    /// Gives the sink the watermarks that it left in its target under this name; one that keeps none has nothing to do.
    ///
    /// # Errors
    /// The target could not be changed; nothing was.
    pub async fn rename(&mut self, from: &str) -> Result<(), StageError> {
        match self.sink.upkeep() {
            Some(upkeep) => upkeep.rename(from).await,
            None => Ok(()),
        }
    }
}

impl Wired {
    /// The names of the sinks that have a place in the journal.
    pub fn cursor_names(&self) -> impl Iterator<Item = &str> {
        let sinks = self.pipeline.sinks.iter().zip(&self.sinks);
        let with_cursor = sinks.filter(|(_, sink)| sink.delivery != Delivery::Live);
        with_cursor.map(|(decl, _)| decl.stage.name.as_str())
    }

    /// Opens the sinks of that name and promise that are wanted, and nothing else.
    ///
    /// # Errors
    /// Something local is wrong, as in [`Wired::open`].
    pub async fn targets(
        self,
        options: RunOptions,
        wanted: impl Fn(&str, Delivery) -> bool,
    ) -> Result<Vec<Target>, OpenError> {
        let health_board = self.health_board(&options);
        let mut targets = Vec::new();
        for (decl, wired) in self.pipeline.sinks.iter().zip(self.sinks) {
            // A sink that reads another's store has no table of its own to be asked about.
            if !wanted(&decl.stage.name, wired.delivery) || wired.store.is_some() {
                continue;
            }
            let name = decl.stage.name.clone();
            let context = options.context(&self.pipeline.name, &name, &health_board);
            let opened = wired.sink.open(context, None).await;
            let sink = opened.map_err(|source| OpenError::Stage { stage: name.clone(), source })?.sink;
            targets.push(Target { name, sink });
        }
        Ok(targets)
    }

    /// Migrates every target that has migrations, or says what would be done: by the sink's name. `watch` hears the
    /// name of each before its turn.
    ///
    /// # Errors
    /// The first target that could not be migrated; those before it are.
    pub async fn migrate(
        self,
        options: RunOptions,
        how: &Migrate,
        mut watch: impl FnMut(&str),
    ) -> Result<Vec<(String, Migrated)>, OpenError> {
        let health_board = self.health_board(&options);
        let mut done = Vec::new();
        for (decl, wired) in self.pipeline.sinks.iter().zip(self.sinks) {
            let stage = decl.stage.name.clone();
            watch(&stage);
            let context = options.context(&self.pipeline.name, &stage, &health_board);
            let migrated = wired.sink.migrate(context, how).await;
            let migrated = migrated.map_err(|source| OpenError::Stage { stage: stage.clone(), source })?;
            done.extend(migrated.map(|migrated| (stage, migrated)));
        }
        Ok(done)
    }
}
