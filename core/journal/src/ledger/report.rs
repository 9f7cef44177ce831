//! What a journal file says of itself, for people and metrics.

use rusqlite::Connection;
use smiles_stage::Seq;

use crate::api::entry::StateChange;
use crate::api::status::{RowCounts, Status};
use crate::format::failure::Failure;
use crate::format::layout::size;
use crate::format::records::{CursorRow, Run, SinkRow, count, instant};
use crate::ledger::row_counts::{losses, waiting, waiting_since};
use crate::ledger::{dead_letter_room, rejected};

/// Everything the file says of itself at one moment: other processes may be writing to it.
pub(crate) fn status(connection: &Connection) -> Result<Status, Failure> {
    let begun = connection.is_autocommit();
    let _moment = begun.then(|| connection.unchecked_transaction()).transpose()?;
    now(connection)
}

/// The state of all transforms.
pub(crate) fn state(connection: &Connection) -> Result<Vec<StateChange>, Failure> {
    let mut statement = connection.prepare("SELECT stage, key, value FROM state ORDER BY stage, key")?;
    let rows = statement
        .query_map([], |row| Ok(StateChange { stage: row.get(0)?, key: row.get(1)?, value: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn now(connection: &Connection) -> Result<Status, Failure> {
    let one =
        |sql: &str| -> Result<u64, Failure> { Ok(count(connection.query_row(sql, [], |row| row.get(0))?)) };
    let runs = Run::all(connection)?;
    let mut row_counts = Vec::new();
    for sink in SinkRow::all(connection)? {
        row_counts.push(book(connection, &runs, sink)?);
    }
    let mut statement = connection.prepare("SELECT sentence FROM repairs ORDER BY at, rowid")?;
    let repairs = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let dead_letters = dead_letter_room::found(connection)?;
    Ok(Status {
        size_bytes: size(connection)?,
        dead_letter_bytes: dead_letters.bytes,
        batches: one("SELECT count(*) FROM batches INDEXED BY sizes")?,
        rows: one("SELECT coalesce(sum(rows), 0) FROM batches INDEXED BY sizes")?,
        runs: runs
            .iter()
            .map(|run| (run.id, instant(run.first_at), Seq(run.last), Seq(run.deleted)))
            .collect(),
        row_counts,
        transforms: SinkRow::transforms(connection)?.into_iter().map(|row| of(row, (0, 0))).collect(),
        replay_requests: rejected::waiting(connection)?,
        losses: losses(connection)?,
        dead_letters: dead_letters.kept,
        repairs,
    })
}

fn book(connection: &Connection, runs: &[Run], sink: SinkRow) -> Result<RowCounts, Failure> {
    let mut watermarks = Vec::new();
    for run in runs {
        watermarks.push((run.id, Seq(CursorRow::load(connection, &sink.name, run.id)?.delivered)));
    }
    let waiting = waiting(connection, &sink.name)?;
    let waiting_since = waiting_since(connection, &sink.name)?;
    Ok(RowCounts { watermarks, waiting_since, ..of(sink, waiting) })
}

/// The books but for its watermarks; batches and rows wait for it.
fn of(sink: SinkRow, (waiting_batches, waiting): (u64, u64)) -> RowCounts {
    RowCounts {
        in_use: sink.in_use,
        accepted: sink.accepted,
        delivered: sink.delivered,
        dead_lettered: sink.dead,
        dropped: sink.dropped,
        lost: sink.lost,
        noted: sink.noted,
        waiting,
        waiting_batches,
        waiting_since: None,
        watermarks: Vec::new(),
        target: sink.target(),
        sink: sink.name,
    }
}
