//! One write: the rows of all tables and the watermark in one transaction, or nothing.

use std::sync::Arc;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use smiles_stage::tables::{Mode, Part, Piece, Rejected, merge};
use smiles_stage::{Batch, RunId, Seq, StageError};

use crate::bind::{Binder, RowError};
use crate::error::{code, rejects_row, told};
use crate::writer::{Settings, Writer};
use crate::{sql, watermark};

/// Stores consecutive batches of one run; `late`: rows whose polls are stored already, but for them.
///
/// # Errors
/// Reject with the rows that can never be stored; retry when another process moved the watermark; else as
/// [`told`]. Nothing is stored then.
pub(crate) fn store(writer: &mut Writer, batches: &[Batch], late: bool) -> Result<(), StageError> {
    let Some(last) = batches.last() else { return Ok(()) };
    let (run, seq) = (last.position.run, last.position.seq);
    let settings = Arc::clone(&writer.settings);
    let Some(expected) = writer.known.get(&run).copied() else {
        return Err(StageError::retry("the watermark of this run must be asked for first"));
    };
    let insert = if late { sql::insert_late } else { sql::insert };
    let parts = settings.tables.project(batches)?.into_iter();
    let parts = parts.map(|part| Insert { sql: insert(part.table), part }).collect();
    let write = Write { settings: &settings, run, expected, seq, parts, batches: batches.len() };
    if !write.merged(&mut writer.connection)? {
        write.row_by_row(&mut writer.connection)?;
    }
    writer.known.insert(run, seq);
    Ok(())
}

/// The rows of one table, and the statement that writes one.
struct Insert<'a> {
    part: Part<'a>,
    sql: String,
}

struct Write<'a> {
    settings: &'a Settings,
    run: RunId,
    expected: Seq,
    seq: Seq,
    parts: Vec<Insert<'a>>,
    batches: usize,
}

impl Write<'_> {
    fn tell(&self, error: rusqlite::Error) -> StageError {
        told(&self.settings.location.path, "write", error)
    }

    /// Begins the transaction by moving the watermark: who comes second finds it moved before any row.
    fn begin<'c>(&self, connection: &'c mut Connection) -> Result<Transaction<'c>, StageError> {
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|error| self.tell(error))?;
        let owner = &self.settings.owner;
        let moved = watermark::advance(&transaction, owner, self.run, self.expected, self.seq);
        if moved.map_err(|error| self.tell(error))? {
            return Ok(transaction);
        }
        Err(StageError::retry(format!(
            "another process delivered batches of this run to {} meanwhile; asking again where it stands",
            self.settings.location.path.display()
        )))
    }

    /// The fast way: every table at once, rows of one key folded. `false`: a row was refused, nothing is stored.
    fn merged(&self, connection: &mut Connection) -> Result<bool, StageError> {
        let transaction = self.begin(connection)?;
        for part in &self.parts {
            match part.write(&transaction) {
                Ok(()) => {}
                Err(error) if is_about_the_row(&error) => return Ok(false),
                Err(RowError::Sqlite(error)) => return Err(self.tell(error)),
                Err(RowError::Year) => return Ok(false),
            }
        }
        transaction.commit().map_err(|error| self.tell(error)).map(|()| true)
    }

    /// The slow way, in journal order: finds every row that is refused. Stores all if there is none.
    fn row_by_row(&self, connection: &mut Connection) -> Result<(), StageError> {
        let transaction = self.begin(connection)?;
        let mut rejected = Rejected::default();
        let order = (0..self.batches).flat_map(|batch| self.parts.iter().map(move |part| (batch, part)));
        for (batch, part) in order {
            // A trigger that rolled everything back leaves no parents: what follows would be blamed for it.
            if transaction.is_autocommit() {
                break;
            }
            part.try_batch(&transaction, batch, &mut rejected).map_err(|error| self.tell(error))?;
        }
        rejected.finish()?;
        transaction.commit().map_err(|error| self.tell(error))
    }
}

impl Insert<'_> {
    fn write(&self, connection: &Connection) -> Result<(), RowError> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        let folded;
        let batches: Vec<_> = if self.part.table.mode() == Mode::Upsert {
            folded = merge(self.part.table, &self.part.records());
            vec![&folded]
        } else {
            self.part.records()
        };
        for records in batches {
            let mut binder = Binder::new(records);
            (0..records.num_rows()).try_for_each(|row| binder.execute(&mut statement, row))?;
        }
        Ok(())
    }

    /// Writes the rows of one batch; a refused statement undoes itself only.
    fn try_batch(
        &self,
        connection: &Connection,
        batch: usize,
        rejected: &mut Rejected,
    ) -> Result<(), rusqlite::Error> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        let of_batch = |piece: &&Piece| piece.origin.iter().any(|place| place.0 == batch);
        let Some(piece) = self.part.pieces.iter().find(of_batch) else { return Ok(()) };
        let mut binder = Binder::new(&piece.records);
        for (row, &place) in piece.origin.iter().enumerate().filter(|(_, place)| place.0 == batch) {
            if rejected.has(place) || connection.is_autocommit() {
                continue;
            }
            match binder.execute(&mut statement, row) {
                Ok(()) => {}
                Err(RowError::Sqlite(error)) if rejects_row(&error) => {
                    // SQLite's sentence names table and columns, never a value.
                    let reason = format!("table `{}` refused the row: {error}", self.part.table.name());
                    rejected.add(place, code(&error), reason);
                }
                Err(RowError::Sqlite(error)) => return Err(error),
                Err(RowError::Year) => {
                    let reason = format!(
                        "an instant for table `{}` is outside of years 0 to 9999",
                        self.part.table.name()
                    );
                    rejected.add(place, "out_of_range", reason);
                }
            }
        }
        Ok(())
    }
}

fn is_about_the_row(error: &RowError) -> bool {
    match error {
        RowError::Sqlite(error) => rejects_row(error),
        RowError::Year => true,
    }
}
