//! What may be deleted, and what happens when there is no room.

use jiff::Timestamp;
use rusqlite::OptionalExtension;
use smiles_stage::RunId;

use crate::api::journal::OnFull;
use crate::format::failure::Failure;
use crate::format::records::{CursorRow, Run, SinkRow, add_gap, count, db};
use crate::ledger::dead_letters;
use crate::ledger::pruning::{self, REMEMBERED};
use crate::ledger::row_counts::done_by_all;
use crate::log::store::JournalFile;

/// Delivered batches are deleted early above this share of `max_size`: the first number, of the second.
const EARLY: (u64, u64) = (9, 10);
/// Batches deleted in one transaction, so that an append never waits long.
const STEP: usize = 256;
/// Free pages given back to the file system in one transaction.
const VACUUM: u64 = 1024;
/// One in so many pages may be free before any is given back.
const FREE_KEPT: i64 = 8;
/// Ranges of deleted batches of different sizes that a run keeps apart; older ones are merged into one.
const EXTENTS_MAX: u64 = 4096;
/// What a record may take beside its bytes: its own pages and those of the books.
const OVERHEAD: u64 = 8 * crate::format::layout::PAGE;

/// A batch that is about to go.
struct Victim {
    ordinal: u64,
    run: RunId,
    seq: u64,
    rows: u64,
    accepted_at: i64,
}

impl JournalFile {
    /// Makes sure that so many bytes fit, by the policy; the rows that were dropped for it.
    pub(crate) fn make_room(&mut self, bytes: usize) -> Result<u64, Failure> {
        let needed = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(OVERHEAD);
        let mut dropped = 0;
        while self.batches_size()?.saturating_add(needed) > self.options.max_size {
            let spare = self.delivered_batches(16)?;
            if !spare.is_empty() {
                self.delete(&spare)?;
                continue;
            }
            let oldest = self.batches_between(0, u64::MAX, 1)?;
            if oldest.is_empty() {
                // Nothing but books: a record larger than the limit is better than a pipeline that stands for ever.
                break;
            }
            if self.options.on_full == OnFull::Block {
                return Err(Failure::Full { size: self.batches_size()? });
            }
            dropped += self.delete(&oldest)?;
        }
        Ok(dropped)
    }

    /// Bytes in use but for those of the dead letters, which have a share of their own.
    fn batches_size(&mut self) -> Result<u64, Failure> {
        Ok(self.size()?.saturating_sub(self.dead_letter_size()?))
    }

    /// Deletes some of what is delivered and old, or delivered and in the way; how many batches.
    pub(crate) fn tidy(&mut self, now: Timestamp) -> Result<usize, Failure> {
        self.now = self.now.max(now);
        self.trim_recent()?;
        // An operator's command may have removed some.
        self.dead_letter_bytes = None;
        let retain = i64::try_from(self.options.retain.as_micros()).unwrap_or(i64::MAX);
        let cutoff = now.as_microsecond().saturating_sub(retain);
        let mut old = self.delivered_batches(STEP)?;
        let ages = self.ages(&old, now.as_microsecond())?;
        // Only from the front: what is retained of a run is always its newest batches.
        let keep = ages.iter().position(|accepted| *accepted >= cutoff).unwrap_or(old.len());
        let mut deleted = keep;
        let young = old.split_off(keep);
        self.delete(&old)?;
        for batch in young {
            if self.batches_size()? <= self.options.max_size / EARLY.1 * EARLY.0 {
                break;
            }
            self.delete(&[batch])?;
            deleted += 1;
        }
        Ok(deleted)
    }

    /// When batches were accepted, as far as the file can tell: a date later than now is that of a clock that ran ahead,
    /// and such a batch is no younger than the next one that is dated well.
    fn ages(&self, batches: &[Victim], now: i64) -> Result<Vec<i64>, Failure> {
        let mut next = match batches.last() {
            Some(last) if last.accepted_at > now => self.next_accepted(last.ordinal, now)?.unwrap_or(now),
            _ => now,
        };
        let mut ages: Vec<i64> = Vec::with_capacity(batches.len());
        for batch in batches.iter().rev() {
            if batch.accepted_at <= now {
                next = batch.accepted_at;
            }
            ages.push(next);
        }
        ages.reverse();
        Ok(ages)
    }

    /// When the next batch that is not dated later than now was accepted.
    fn next_accepted(&self, ordinal: u64, now: i64) -> Result<Option<i64>, Failure> {
        let mut statement = self.connection.prepare_cached(
            "SELECT accepted_at FROM batches WHERE ordinal > ?1 AND accepted_at <= ?2 ORDER BY ordinal LIMIT 1",
        )?;
        Ok(statement.query_row((db(ordinal), now), |row| row.get(0)).optional()?)
    }

    /// Whether [`JournalFile::tidy`] may have left something.
    pub(crate) fn is_tidy(deleted: usize) -> bool {
        deleted < STEP
    }

    /// Gives free pages back; whether there may be more. A few are kept: the next batches need them.
    pub(crate) fn shrink(&self) -> Result<bool, Failure> {
        let free: i64 = self.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
        let pages: i64 = self.connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        if free < pages / FREE_KEPT {
            return Ok(false);
        }
        let mut statement = self.connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM})"))?;
        let mut pages = statement.query([])?;
        let mut freed = 0;
        while pages.next()?.is_some() {
            freed += 1;
        }
        Ok(freed >= VACUUM)
    }

    /// Forgets the runs whose last batch was deleted long ago.
    pub(crate) fn forget(&mut self, now: Timestamp) -> Result<Vec<RunId>, Failure> {
        let remembered = i64::try_from(REMEMBERED.as_micros()).unwrap_or(i64::MAX);
        let cutoff = now.as_microsecond().saturating_sub(remembered);
        let mut forgotten = Vec::new();
        for run in Run::all(&self.connection)? {
            self.merge_extents(&run)?;
            if run.last > run.deleted {
                continue;
            }
            if run.id == self.run.id || run.deleted_at >= cutoff {
                continue;
            }
            pruning::owe(&self.connection, run.id)?;
            for table in ["runs", "extents", "cursors", "gaps"] {
                self.connection.execute(&format!("DELETE FROM {table} WHERE run = ?1"), [run.id.0])?;
            }
            dead_letters::forget_given_up(&self.connection, run.id)?;
            self.connection.execute("DELETE FROM losses WHERE run = ?1 AND acknowledged = 1", [run.id.0])?;
            forgotten.push(run.id);
        }
        Ok(forgotten)
    }

    /// The oldest batches that no sink in use waits for; without sinks, any.
    fn delivered_batches(&self, limit: usize) -> Result<Vec<Victim>, Failure> {
        let sinks = SinkRow::all(&self.connection)?;
        let mut found = Vec::new();
        for run in Run::retained(&self.connection)? {
            let floor = done_by_all(&self.connection, &sinks, &run)?;
            found.extend(self.batches_between(run.base, run.base + floor, limit - found.len())?);
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// The first batches with ordinals in `(above, upto]`.
    fn batches_between(&self, above: u64, upto: u64, limit: usize) -> Result<Vec<Victim>, Failure> {
        let mut statement = self.connection.prepare_cached(
            "SELECT ordinal, run, seq, rows, accepted_at FROM batches WHERE ordinal > ?1 AND ordinal <= ?2 \
             ORDER BY ordinal LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map((db(above), db(upto), limit), |row| {
            Ok(Victim {
                ordinal: count(row.get(0)?),
                run: RunId(row.get(1)?),
                seq: count(row.get(2)?),
                rows: count(row.get(3)?),
                accepted_at: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Deletes batches. A sink that still waited for one has it booked as dropped: a sink in use by `drop_oldest`
    /// only, one that the file does not name also when the others have it. The rows dropped for sinks in use.
    fn delete(&mut self, victims: &[Victim]) -> Result<u64, Failure> {
        let mut dropped = 0;
        let mut sinks = if victims.is_empty() { Vec::new() } else { SinkRow::all(&self.connection)? };
        for victim in victims {
            for sink in &mut sinks {
                if victim.seq <= CursorRow::load(&self.connection, &sink.name, victim.run)?.floor() {
                    continue;
                }
                let rows = victim.rows.saturating_sub(self.dead_rows(&sink.name, victim.run, victim.seq)?);
                sink.dropped += rows;
                dropped += if sink.in_use { rows } else { 0 };
                add_gap(&self.connection, &sink.name, victim.run, (victim.seq, victim.seq))?;
                sink.save(&self.connection)?;
            }
            self.remove(victim.ordinal)?;
            let current = victim.run == self.run.id;
            let stored =
                if current { Some(self.run.clone()) } else { Run::load(&self.connection, victim.run)? };
            if let Some(mut run) = stored {
                run.deleted = run.deleted.max(victim.seq);
                run.deleted_at = self.now.as_microsecond();
                run.save(&self.connection)?;
                if current {
                    self.run = run;
                }
            }
        }
        Ok(dropped)
    }

    /// Takes a batch out of the file and out of memory; the books are the caller's.
    pub(crate) fn remove(&mut self, ordinal: u64) -> Result<(), Failure> {
        self.connection.prepare_cached("DELETE FROM batches WHERE ordinal = ?1")?.execute([db(ordinal)])?;
        self.hot.remove(ordinal);
        Ok(())
    }

    /// Bounds what a run of ever-changing batch sizes leaves behind: the older half of the ranges of deleted batches becomes
    /// one, whose parts are then known by their average only.
    fn merge_extents(&self, run: &Run) -> Result<(), Failure> {
        let deleted = db(run.deleted);
        let (number, first): (i64, Option<i64>) = self.connection.query_row(
            "SELECT count(*), min(first) FROM extents WHERE run = ?1 AND last <= ?2",
            (run.id.0, deleted),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let Some(first) = first.filter(|_| count(number) > EXTENTS_MAX) else { return Ok(()) };
        let (last, rows): (i64, i64) = self.connection.query_row(
            "SELECT max(last), sum(rows) FROM \
             (SELECT last, rows FROM extents WHERE run = ?1 AND last <= ?2 ORDER BY first LIMIT ?3)",
            (run.id.0, deleted, number / 2),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        self.connection.execute("DELETE FROM extents WHERE run = ?1 AND last <= ?2", (run.id.0, last))?;
        crate::format::seal::put(&self.connection, "extents", &[&run.id.0, &first, &last, &rows])
    }
}
