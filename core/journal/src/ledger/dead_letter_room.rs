//! How much room dead letters may take: a share of their own, beside that of the batches. Neither takes from the other: a
//! table that refuses every row must not cost the batches that a restored database would get again.

use rusqlite::Connection;

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
        let rows: usize = letters.iter().sum();
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let number = u64::try_from(letters.len()).unwrap_or(u64::MAX);
        let needed = rows.saturating_add(number.saturating_mul(OVERHEAD));
        let max = share(&self.options);
        // What an operator gave up meanwhile is seen when it matters.
        let known = self.dead_letter_bytes.filter(|known| known.saturating_add(needed) <= max);
        let size = match known {
            Some(known) => known,
            None => size(&self.connection)?,
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
            None => Ok(*self.dead_letter_bytes.insert(size(&self.connection)?)),
        }
    }
}

fn share(options: &Options) -> u64 {
    options.max_size / SHARE
}

/// Counted without reading the rows themselves.
pub(crate) fn size(connection: &Connection) -> Result<u64, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT coalesce(sum(coalesce(length(payload), 0)), 0), count(*) FROM dead_letters",
    )?;
    let (bytes, letters): (i64, i64) = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(count(bytes).saturating_add(count(letters).saturating_mul(OVERHEAD)))
}
