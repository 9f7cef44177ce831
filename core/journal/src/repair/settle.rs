//! Makes the books of a salvaged file true again: what is missing is named and booked, what is known twice is joined.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;
use smiles_stage::RunId;

use crate::api::dead_letter::transform_of;
use crate::format::failure::Failure;
use crate::format::records::{Ranges, Run, SinkRow, count, db, gaps, without};
use crate::format::seal::put;
use crate::ledger::dead_letters;
use crate::ledger::row_counts::{NOBODY, lose_for_all, note_repair, present, waiting};

/// Settles everything and writes down what was found.
pub(crate) fn settle(
    connection: &Connection,
    now: Timestamp,
    why: &str,
    aside: &Path,
) -> Result<(), Failure> {
    share_schemas(connection)?;
    let runs = complete_runs(connection, now)?;
    restore_sinks(connection)?;
    let mut missing = Vec::new();
    for run in &runs {
        for range in missing_of(connection, run)? {
            lose_for_all(connection, run, range)?;
            missing.push(format!("{} to {} of run {}", range.0, range.1, run.id));
        }
    }
    let mended = balance(connection)?;
    let (batches, of_runs): (i64, i64) =
        connection.query_row("SELECT count(*), count(DISTINCT run) FROM batches", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let lost = if missing.is_empty() {
        "whether it held more is unknown".to_owned()
    } else {
        format!("missing: {}", missing.join(", "))
    };
    let name = aside.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut sentences = vec![format!(
        "the journal was damaged ({why}) and moved to {name}: {batches} batches of {of_runs} runs recovered, {lost}"
    )];
    if !mended.is_empty() {
        sentences.push(format!("the row counts of {} were rebuilt from what is left", mended.join(", ")));
    }
    for sentence in sentences {
        tracing::error!("{sentence}");
        note_repair(connection, now.as_microsecond(), &sentence)?;
    }
    Ok(())
}

fn share_schemas(connection: &Connection) -> Result<(), Failure> {
    connection.execute_batch(
        "INSERT OR IGNORE INTO schemas SELECT * FROM schema_copies;
         INSERT OR IGNORE INTO schema_copies SELECT * FROM schemas;",
    )?;
    Ok(())
}

/// Every run of a salvaged batch has its row and its extents; nothing deleted comes back. Oldest first.
fn complete_runs(connection: &Connection, now: Timestamp) -> Result<Vec<Run>, Failure> {
    let mut statement = connection.prepare(
        "SELECT run, min(seq), max(seq), min(ordinal - seq), min(accepted_at), max(accepted_at) \
         FROM batches GROUP BY run",
    )?;
    let seen = statement.query_map([], |row| {
        Ok(Run {
            id: RunId(row.get(0)?),
            base: count(row.get(3)?),
            first_at: row.get(4)?,
            last_at: row.get(5)?,
            last: count(row.get(2)?),
            deleted: count(row.get(1)?).saturating_sub(1),
            deleted_at: now.as_microsecond(),
        })
    })?;
    for batches in seen {
        let batches = batches?;
        let mut run = Run::load(connection, batches.id)?.unwrap_or_else(|| batches.clone());
        run.last = run.last.max(batches.last);
        run.last_at = run.last_at.max(batches.last_at);
        run.save(connection)?;
    }
    let runs = Run::all(connection)?;
    for run in &runs {
        connection
            .execute("DELETE FROM batches WHERE run = ?1 AND seq <= ?2", (run.id.0, db(run.deleted)))?;
        complete_extents(connection, run)?;
    }
    Ok(runs)
}

fn complete_extents(connection: &Connection, run: &Run) -> Result<(), Failure> {
    let mut statement =
        connection.prepare("SELECT first, last FROM extents WHERE run = ?1 ORDER BY first")?;
    let known = statement.query_map([run.id.0], |row| Ok((count(row.get(0)?), count(row.get(1)?))))?;
    let known: Ranges = known.collect::<Result<_, _>>()?;
    for (first, last) in without(&present(connection, run, run.deleted, run.last)?, &known) {
        for seq in first..=last {
            let rows: i64 = connection.query_row(
                "SELECT rows FROM batches WHERE ordinal = ?1",
                [db(run.base + seq)],
                |row| row.get(0),
            )?;
            put(connection, "extents", &[&run.id.0, &db(seq), &db(seq), &rows])?;
        }
    }
    Ok(())
}

/// A cursor, a gap or a dead letter whose sink's row is lost has its sink back, with empty books.
fn restore_sinks(connection: &Connection) -> Result<(), Failure> {
    let mut statement = connection.prepare(
        "SELECT sink FROM cursors UNION SELECT sink FROM gaps WHERE sink <> '' UNION SELECT sink FROM dead_letters \
         EXCEPT SELECT sink FROM sinks",
    )?;
    let orphans = statement.query_map([], |row| row.get::<_, String>(0))?;
    for name in orphans.collect::<Result<Vec<_>, _>>()? {
        let in_use = transform_of(&name).is_none();
        SinkRow { name, in_use, ..SinkRow::default() }.save(connection)?;
    }
    Ok(())
}

/// Ranges that were accepted, were not deleted and are not here, and were not booked before.
pub(crate) fn missing_of(connection: &Connection, run: &Run) -> Result<Ranges, Failure> {
    let mut missing = vec![(run.deleted + 1, run.last)];
    missing.retain(|(first, last)| first <= last);
    missing = without(&missing, &present(connection, run, run.deleted, run.last)?);
    missing = without(&missing, &gaps(connection, NOBODY, run.id)?);
    Ok(missing)
}

/// Where parts of the books were lost they are begun anew, so that they balance; the sinks concerned.
fn balance(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut mended = Vec::new();
    let transforms = SinkRow::transforms(connection)?;
    for mut sink in SinkRow::all(connection)?.into_iter().chain(transforms) {
        let waits = transform_of(&sink.name).is_none();
        let (_, waiting) = if waits { waiting(connection, &sink.name)? } else { (0, 0) };
        let dead = dead_letters::kept(connection, &sink.name)?;
        let accounted = sink.delivered + dead + sink.dropped + sink.lost + waiting;
        if sink.accepted != accounted || sink.dead != dead {
            (sink.accepted, sink.dead) = (accounted, dead);
            sink.save(connection)?;
            mended.push(format!("`{}`", sink.name));
        }
    }
    Ok(mended)
}
