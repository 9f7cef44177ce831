//! Finding batches: from memory where they are recent, else as bytes that the caller decodes on its own thread.

use std::sync::atomic::Ordering;

use rusqlite::{Connection, OptionalExtension};
use smiles_stage::{Batch, Position, RunId, Seq};

use crate::api::journal::ReadLimit;
use crate::format::codec::decode;
use crate::format::failure::Failure;
use crate::format::records::{CursorRow, Run, SinkRow, count, db, instant};
use crate::format::seal::is_whole;
use crate::log::store::JournalFile;

/// A batch on its way to the caller.
pub(crate) enum Fetched {
    /// From memory.
    Ready(Batch),
    /// From the file, its checksum verified.
    Stored(Stored),
    /// Its bytes are not what was written.
    Damaged {
        /// Which.
        ordinal: u64,
    },
}

/// A batch as the file keeps it.
pub(crate) struct Stored {
    /// Which.
    pub(crate) ordinal: u64,
    position: Position,
    accepted_at: i64,
    prefix: Vec<u8>,
    payload: Vec<u8>,
}

impl Stored {
    /// The batch.
    pub(crate) fn decode(self) -> Result<Batch, Failure> {
        let (records, complete) = decode(&self.prefix, self.payload)?;
        Ok(Batch { position: self.position, complete, accepted_at: instant(self.accepted_at), records })
    }
}

/// How much of a limit is left.
struct Budget {
    limit: ReadLimit,
    taken: bool,
}

impl Budget {
    /// Whether so much fits; the first always does.
    fn take(&mut self, rows: usize, bytes: usize) -> bool {
        let fits = rows <= self.limit.rows && bytes <= self.limit.bytes;
        if !fits && self.taken {
            return false;
        }
        self.limit.rows = self.limit.rows.saturating_sub(rows);
        self.limit.bytes = self.limit.bytes.saturating_sub(bytes);
        self.taken = true;
        true
    }
}

impl JournalFile {
    /// The next batches owed to the sink: consecutive, of one run, oldest first. A damaged one stands alone.
    /// `behind`: of its run alone, those that come after it.
    pub(crate) fn next_owed(
        &self,
        sink: &str,
        behind: Option<Position>,
        limit: ReadLimit,
    ) -> Result<Vec<Fetched>, Failure> {
        SinkRow::load(&self.connection, sink)?;
        for run in Run::retained(&self.connection)? {
            let mut floor = CursorRow::load(&self.connection, sink, run.id)?.floor();
            match behind {
                Some(behind) if behind.run == run.id => floor = floor.max(behind.seq.0),
                Some(_) => continue,
                None => {}
            }
            if floor >= run.last {
                continue;
            }
            let found = self.consecutive(run.base + floor + 1, run.base + run.last, limit)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    fn consecutive(&self, from: u64, upto: u64, limit: ReadLimit) -> Result<Vec<Fetched>, Failure> {
        let mut budget = Budget { limit, taken: false };
        let mut found = Vec::new();
        let mut next = if self.hot.get(from).is_some() { Some(from) } else { self.first_at(from, upto)? };
        while let Some(ordinal) = next {
            let fetched = match self.hot.get(ordinal) {
                Some((batch, bytes)) => {
                    budget.take(batch.records.num_rows(), bytes).then(|| Fetched::Ready(batch.clone()))
                }
                None => self.fetch(ordinal, &mut budget)?,
            };
            match fetched {
                Some(Fetched::Damaged { .. }) if !found.is_empty() => break,
                Some(damaged @ Fetched::Damaged { .. }) => return Ok(vec![damaged]),
                Some(batch) => found.push(batch),
                None => break,
            }
            next = (ordinal < upto).then_some(ordinal + 1);
        }
        Ok(found)
    }

    /// The newest batches, oldest first, over all runs.
    pub(crate) fn newest(&self, limit: ReadLimit) -> Result<Vec<Fetched>, Failure> {
        let mut statement =
            self.connection.prepare_cached("SELECT ordinal FROM batches ORDER BY ordinal DESC")?;
        let mut rows = statement.query([])?;
        let mut budget = Budget { limit, taken: false };
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let ordinal = count(row.get(0)?);
            let fetched = match self.hot.get(ordinal) {
                Some((batch, bytes)) => {
                    budget.take(batch.records.num_rows(), bytes).then(|| Fetched::Ready(batch.clone()))
                }
                None => self.fetch(ordinal, &mut budget)?,
            };
            match fetched {
                Some(damaged @ Fetched::Damaged { .. }) => return Ok(vec![damaged]),
                Some(batch) => found.push(batch),
                None => break,
            }
        }
        found.reverse();
        Ok(found)
    }

    /// The batch as stored; `None` if it is not here or not whole.
    pub(crate) fn stored(&self, ordinal: u64) -> Result<Option<Stored>, Failure> {
        let mut all = Budget { limit: ReadLimit { rows: usize::MAX, bytes: usize::MAX }, taken: false };
        Ok(match self.fetch(ordinal, &mut all)? {
            Some(Fetched::Stored(stored)) => Some(stored),
            _ => None,
        })
    }

    /// The lowest ordinal that is here, of these.
    fn first_at(&self, from: u64, upto: u64) -> Result<Option<u64>, Failure> {
        let mut statement = self.connection.prepare_cached(
            "SELECT ordinal FROM batches WHERE ordinal >= ?1 AND ordinal <= ?2 ORDER BY ordinal LIMIT 1",
        )?;
        Ok(statement.query_row((db(from), db(upto)), |row| row.get(0).map(count)).optional()?)
    }

    /// The batch if it is here and the budget allows.
    fn fetch(&self, ordinal: u64, budget: &mut Budget) -> Result<Option<Fetched>, Failure> {
        let mut statement = self.connection.prepare_cached("SELECT * FROM batches WHERE ordinal = ?1")?;
        let mut rows = statement.query([db(ordinal)])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        self.shared.file_reads.fetch_add(1, Ordering::Relaxed);
        if !is_whole(row, crate::format::layout::BATCHES.columns)? {
            return Ok(Some(Fetched::Damaged { ordinal }));
        }
        let payload: Vec<u8> = row.get(6)?;
        let rows_of = usize::try_from(row.get::<_, i64>(4)?).unwrap_or(usize::MAX);
        if !budget.take(rows_of, payload.len()) {
            return Ok(None);
        }
        let Some(prefix) = prefix(&self.connection, row.get(3)?)? else {
            return Ok(Some(Fetched::Damaged { ordinal }));
        };
        let position = Position { run: RunId(row.get(1)?), seq: Seq(count(row.get(2)?)) };
        Ok(Some(Fetched::Stored(Stored { ordinal, position, accepted_at: row.get(5)?, prefix, payload })))
    }
}

/// The schema message, from whichever of its two copies is whole.
pub(crate) fn prefix(connection: &Connection, schema: i64) -> Result<Option<Vec<u8>>, Failure> {
    for table in ["schemas", "schema_copies"] {
        let mut statement = connection.prepare_cached(&format!("SELECT * FROM {table} WHERE id = ?1"))?;
        let mut rows = statement.query([schema])?;
        if let Some(row) = rows.next()?
            && is_whole(row, 2)?
        {
            return Ok(Some(row.get(1)?));
        }
    }
    Ok(None)
}
