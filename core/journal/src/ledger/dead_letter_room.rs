//! How much room dead letters may take: a share of their own, beside that of the batches. Neither takes from the other: a
//! table that refuses every row must not cost the batches that a restored database would get again.

use rusqlite::{Connection, Row};

use crate::api::journal::Options;
use crate::format::failure::Failure;
use crate::format::records::count;
use crate::log::store::JournalFile;

/// The part of `max_size` that dead letters may take in addition to it: one in so many.
const SHARE: u64 = 4;
/// What a letter takes beside its row: its reason and place.
const OVERHEAD: u64 = 256;

impl JournalFile {
    /// Makes sure that letters of so many bytes fit; the first always do.
    pub(crate) fn make_dead_letter_room(&mut self, letters: &[usize]) -> Result<(), Failure> {
        if letters.is_empty() {
            return Ok(());
        }
        let rows: usize = letters.iter().sum();
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let number = u64::try_from(letters.len()).unwrap_or(u64::MAX);
        let needed = rows.saturating_add(number.saturating_mul(OVERHEAD));
        let max = share(&self.options);
        // What an operator gave up meanwhile is seen when it matters.
        let known = self.dead_letter_bytes.filter(|known| known.saturating_add(needed) <= max);
        let size = match known {
            Some(known) => known,
            None => found(&self.connection)?.bytes,
        };
        if size > 0 && size.saturating_add(needed) > max {
            self.dead_letter_bytes = None;
            return Err(Failure::DeadLettersFull { size, max });
        }
        self.dead_letter_bytes = Some(size.saturating_add(needed));
        Ok(())
    }

    /// Bytes that dead letters take, at most.
    pub(crate) fn dead_letter_size(&mut self) -> Result<u64, Failure> {
        match self.dead_letter_bytes {
            Some(known) => Ok(known),
            None => Ok(*self.dead_letter_bytes.insert(found(&self.connection)?.bytes)),
        }
    }
}

fn share(options: &Options) -> u64 {
    options.max_size / SHARE
}

/// The dead letters of a journal.
pub(crate) struct Found {
    /// What they take.
    pub(crate) bytes: u64,
    /// How many there are that were not given up.
    pub(crate) kept: u64,
}

/// Counted without reading the rows themselves.
pub(crate) fn found(connection: &Connection) -> Result<Found, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT coalesce(sum(coalesce(length(payload), 0)), 0), count(*), coalesce(sum(dropped = 0), 0) FROM dead_letters",
    )?;
    let read = |row: &Row<'_>| Ok((count(row.get(0)?), count(row.get(1)?), count(row.get(2)?)));
    let (rows, letters, kept) = statement.query_row([], read)?;
    Ok(Found { bytes: rows.saturating_add(letters.saturating_mul(OVERHEAD)), kept })
}
