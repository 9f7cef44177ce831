//! Dead letters: rows a target refuses for good, each kept with its reason and a copy of itself.

use arrow_array::RecordBatch;
use rusqlite::{Connection, OptionalExtension, ToSql};
use smiles_stage::{Position, RunId, Seq};

use crate::api::dead_letter::{DeadLetter, DeadLetterId, transform_of};
use crate::format::codec::{Encoded, decode};
use crate::format::failure::Failure;
use crate::format::records::{CursorRow, Run, SinkRow, count, db, gaps, instant, rows_between};
use crate::format::seal::put;
use crate::ledger::selection::{Selection, StoredDeadLetter};
use crate::log::reading::prefix;
use crate::log::store::JournalFile;

impl JournalFile {
    /// Sets rows aside, each once, with a copy of the row.
    pub(crate) fn set_aside(&mut self, name: &str, dead_letters: &[DeadLetter]) -> Result<(), Failure> {
        let mut sink = SinkRow::load(&self.connection, name)?;
        let (mut new, mut sizes) = (Vec::new(), Vec::new());
        for letter in dead_letters {
            let again = |(known, _, _): &(&DeadLetter, CursorRow, Option<Encoded>)| known.id() == letter.id();
            if new.iter().any(again) {
                continue;
            }
            let Some((run, place)) = self.to_set_aside(name, letter)? else { continue };
            let copy = self.row_copy(run.base + letter.position.seq.0, letter.row)?;
            sizes.push(copy.as_ref().map_or(0, |copy| copy.payload().len()));
            new.push((letter, place, copy));
        }
        self.make_dead_letter_room(&sizes)?;
        for (letter, place, copy) in new {
            sink.dead += 1;
            let was_delivered = letter.position.seq.0 <= place.delivered && sink.delivered > 0;
            sink.delivered -= u64::from(was_delivered);
            let copy = copy.as_ref().map(|copy| (copy.schema, copy.payload()));
            save(&self.connection, name, letter, false, copy)?;
        }
        sink.save(&self.connection)
    }

    /// Where the letter's row is, and how far the sink; `None`: there is nothing to set aside.
    fn to_set_aside(&self, name: &str, letter: &DeadLetter) -> Result<Option<(Run, CursorRow)>, Failure> {
        let (id, seq) = (letter.position.run, letter.position.seq.0);
        if exists(&self.connection, name, letter.id())? {
            return Ok(None);
        }
        let Some(run) = Run::load(&self.connection, id)? else { return Ok(None) };
        let place = CursorRow::load(&self.connection, name, id)?;
        let rows = rows_between(&self.connection, id, seq, seq)?;
        if seq < place.start || seq > run.last || u64::from(letter.row) >= rows {
            return Err(Failure::Refused(format!(
                "cannot set row {} of batch {} aside for `{name}`: it was never given that row",
                letter.row, letter.position
            )));
        }
        // The batch is gone and its rows are in the books already.
        let booked = |(first, last): &(u64, u64)| (*first..=*last).contains(&seq);
        let gone = gaps(&self.connection, name, id)?.iter().any(booked);
        Ok((!gone).then_some((run, place)))
    }

    /// The row as a batch of its own, so that it can be replayed when its batch is long deleted.
    fn row_copy(&self, ordinal: u64, row: u32) -> Result<Option<Encoded>, Failure> {
        let row = usize::try_from(row).unwrap_or(usize::MAX);
        let records = match self.hot.get(ordinal) {
            Some((batch, _)) => Some(batch.records.clone()),
            None => self.stored(ordinal)?.and_then(|stored| stored.decode().ok()).map(|batch| batch.records),
        };
        match records.filter(|records| row < records.num_rows()) {
            Some(records) => Encoded::of(&records.slice(row, 1), true).map(Some),
            None => Ok(None),
        }
    }

    /// The rows of a batch that are set aside for the sink, ascending; also those given up.
    pub(crate) fn rows_set_aside(
        &self,
        sink: &str,
        run: RunId,
        (first, last): (Seq, Seq),
    ) -> Result<Vec<(Seq, u32)>, Failure> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, row FROM dead_letters WHERE sink = ?1 AND run = ?2 AND seq BETWEEN ?3 AND ?4 ORDER BY seq, row",
        )?;
        let rows = statement.query_map((sink, run.0, db(first.0), db(last.0)), |row| {
            Ok((Seq(count(row.get(0)?)), row.get(1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many rows of a batch are set aside for the sink.
    pub(crate) fn dead_rows(&self, sink: &str, run: RunId, seq: u64) -> Result<u64, Failure> {
        dead_between(&self.connection, sink, run, seq, seq)
    }
}

/// Keeps a letter with its row.
pub(crate) fn keep(
    connection: &Connection,
    owner: &str,
    letter: &DeadLetter,
    row: &Encoded,
) -> Result<(), Failure> {
    save(connection, owner, letter, false, Some((row.schema, row.payload())))
}

fn save(
    connection: &Connection,
    sink: &str,
    letter: &DeadLetter,
    dropped: bool,
    copy: Option<(i64, &[u8])>,
) -> Result<(), Failure> {
    let DeadLetter { position, row, code, reason, at } = letter;
    let (schema, payload) = copy.unzip();
    let (seq, at) = (db(position.seq.0), at.as_microsecond());
    let values: [&dyn ToSql; 10] =
        [&sink, &position.run.0, &seq, row, &dropped, code, reason, &at, &schema, &payload];
    put(connection, "dead_letters", &values)
}

/// The copy of a letter's row: its schema and the rest of the stream.
fn copy_of(connection: &Connection, sink: &str, id: DeadLetterId) -> Result<Option<(i64, Vec<u8>)>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT schema, payload FROM dead_letters \
         WHERE sink = ?1 AND run = ?2 AND seq = ?3 AND row = ?4 AND payload IS NOT NULL",
    )?;
    Ok(statement.query_row(key(sink, id), |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn exists(connection: &Connection, sink: &str, id: DeadLetterId) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM dead_letters WHERE sink = ?1 AND run = ?2 AND seq = ?3 AND row = ?4)",
    )?;
    Ok(statement.query_row(key(sink, id), |row| row.get(0))?)
}

/// How many rows of these batches are set aside for the sink, or were given up.
pub(crate) fn dead_between(
    connection: &Connection,
    sink: &str,
    run: RunId,
    first: u64,
    last: u64,
) -> Result<u64, Failure> {
    let dead: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM dead_letters WHERE sink = ?1 AND run = ?2 AND seq >= ?3 AND seq <= ?4",
        )?
        .query_row((sink, run.0, db(first), db(last)), |row| row.get(0))?;
    Ok(count(dead))
}

/// How many letters there are for a sink.
pub(crate) fn kept(connection: &Connection, sink: &str) -> Result<u64, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT count(*) FROM dead_letters WHERE sink = ?1 AND dropped = 0")?;
    Ok(count(statement.query_row([sink], |row| row.get(0))?))
}

/// The letters selected, in the order in which their rows were accepted.
pub(crate) fn list(connection: &Connection, selection: &Selection) -> Result<Vec<StoredDeadLetter>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT d.sink, d.run, d.seq, d.row, d.code, d.reason, d.at, d.payload IS NOT NULL, \
                EXISTS (SELECT 1 FROM replays p WHERE p.sink = d.sink AND p.run = d.run AND p.seq = d.seq AND p.row = d.row) \
         FROM dead_letters d LEFT JOIN runs r ON r.run = d.run WHERE d.dropped = 0 \
         ORDER BY d.sink, coalesce(r.base, 0), d.run, d.seq, d.row",
    )?;
    let dead_letters = statement.query_map([], |row| {
        Ok(StoredDeadLetter {
            sink: row.get(0)?,
            letter: DeadLetter {
                position: Position { run: RunId(row.get(1)?), seq: Seq(count(row.get(2)?)) },
                row: row.get(3)?,
                code: row.get(4)?,
                reason: row.get(5)?,
                at: instant(row.get(6)?),
            },
            has_row: row.get(7)?,
            in_replay: row.get(8)?,
        })
    })?;
    let mut selected = Vec::new();
    for letter in dead_letters {
        let letter = letter?;
        if selection.takes(&letter) {
            selected.push(letter);
        }
    }
    Ok(selected)
}

/// The row of a letter; `None`: it could not be kept, or is damaged.
pub(crate) fn row(
    connection: &Connection,
    sink: &str,
    id: DeadLetterId,
) -> Result<Option<RecordBatch>, Failure> {
    let Some((schema, payload)) = copy_of(connection, sink, id)? else { return Ok(None) };
    let Some(prefix) = prefix(connection, schema)? else { return Ok(None) };
    Ok(decode(&prefix, payload).ok().map(|(records, _)| records))
}

/// Gives letters up: their rows are booked as dropped, and a person knows of it. How many there still were.
pub(crate) fn give_up(connection: &Connection, dead_letters: &[StoredDeadLetter]) -> Result<u64, Failure> {
    let mut given = 0;
    for StoredDeadLetter { sink, letter, .. } in dead_letters {
        let mut row_counts = SinkRow::load(connection, sink)?;
        if !is_kept(connection, sink, letter.id())? {
            continue;
        }
        let one = row_counts.dead.min(1);
        row_counts.dead -= one;
        row_counts.dropped += one;
        row_counts.noted += one;
        row_counts.save(connection)?;
        save(connection, sink, letter, true, None)?;
        if transform_of(sink).is_some() {
            // Wherever the row was on its way to, nothing of it is anywhere yet.
            not_on_its_way(connection, sink, letter.id())?;
        }
        given += 1;
    }
    Ok(given)
}

/// Whether there is such a letter, and it was not given up.
pub(crate) fn is_kept(connection: &Connection, sink: &str, id: DeadLetterId) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM dead_letters WHERE sink = ?1 AND run = ?2 AND seq = ?3 AND row = ?4 AND dropped = 0)",
    )?;
    Ok(statement.query_row(key(sink, id), |row| row.get(0))?)
}

/// A letter's row is in the target: it is one of the delivered now.
pub(crate) fn delivered(
    connection: &Connection,
    row_counts: &mut SinkRow,
    id: DeadLetterId,
) -> Result<(), Failure> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM dead_letters WHERE sink = ?1 AND run = ?2 AND seq = ?3 AND row = ?4 AND dropped = 0",
        )?
        .execute(key(&row_counts.name, id))?;
    if removed == 1 {
        let one = row_counts.dead.min(1);
        row_counts.dead -= one;
        row_counts.delivered += one;
    }
    Ok(())
}

/// A letter was refused again, perhaps for another reason.
pub(crate) fn refused_again(connection: &Connection, sink: &str, again: &DeadLetter) -> Result<(), Failure> {
    match copy_of(connection, sink, again.id())? {
        Some((schema, payload)) => save(connection, sink, again, false, Some((schema, &payload))),
        // Given up meanwhile.
        None => Ok(()),
    }
}

/// What was given up of a run that is forgotten needs no memory: its batches will not come back.
pub(crate) fn forget_given_up(connection: &Connection, run: RunId) -> Result<(), Failure> {
    connection.execute("DELETE FROM dead_letters WHERE run = ?1 AND dropped = 1", [run.0])?;
    Ok(())
}

/// The key of a letter's row in the table.
pub(crate) fn key(sink: &str, id: DeadLetterId) -> (&str, [u8; 16], i64, u32) {
    (sink, id.position.run.0, db(id.position.seq.0), id.row)
}

/// The letter is not on its way any more.
pub(crate) fn not_on_its_way(connection: &Connection, owner: &str, id: DeadLetterId) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM replays WHERE sink = ?1 AND run = ?2 AND seq = ?3 AND row = ?4")?
        .execute(key(owner, id))?;
    Ok(())
}
