//! One attempt to write: a transaction with rows and watermark.

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, Statement, Transaction, TransactionBehavior};
use smiles_stage::{RunId, Seq, StageError};
use smiles_store::{Part, Rejected, Swallowed, latest};
use smiles_tables::{Mode, Piece, RowAddress, TablePlan, merge, write_time};

use crate::attribution::Culprit;
use crate::bind::{Binder, RowError};
use crate::error::{code, failure_code, stage_error};
use crate::writer::Settings;
use crate::{attribution, kept, watermark};

/// The rows of one table, and the statement that writes one.
pub(crate) struct Insert<'a> {
    pub(crate) part: Part<'a>,
    pub(crate) sql: String,
    /// Whether its rows come after the rest of their poll.
    pub(crate) late: bool,
    /// The latest time that a stored row can have.
    pub(crate) latest: Option<Timestamp>,
}

impl Insert<'_> {
    /// What the statement takes beside the row; it stays bound from row to row.
    fn bind(&self, statement: &mut Statement<'_>) -> Result<(), rusqlite::Error> {
        let Some(place) = latest(self.part.table) else { return Ok(()) };
        let mut text = String::new();
        let said = self.latest.is_some_and(|latest| write_time(latest.as_microsecond(), &mut text));
        statement.raw_bind_parameter(place, said.then_some(text))
    }

    /// How many rows the table did not keep.
    fn write(&self, connection: &Connection) -> Result<u64, RowError> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        self.bind(&mut statement)?;
        let folded;
        let batches: Vec<_> = if self.part.table.mode == Mode::Upsert {
            folded = merge(self.part.table, &self.part.records(), self.latest);
            vec![&folded]
        } else {
            self.part.records()
        };
        let mut left_out = 0;
        for records in batches {
            let mut binder = Binder::new(records);
            for row in 0..records.num_rows() {
                left_out += self.row(connection, &mut statement, &mut binder, row)?;
            }
        }
        Ok(left_out)
    }

    /// Writes a row: 0, or 1 if the table did not keep it.
    fn row(
        &self,
        connection: &Connection,
        statement: &mut Statement<'_>,
        binder: &mut Binder<'_>,
        row: usize,
    ) -> Result<u64, RowError> {
        if binder.execute(statement, row)? {
            return Ok(0);
        }
        kept::is_left_out(connection, self.part.table, self.late, binder, row).map(u64::from)
    }

    /// Writes the rows of these ascending places, one after the other; how many of them the table did not keep.
    pub(crate) fn write_each(&self, connection: &Connection, places: &[RowAddress]) -> Result<u64, RowError> {
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return Ok(0) };
        let mut left_out = 0;
        let mut statement = connection.prepare_cached(&self.sql)?;
        self.bind(&mut statement)?;
        for piece in &self.part.pieces {
            let mut binder = Binder::new(&piece.records);
            let chosen = |place: &RowAddress| (first..=last).contains(&place);
            for (row, _) in piece.origin.iter().enumerate().filter(|(_, place)| chosen(place)) {
                left_out += self.row(connection, &mut statement, &mut binder, row)?;
            }
        }
        Ok(left_out)
    }
}

pub(crate) struct Write<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) run: RunId,
    pub(crate) expected: Seq,
    pub(crate) seq: Seq,
    pub(crate) parts: Vec<Insert<'a>>,
    pub(crate) batches: usize,
}

impl Write<'_> {
    pub(crate) fn tell(&self, error: rusqlite::Error) -> StageError {
        stage_error(&self.settings.location.path, "write", error)
    }

    /// Begins the transaction by moving the watermark: who comes second finds it moved before any row.
    pub(crate) fn begin<'c>(&self, connection: &'c mut Connection) -> Result<Transaction<'c>, StageError> {
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|error| self.tell(error))?;
        let owner = &self.settings.owner;
        let moved = watermark::advance(&transaction, owner, self.run, self.expected, self.seq);
        if moved.map_err(|error| self.tell(error))? {
            return Ok(transaction);
        }
        Err(StageError::retry(format!(
            "another process delivered batches of this run to {} meanwhile; reading its watermark again",
            self.settings.location.path.display()
        )))
    }

    /// Whether rows may be to blame for an error of a statement that writes this table.
    ///
    /// # Errors
    /// As [`stage_error`], if they are not.
    fn attribute(
        &self,
        connection: &Connection,
        table: &TablePlan,
        error: rusqlite::Error,
    ) -> Result<(Culprit, rusqlite::Error), StageError> {
        match attribution::culprit(connection, table, &error).map_err(|error| self.tell(error))? {
            Culprit::NoRow => Err(self.tell(error)),
            Culprit::Table(why) => Err(StageError::retry(why).because(error)),
            culprit => Ok((culprit, error)),
        }
    }

    /// The fast way: every table at once, rows of one key folded; says what the tables did not keep. `None`: a row was
    /// refused, nothing is stored.
    pub(crate) fn merged(&self, connection: &mut Connection) -> Result<Option<Swallowed>, StageError> {
        let mut swallowed = Swallowed::default();
        let transaction = self.begin(connection)?;
        for insert in &self.parts {
            match insert.write(&transaction) {
                Ok(left_out) => swallowed.add(&insert.part.table.name, left_out),
                Err(RowError::Sqlite(error)) => {
                    self.attribute(&transaction, insert.part.table, error)?;
                    return Ok(None);
                }
                Err(RowError::Year) => return Ok(None),
            }
        }
        Ok(self.commit(transaction)?.then_some(swallowed))
    }

    /// `false`: some reference that waits for the commit leads nowhere, and rows may be to blame; nothing is stored.
    pub(crate) fn commit(&self, transaction: Transaction<'_>) -> Result<bool, StageError> {
        let Err(error) = transaction.execute_batch("COMMIT") else { return Ok(true) };
        if failure_code(&error) != Some(ErrorCode::ConstraintViolation) {
            return Err(self.tell(error));
        }
        let tables = self.settings.tables.written();
        match attribution::of_commit(&transaction, tables).map_err(|error| self.tell(error))? {
            Culprit::Table(why) => Err(StageError::retry(why).because(error)),
            _ => Ok(false),
        }
    }

    /// The slow way, in journal order: finds every row that is refused. Stores all if there is none, and says what the
    /// tables did not keep; `None` as the `false` of [`Write::commit`].
    pub(crate) fn row_by_row(&self, connection: &mut Connection) -> Result<Option<Swallowed>, StageError> {
        let mut rejected = Rejected::default();
        loop {
            let mut swallowed = Swallowed::default();
            let transaction = self.begin(connection)?;
            let order = (0..self.batches).flat_map(|batch| self.parts.iter().map(move |part| (batch, part)));
            for (batch, insert) in order {
                // A trigger that rolled everything back leaves no parents: what follows would be blamed for it.
                if transaction.is_autocommit() {
                    break;
                }
                let left_out = self.try_batch(&transaction, insert, batch, &mut rejected)?;
                swallowed.add(&insert.part.table.name, left_out);
            }
            // It may be to blame itself, unless some other row passes.
            if transaction.is_autocommit() && rejected.is_undecided() {
                continue;
            }
            rejected.finish()?;
            return Ok(self.commit(transaction)?.then_some(swallowed));
        }
    }

    /// Writes the rows of one batch, and says how many the table did not keep; a refused statement undoes itself only.
    fn try_batch(
        &self,
        connection: &Connection,
        insert: &Insert<'_>,
        batch: usize,
        rejected: &mut Rejected,
    ) -> Result<u64, StageError> {
        let tell = |error| self.tell(error);
        let mut statement = connection.prepare_cached(&insert.sql).map_err(tell)?;
        insert.bind(&mut statement).map_err(tell)?;
        let table = insert.part.table;
        let of_batch = |piece: &&Piece| piece.origin.iter().any(|place| place.0 == batch);
        let Some(piece) = insert.part.pieces.iter().find(of_batch) else { return Ok(0) };
        let mut left_out = 0;
        let mut binder = Binder::new(&piece.records);
        for (row, &place) in piece.origin.iter().enumerate().filter(|(_, place)| place.0 == batch) {
            if rejected.has(place) || connection.is_autocommit() {
                continue;
            }
            match insert.row(connection, &mut statement, &mut binder, row) {
                Ok(swallowed) => {
                    left_out += swallowed;
                    rejected.took(&table.name);
                }
                Err(RowError::Sqlite(error)) => {
                    let (culprit, error) = self.attribute(connection, table, error)?;
                    // SQLite's sentence names table and columns, never a value.
                    let reason = format!("table `{}` refused the row: {error}", table.name);
                    match culprit {
                        Culprit::Row => rejected.add(place, code(&error), reason),
                        _ => rejected.suspect(place, &table.name, code(&error), reason),
                    }
                }
                Err(RowError::Year) => {
                    let reason =
                        format!("an instant for table `{}` is outside of years 0 to 9999", table.name);
                    rejected.add(place, "out_of_range", reason);
                }
            }
        }
        Ok(left_out)
    }
}
