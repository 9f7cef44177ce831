//! Dead letters on their way to the target once more.
//!
//! A replay is a run of its own: it is written down first, then its rows go to the target together with its
//! watermark, then the letters are delivered in the books, then the watermark may go, and only then is the replay
//! forgotten here. Wherever that stops, the watermark of the replay's run tells how to go on.

use arrow_array::RecordBatch;
use rusqlite::Connection;
use smiles_stage::{Position, RunId, Seq};

use crate::api::dead_letter::{DeadLetter, DeadLetterId, transform_of};
use crate::format::failure::Failure;
use crate::format::records::{CursorRow, Run, SinkRow, count, db};
use crate::format::seal::put;
use crate::ledger::dead_letters;
use crate::ledger::row_counts::present;

/// Writes the replay of these letters down, but for those that are gone or on their way. How many it was.
pub(crate) fn begin(
    connection: &Connection,
    sink: &str,
    replay: RunId,
    wanted: &[DeadLetterId],
) -> Result<usize, Failure> {
    let mut begun = 0;
    for &id in wanted {
        if dead_letters::is_kept(connection, sink, id)? && !is_on_its_way(connection, sink, id)? {
            join(connection, sink, replay, id)?;
            begun += 1;
        }
    }
    Ok(begun)
}

fn is_on_its_way(connection: &Connection, sink: &str, id: DeadLetterId) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM replays WHERE sink = ?1 AND run = ?2 AND seq = ?3 AND row = ?4)",
    )?;
    Ok(statement.query_row(dead_letters::key(sink, id), |row| row.get(0))?)
}

/// The sinks that have any.
pub(crate) fn sinks(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT sink FROM replays ORDER BY sink")?;
    let owners = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    Ok(owners.into_iter().filter(|owner| transform_of(owner).is_none()).collect())
}

/// The replays of a sink that were begun and are not forgotten yet.
pub(crate) fn unfinished(connection: &Connection, sink: &str) -> Result<Vec<RunId>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT DISTINCT replay FROM replays WHERE sink = ?1 ORDER BY replay")?;
    let replays = statement.query_map([sink], |row| row.get(0).map(RunId))?;
    Ok(replays.collect::<Result<_, _>>()?)
}

/// The letters that are still part of a replay, in the order in which their rows were accepted.
fn letters_of(connection: &Connection, sink: &str, replay: RunId) -> Result<Vec<DeadLetterId>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT d.run, d.seq, d.row FROM replays p \
         JOIN dead_letters d ON d.sink = p.sink AND d.run = p.run AND d.seq = p.seq AND d.row = p.row \
         LEFT JOIN runs r ON r.run = d.run \
         WHERE p.sink = ?1 AND p.replay = ?2 AND d.dropped = 0 ORDER BY coalesce(r.base, 0), d.run, d.seq, d.row",
    )?;
    let dead_letters = statement.query_map((sink, replay.0), |row| {
        let position = Position { run: RunId(row.get(0)?), seq: Seq(count(row.get(1)?)) };
        Ok(DeadLetterId { position, row: row.get(2)? })
    })?;
    Ok(dead_letters.collect::<Result<_, _>>()?)
}

/// The runs that the rows of a replay were accepted in.
pub(crate) fn runs(connection: &Connection, sink: &str, replay: RunId) -> Result<Vec<RunId>, Failure> {
    let mut runs: Vec<RunId> =
        letters_of(connection, sink, replay)?.into_iter().map(|id| id.position.run).collect();
    runs.dedup();
    Ok(runs)
}

/// The rows of a replay. A row leaves it whose copy is damaged, or whose batch may yet bring it; `marks` is what the
/// target says of the runs.
pub(crate) fn rows(
    connection: &Connection,
    sink: &str,
    replay: RunId,
    marks: &[(RunId, Seq)],
) -> Result<Vec<(DeadLetterId, RecordBatch)>, Failure> {
    let mut rows = Vec::new();
    for id in letters_of(connection, sink, replay)? {
        let row = if may_come(connection, sink, id.position, marks)? {
            None
        } else {
            dead_letters::row(connection, sink, id)?
        };
        match row {
            Some(row) => rows.push((id, row)),
            None => leave(connection, sink, replay, id)?,
        }
    }
    Ok(rows)
}

/// Whether the batch is still to be delivered, or delivered again: then it would bring the row a second time, which is
/// no dead letter any more. What the target says counts, and what the cursor says: one of them may be late.
fn may_come(
    connection: &Connection,
    sink: &str,
    position: Position,
    marks: &[(RunId, Seq)],
) -> Result<bool, Failure> {
    let Some(run) = Run::load(connection, position.run)? else { return Ok(false) };
    let seq = position.seq.0;
    if present(connection, &run, seq.saturating_sub(1), seq)?.is_empty() {
        return Ok(false);
    }
    let behind = marks.iter().any(|(id, mark)| *id == run.id && mark.0 < seq);
    Ok(behind || CursorRow::load(connection, sink, run.id)?.floor() < seq)
}

/// These were refused again: they leave the replay and stay dead letters, with their new reasons.
pub(crate) fn refuse(
    connection: &Connection,
    sink: &str,
    replay: RunId,
    refused: &[DeadLetter],
) -> Result<(), Failure> {
    for letter in refused {
        dead_letters::refused_again(connection, sink, letter)?;
        leave(connection, sink, replay, letter.id())?;
    }
    Ok(())
}

/// The rows of the replay are in the target: how many letters are delivered now. The replay itself is remembered
/// by a row that is about no letter.
pub(crate) fn deliver(connection: &Connection, sink: &str, replay: RunId) -> Result<u64, Failure> {
    let mut row_counts = SinkRow::load(connection, sink)?;
    let delivered = letters_of(connection, sink, replay)?;
    for id in &delivered {
        dead_letters::delivered(connection, &mut row_counts, *id)?;
    }
    row_counts.save(connection)?;
    forget(connection, sink, replay)?;
    let nothing = Position { run: replay, seq: Seq::ZERO };
    join(connection, sink, replay, DeadLetterId { position: nothing, row: 0 })?;
    Ok(u64::try_from(delivered.len()).unwrap_or(u64::MAX))
}

/// The target has no watermark of it any more.
pub(crate) fn forget(connection: &Connection, sink: &str, replay: RunId) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM replays WHERE sink = ?1 AND replay = ?2")?
        .execute((sink, replay.0))?;
    Ok(())
}

fn join(connection: &Connection, sink: &str, replay: RunId, id: DeadLetterId) -> Result<(), Failure> {
    let seq = db(id.position.seq.0);
    put(connection, "replays", &[&sink, &replay.0, &id.position.run.0, &seq, &id.row])
}

fn leave(connection: &Connection, sink: &str, replay: RunId, id: DeadLetterId) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "DELETE FROM replays WHERE sink = ?1 AND replay = ?2 AND run = ?3 AND seq = ?4 AND row = ?5",
        )?
        .execute((sink, replay.0, id.position.run.0, db(id.position.seq.0), id.row))?;
    Ok(())
}
