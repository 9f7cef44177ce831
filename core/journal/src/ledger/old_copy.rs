//! A journal that may be a copy from long ago: when it is taken for one, and what a person decides about it.
//!
//! A run's watermark leaves the target 400 days after the run's last batch was deleted, oldest run first. So a target
//! that still knows a run has forgotten none after it, whatever any clock says; only where it knows none of the runs up
//! to one does age matter, and then a copy in which every run is younger cannot be told from the original and needs
//! not be.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use smiles_stage::{RunId, Seq};

use crate::format::failure::Failure;
use crate::format::records::{CursorRow, Run, SinkRow, instant};
use crate::format::seal::put;
use crate::ledger::pruning::REMEMBERED;
use crate::ledger::row_counts::{forget_waiting, waiting_between};

/// No journal is older than this program (2020-01-01): an earlier date is that of a clock nobody had set.
const FIRST_POSSIBLE: i64 = 1_577_836_800_000_000;

/// Runs whose batches are held back until a person decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldCopy {
    /// The sink that has stopped.
    pub sink: String,
    /// Batches held back.
    pub batches: u64,
    /// Rows held back.
    pub rows: u64,
    /// When the newest of them was accepted.
    pub last: Timestamp,
}

/// What a person decides about batches that are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldBatches {
    /// The target does not have them: they are delivered.
    Deliver,
    /// The target has them: they are booked as lost to this sink and acknowledged.
    Forget,
}

/// Why batches are held back.
pub(crate) struct Suspicion {
    pub(crate) sentence: String,
    /// The highest ordinal that it concerns.
    upto: u64,
}

/// Whether some batches that are owed may have been delivered by the original of this file, whose watermarks the target
/// has forgotten since.
pub(crate) fn suspect(
    connection: &Connection,
    sink: &str,
    marks: &[(RunId, Seq)],
    now: Timestamp,
) -> Result<Option<Suspicion>, Failure> {
    let remembered = i64::try_from(REMEMBERED.as_micros()).unwrap_or(i64::MAX);
    let decided = noted(connection, DELIVER, sink)?.unwrap_or(0);
    let runs = Run::all(connection)?;
    let latest = runs.iter().map(|run| run.last_at).fold(now.as_microsecond(), i64::max);
    let mut newest = i64::MIN;
    let mut found: Option<u64> = None;
    for run in &runs {
        let Some((_, mark)) = marks.iter().find(|(id, _)| *id == run.id) else { continue };
        if *mark > Seq::ZERO {
            break;
        }
        newest = newest.max(run.last_at);
        let owed = CursorRow::load(connection, sink, run.id)?.start <= run.last && run.last > run.deleted;
        let old = newest >= FIRST_POSSIBLE && latest.saturating_sub(newest) > remembered;
        if owed && old && run.base + run.last > decided {
            found = Some(run.base + run.last);
        }
    }
    let Some(upto) = found else { return Ok(None) };
    let held = held(connection, sink, upto)?;
    let OldCopy { batches, last, .. } = held;
    let sentence = format!(
        "this journal may be a copy from more than 400 days ago: {batches} batches of up to {last} wait in it, and \
         the target has no watermark of their runs, so it may have stored them already. Check whether the target \
         has readings of that time: if not, `smiles journal old deliver {sink}`; if it has, `smiles journal old \
         forget {sink}`"
    );
    Ok(Some(Suspicion { sentence, upto }))
}

/// Notes what is held back, for whoever decides; nothing any more: the note goes.
pub(crate) fn note(connection: &Connection, sink: &str, held: Option<&Suspicion>) -> Result<(), Failure> {
    match held {
        Some(held) => put(connection, "meta", &[&key(HELD, sink), &held.upto.to_string()]),
        None => erase(connection, HELD, sink),
    }
}

/// What is held back, by sink.
pub(crate) fn all(connection: &Connection) -> Result<Vec<OldCopy>, Failure> {
    let mut all = Vec::new();
    for sink in SinkRow::all(connection)? {
        if let Some(upto) = noted(connection, HELD, &sink.name)? {
            all.push(held(connection, &sink.name, upto)?);
        }
    }
    Ok(all)
}

/// Does what was decided; what it concerned. `None`: nothing of this sink is held back.
pub(crate) fn decide(
    connection: &Connection,
    sink: &str,
    decision: OldBatches,
) -> Result<Option<OldCopy>, Failure> {
    let mut row = SinkRow::load(connection, sink)?;
    let Some(upto) = noted(connection, HELD, sink)? else { return Ok(None) };
    let concerned = held(connection, sink, upto)?;
    match decision {
        OldBatches::Deliver => put(connection, "meta", &[&key(DELIVER, sink), &upto.to_string()])?,
        OldBatches::Forget => {
            for run in Run::all(connection)?.iter().filter(|run| run.base + run.last <= upto) {
                forget_waiting(connection, &mut row, run)?;
            }
        }
    }
    erase(connection, HELD, sink)?;
    Ok(Some(concerned))
}

/// A sink's notes under its new name.
pub(crate) fn rename(connection: &Connection, old: &str, new: &str) -> Result<(), Failure> {
    for kind in [HELD, DELIVER] {
        if let Some(upto) = noted(connection, kind, old)? {
            put(connection, "meta", &[&key(kind, new), &upto.to_string()])?;
            erase(connection, kind, old)?;
        }
    }
    Ok(())
}

const HELD: &str = "held";
const DELIVER: &str = "deliver";

fn key(kind: &str, sink: &str) -> String {
    format!("{kind} {sink}")
}

fn noted(connection: &Connection, kind: &str, sink: &str) -> Result<Option<u64>, Failure> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let value: Option<String> = statement.query_row([key(kind, sink)], |row| row.get(0)).optional()?;
    Ok(value.and_then(|value| value.parse().ok()))
}

fn erase(connection: &Connection, kind: &str, sink: &str) -> Result<(), Failure> {
    connection.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key(kind, sink)])?;
    Ok(())
}

fn held(connection: &Connection, sink: &str, upto: u64) -> Result<OldCopy, Failure> {
    let mut held = OldCopy { sink: sink.to_owned(), batches: 0, rows: 0, last: Timestamp::UNIX_EPOCH };
    for run in Run::retained(connection)?.iter().filter(|run| run.base + run.last <= upto) {
        let floor = CursorRow::load(connection, sink, run.id)?.floor();
        let (batches, rows) = waiting_between(connection, sink, run, floor, run.last)?;
        held.batches += batches;
        held.rows += rows;
        if batches > 0 {
            held.last = held.last.max(instant(run.last_at));
        }
    }
    Ok(held)
}
