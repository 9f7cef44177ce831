//! Who got what: cursors, watermarks, losses and the books of each sink.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use smiles_stage::{Position, RunId, Seq};

use crate::api::journal::{Cursor, From};
use crate::api::status::{Acknowledged, Loss};
use crate::format::failure::Failure;
use crate::format::records::{
    CursorRow, Ranges, Run, SinkRow, add_gap, count, db, gaps, instant, rows_between, without,
};
use crate::format::seal::put;
use crate::ledger::dead_letters::dead_between;
use crate::log::store::JournalFile;

/// The reason of a loss that the target caused.
pub(crate) const WENT_BACK: &str = "target went back";
/// The reason of a loss that the file caused.
pub(crate) const DAMAGED: &str = "journal damaged";
/// The reason of a loss that a person chose: the target had the rows from the original of this file.
const OLD_COPY: &str = "old copy, forgotten by hand";

/// The owner of gaps that concern the file itself: batches that are known to be missing from it.
pub(crate) const NOBODY: &str = "";

impl JournalFile {
    /// Declares the sinks in use; a new one gets its start in every run known.
    pub(crate) fn enlist(&mut self, cursors: &[Cursor]) -> Result<(), Failure> {
        let known = SinkRow::all(&self.connection)?;
        for mut sink in known.iter().cloned() {
            sink.in_use = cursors.iter().any(|cursor| cursor.sink == sink.name);
            sink.save(&self.connection)?;
        }
        for cursor in cursors.iter().filter(|cursor| known.iter().all(|sink| sink.name != cursor.sink)) {
            self.join(cursor)?;
        }
        self.enlisted = cursors.to_vec();
        Ok(())
    }

    /// After a repair that a sink's row did not survive: it is owed all there is, and its target knows what it has.
    pub(crate) fn enlist_again(&mut self) -> Result<(), Failure> {
        if self.enlisted.is_empty() {
            return Ok(());
        }
        let again = |cursor: &Cursor| Cursor { sink: cursor.sink.clone(), from: From::Oldest };
        let cursors: Vec<Cursor> = self.enlisted.iter().map(again).collect();
        self.enlist(&cursors)
    }

    fn join(&mut self, cursor: &Cursor) -> Result<(), Failure> {
        let mut sink = SinkRow { name: cursor.sink.clone(), in_use: true, ..SinkRow::default() };
        for run in Run::all(&self.connection)? {
            let start = match cursor.from {
                From::Now => run.last + 1,
                From::Oldest => {
                    let (_, rows) = waiting_between(&self.connection, &cursor.sink, &run, 0, run.last)?;
                    sink.accepted += rows;
                    run.deleted + 1
                }
            };
            CursorRow { start, delivered: 0 }.save(&self.connection, &cursor.sink, run.id)?;
        }
        sink.save(&self.connection)
    }

    /// Everything up to here is durable: what was waiting is delivered.
    pub(crate) fn delivered(&mut self, name: &str, upto: Position) -> Result<(), Failure> {
        let mut sink = SinkRow::load(&self.connection, name)?;
        let Some(run) = Run::load(&self.connection, upto.run)? else { return Ok(()) };
        advance(&self.connection, &mut sink, &run, upto.seq.0)?;
        self.trim_recent()
    }

    /// Forgets the recent batches that no sink waits for any more: what is kept in memory follows need, not time.
    pub(crate) fn trim_recent(&mut self) -> Result<(), Failure> {
        let Some(first) = self.hot.first() else { return Ok(()) };
        let sinks = SinkRow::all(&self.connection)?;
        let mut done = 0;
        let runs = Run::retained(&self.connection)?;
        for run in runs.iter().filter(|run| run.base + run.last >= first) {
            let floor = done_by_all(&self.connection, &sinks, run)?;
            done = run.base + floor;
            if floor < run.last {
                break;
            }
        }
        self.hot.trim(done);
        Ok(())
    }

    /// Books a batch that cannot be read as lost for every sink that waited for it, and takes it out.
    pub(crate) fn pass_over(&mut self, ordinal: u64) -> Result<(), Failure> {
        let runs = Run::all(&self.connection)?;
        if let Some(run) = runs.iter().find(|run| ordinal > run.base && ordinal <= run.base + run.last) {
            let seq = ordinal - run.base;
            lose_for_all(&self.connection, run, (seq, seq))?;
            let sentence = format!("batch {}-{seq} could not be read and was skipped", run.id);
            tracing::error!(run = %run.id, seq, "a damaged batch was skipped; its rows are lost");
            note_repair(&self.connection, self.now.as_microsecond(), &sentence)?;
        }
        self.remove(ordinal)
    }

    /// See [`acknowledge`]; how many losses were news.
    pub(crate) fn acknowledge(&mut self) -> Result<u64, Failure> {
        acknowledge(&self.connection).map(|noted| noted.losses)
    }
}

/// Up to which batch of a run no sink in use waits for any.
pub(crate) fn done_by_all(connection: &Connection, sinks: &[SinkRow], run: &Run) -> Result<u64, Failure> {
    let mut floor = run.last;
    for sink in sinks.iter().filter(|sink| sink.in_use) {
        floor = floor.min(CursorRow::load(connection, &sink.name, run.id)?.floor());
    }
    Ok(floor)
}

/// Takes note of everything that was lost, dropped or repaired.
pub(crate) fn acknowledge(connection: &Connection) -> Result<Acknowledged, Failure> {
    let mut noted = Acknowledged::default();
    for loss in losses(connection)?.into_iter().filter(|loss| !loss.acknowledged) {
        noted.losses += 1;
        save_loss(connection, &Loss { acknowledged: true, ..loss })?;
    }
    for mut sink in SinkRow::all(connection)? {
        noted.dropped_rows += sink.dropped.saturating_sub(sink.noted);
        sink.noted = sink.dropped;
        sink.save(connection)?;
    }
    noted.repairs = count(i64::try_from(connection.execute("DELETE FROM repairs", [])?).unwrap_or(i64::MAX));
    Ok(noted)
}

/// What waited up to here is delivered.
pub(crate) fn advance(
    connection: &Connection,
    sink: &mut SinkRow,
    run: &Run,
    upto: u64,
) -> Result<(), Failure> {
    let mut place = CursorRow::load(connection, &sink.name, run.id)?;
    let upto = upto.min(run.last);
    if upto <= place.delivered {
        return Ok(());
    }
    let (_, rows) = waiting_between(connection, &sink.name, run, place.floor(), upto)?;
    sink.delivered += rows;
    place.delivered = upto;
    place.save(connection, &sink.name, run.id)?;
    sink.save(connection)
}

/// Books a range as lost; `was_delivered`: its rows move over from there.
pub(crate) fn lose(
    connection: &Connection,
    sink: &mut SinkRow,
    run: &Run,
    (first, last): (u64, u64),
    reason: &str,
    was_delivered: bool,
) -> Result<Loss, Failure> {
    let dead = dead_between(connection, &sink.name, run.id, first, last)?;
    let mut rows = rows_between(connection, run.id, first, last)?.saturating_sub(dead);
    if was_delivered {
        rows = rows.min(sink.delivered);
        sink.delivered -= rows;
    }
    sink.lost += rows;
    sink.save(connection)?;
    add_gap(connection, &sink.name, run.id, (first, last))?;
    let loss = Loss {
        sink: sink.name.clone(),
        run: run.id,
        range: (Seq(first), Seq(last)),
        rows,
        reason: reason.to_owned(),
        acknowledged: false,
    };
    save_loss(connection, &loss)?;
    Ok(loss)
}

/// Books what waits of a run as lost by a person's decision, who need not acknowledge it then.
pub(crate) fn forget_waiting(connection: &Connection, sink: &mut SinkRow, run: &Run) -> Result<(), Failure> {
    let mut place = CursorRow::load(connection, &sink.name, run.id)?;
    for range in present(connection, run, place.floor().max(run.deleted), run.last)? {
        let loss = lose(connection, sink, run, range, OLD_COPY, false)?;
        save_loss(connection, &Loss { acknowledged: true, ..loss })?;
    }
    // Not owed any more, whatever the target says of the run.
    place.start = place.start.max(run.last + 1);
    place.save(connection, &sink.name, run.id)
}

/// Books a range that cannot be read as lost for every sink that still waited for it.
pub(crate) fn lose_for_all(connection: &Connection, run: &Run, range: (u64, u64)) -> Result<(), Failure> {
    add_gap(connection, NOBODY, run.id, range)?;
    for mut sink in SinkRow::all(connection)? {
        let floor = CursorRow::load(connection, &sink.name, run.id)?.floor();
        let owed = (range.0.max(floor + 1), range.1);
        if owed.0 > owed.1 {
            continue;
        }
        for range in without(&[owed], &gaps(connection, &sink.name, run.id)?) {
            lose(connection, &mut sink, run, range, DAMAGED, false)?;
        }
    }
    Ok(())
}

/// Batches and rows of a run that are here, with numbers in `(above, upto]`, without the rows set aside.
pub(crate) fn waiting_between(
    connection: &Connection,
    sink: &str,
    run: &Run,
    above: u64,
    upto: u64,
) -> Result<(u64, u64), Failure> {
    if above >= upto {
        return Ok((0, 0));
    }
    let range = (db(run.base + above), db(run.base + upto));
    let (batches, rows): (i64, i64) = connection
        .prepare_cached(
            "SELECT count(*), coalesce(sum(rows), 0) FROM batches INDEXED BY sizes WHERE ordinal > ?1 AND ordinal <= ?2",
        )?
        .query_row(range, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let dead: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM dead_letters d JOIN batches b ON b.ordinal = ?1 + d.seq \
             WHERE d.sink = ?2 AND d.run = ?3 AND d.seq > ?4 AND d.seq <= ?5",
        )?
        .query_row((db(run.base), sink, run.id.0, db(above), db(upto)), |row| row.get(0))?;
    Ok((count(batches), count(rows).saturating_sub(count(dead))))
}

/// The ranges of a run's batches that are here, with numbers in `(above, upto]`.
pub(crate) fn present(connection: &Connection, run: &Run, above: u64, upto: u64) -> Result<Ranges, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT ordinal FROM batches INDEXED BY sizes WHERE ordinal > ?1 AND ordinal <= ?2 ORDER BY ordinal",
    )?;
    let ordinals =
        statement.query_map((db(run.base + above), db(run.base + upto)), |row| row.get(0).map(count))?;
    let mut ranges: Ranges = Vec::new();
    for ordinal in ordinals {
        let seq = ordinal? - run.base;
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == seq => *last = seq,
            _ => ranges.push((seq, seq)),
        }
    }
    Ok(ranges)
}

fn save_loss(connection: &Connection, loss: &Loss) -> Result<(), Failure> {
    let (first, last) = (db(loss.range.0.0), db(loss.range.1.0));
    put(
        connection,
        "losses",
        &[&loss.sink, &loss.run.0, &first, &last, &db(loss.rows), &loss.reason, &loss.acknowledged],
    )
}

/// Everything ever lost, oldest first.
pub(crate) fn losses(connection: &Connection) -> Result<Vec<Loss>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT sink, run, first, last, rows, reason, acknowledged FROM losses ORDER BY rowid",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Loss {
            sink: row.get(0)?,
            run: RunId(row.get(1)?),
            range: (Seq(count(row.get(2)?)), Seq(count(row.get(3)?))),
            rows: count(row.get(4)?),
            reason: row.get(5)?,
            acknowledged: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Remembers a sentence until it is acknowledged.
pub(crate) fn note_repair(connection: &Connection, at: i64, sentence: &str) -> Result<(), Failure> {
    put(connection, "repairs", &[&at, &sentence])
}

/// When the oldest batch that waits for a sink was accepted.
pub(crate) fn waiting_since(connection: &Connection, sink: &str) -> Result<Option<Timestamp>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT accepted_at FROM batches WHERE ordinal > ?1 AND ordinal <= ?2 ORDER BY ordinal LIMIT 1",
    )?;
    for run in Run::retained(connection)? {
        let floor = CursorRow::load(connection, sink, run.id)?.floor();
        let range = (db(run.base + floor), db(run.base + run.last));
        if let Some(at) = statement.query_row(range, |row| row.get(0)).optional()? {
            return Ok(Some(instant(at)));
        }
    }
    Ok(None)
}

/// What waits for a sink, counted from the batches themselves: batches, rows.
pub(crate) fn waiting(connection: &Connection, sink: &str) -> Result<(u64, u64), Failure> {
    let mut sum = (0, 0);
    for run in Run::retained(connection)? {
        let floor = CursorRow::load(connection, sink, run.id)?.floor();
        let (batches, rows) = waiting_between(connection, sink, &run, floor, run.last)?;
        sum = (sum.0 + batches, sum.1 + rows);
    }
    Ok(sum)
}
