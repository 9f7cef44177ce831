//! The one connection that writes: opening it, and what it knows of the target.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;
use smiles_stage::{Clock, RunId, Seq, StageError, TargetId, Watermark};
use smiles_store::{Migration, create};
use smiles_tables::{Mode, TablesPlan};

use crate::error::stage_error;
use crate::file::{FileId, Location, file_id, open_writer};
use crate::sql::SqliteDialect;
use crate::watermark::{self, Owner};
use crate::{migrate, sql};

/// Everything a connection is made from.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) location: Location,
    pub(crate) owner: Owner,
    pub(crate) tables: Arc<TablesPlan>,
    pub(crate) migrations: Vec<Migration>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// An open connection whose tables fit the mapping.
pub(crate) struct Writer {
    pub(crate) settings: Arc<Settings>,
    pub(crate) connection: Connection,
    pub(crate) target: TargetId,
    /// Where the watermarks of the runs asked for stand, as far as this connection was told.
    pub(crate) known: HashMap<RunId, Seq>,
    file: Option<FileId>,
}

impl Writer {
    /// Opens the file, applies migrations, makes missing tables and checks that all columns are there.
    ///
    /// # Errors
    /// Halt where the file or its tables are wrong, else retry.
    pub(crate) fn connect(settings: Arc<Settings>) -> Result<Self, StageError> {
        let path = &settings.location.path;
        let mut connection = open_writer(&settings.location)?;
        let file = file_id(path);
        let target = watermark::target(&mut connection)
            .map_err(|error| stage_error(path, "prepare", error))?
            .ok_or_else(|| StageError::retry(format!("cannot name {}: no random numbers", path.display())))?;
        let now = settings.clock.now().to_string();
        migrate::apply(&mut connection, path, &settings.migrations, &now)?;
        prepare(&connection, &settings.tables).map_err(|error| stage_error(path, "prepare", error))?;
        Ok(Self { connection, target, known: HashMap::new(), file, settings })
    }

    /// Whether the file at the path is still the one that is open.
    ///
    /// # Errors
    /// Retry: it was removed or replaced.
    pub(crate) fn still_there(&self) -> Result<(), StageError> {
        let path = &self.settings.location.path;
        if self.file == file_id(path) {
            return Ok(());
        }
        Err(StageError::retry(format!("{} was removed or replaced while it was open", path.display())))
    }

    /// Asks for a run's watermark.
    ///
    /// # Errors
    /// As [`stage_error`].
    pub(crate) fn ask(&mut self, run: RunId) -> Result<Watermark, StageError> {
        let settings = &self.settings;
        let seq = watermark::read(&self.connection, &settings.owner, run)
            .map_err(|error| stage_error(&settings.location.path, "ask", error))?;
        self.known.insert(run, seq);
        Ok(Watermark { target: self.target, seq })
    }

    /// Takes over the watermarks of a former name.
    ///
    /// # Errors
    /// As [`stage_error`].
    pub(crate) fn rename(&mut self, from: &str) -> Result<(), StageError> {
        self.known.clear();
        let settings = &self.settings;
        watermark::rename(&mut self.connection, &settings.owner, from)
            .map_err(|error| stage_error(&settings.location.path, "write", error))
    }

    /// Removes watermarks.
    ///
    /// # Errors
    /// As [`stage_error`].
    pub(crate) fn forget(&mut self, runs: &[RunId]) -> Result<(), StageError> {
        for run in runs {
            self.known.remove(run);
        }
        let settings = &self.settings;
        watermark::forget(&mut self.connection, &settings.owner, runs)
            .map_err(|error| stage_error(&settings.location.path, "write", error))
    }
}

/// Preparing every statement is the check that tables and columns are there.
fn prepare(connection: &Connection, tables: &TablesPlan) -> rusqlite::Result<()> {
    for table in &tables.tables {
        if table.create {
            connection.execute_batch(&create(table, &SqliteDialect))?;
            if let Some(index) = sql::index(table) {
                connection.execute_batch(&index)?;
            }
        }
        if table.mode != Mode::Read {
            connection.prepare_cached(&sql::insert(table))?;
        }
    }
    Ok(())
}
