//! A journal that was deleted, exchanged or cut under the process that has it open: what is still there goes into a new file at
//! its path, and what is not is said.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use smiles_stage::Batch;

use crate::api::error::JournalError;
use crate::format::codec::Encoded;
use crate::format::failure::Failure;
use crate::format::layout;
use crate::format::lock::{Lock, beside};
use crate::format::presence::{Absence, is_at};
use crate::format::records::{CursorRow, Run, SinkRow, add_gap, db, extend};
use crate::format::seal::put;
use crate::ledger::row_counts::{NOBODY, lose_for_all, note_repair};
use crate::log::store::{JournalFile, rows_of};
use crate::repair::examine::{repair, sync_folder};
use crate::repair::salvage::remove;

const RESCUED: &str = ".rescued";

/// Mends what `absence` says; nothing may be written before that has succeeded.
pub(crate) fn rescue(store: &mut JournalFile, absence: Absence) -> Result<(), Failure> {
    let Some(path) = store.options.path.clone() else { return Ok(()) };
    let what = absence.what();
    tracing::error!(journal = %path.display(), "the journal {what} while it was in use; saving what is left");
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let _door = Lock::door(&path)?;
    if !store.lock.as_ref().is_some_and(|lock| lock.is_at(&path)) {
        // Its lock went with it: nobody else may have begun another one.
        store.lock = Some(Lock::take(&path).map_err(taken)?);
    }
    let said = match absence {
        Absence::Gone(_) => from_open_file(store, &path)?,
        Absence::Cut(_) => from_cut_file(store, &path, what)?,
    };
    let sentence = format!("the journal {what} while it was in use: {said}");
    note_repair(&store.connection, store.now.as_microsecond(), &sentence)?;
    tracing::error!(journal = %path.display(), "{sentence}");
    Ok(())
}

fn taken(error: JournalError) -> Failure {
    Failure::Other(error.into())
}

/// All of it, through the connection that has it open.
fn from_open_file(store: &mut JournalFile, path: &Path) -> Result<String, Failure> {
    let new = beside(path, RESCUED);
    remove(&new)?;
    layout::create(&Connection::open(&new)?, &store.options.pipeline)?;
    copy(&store.connection, &new)?;
    File::open(&new)?.sync_all()?;
    let found = set_aside_others(store, path)?;
    // What is closed last takes the log at its path with it: nothing of the new file may be there yet.
    drop(std::mem::replace(&mut store.connection, Connection::open_in_memory()?));
    for suffix in ["-wal", "-shm"] {
        let beside = beside(path, suffix);
        if beside.exists() {
            fs::remove_file(beside)?;
        }
    }
    fs::rename(&new, path)?;
    sync_folder(path)?;
    store.reconnect()?;
    Ok(match found {
        Some(found) => format!("everything in it was saved, and what lay in its place is {found}"),
        None => "everything in it was saved".to_owned(),
    })
}

/// Every row as it is, with its checksum, in the order of its table.
fn copy(from: &Connection, new: &Path) -> Result<(), Failure> {
    from.execute("ATTACH ?1 AS rescued", [new.to_string_lossy()])?;
    let copied = from.execute_batch("BEGIN IMMEDIATE").map_err(Failure::from).and_then(|()| {
        for table in layout::tables() {
            let name = table.name;
            from.execute_batch(&format!(
                "DELETE FROM rescued.{name}; INSERT INTO rescued.{name} SELECT * FROM main.{name} ORDER BY rowid"
            ))?;
        }
        Ok(from.execute_batch("COMMIT")?)
    });
    if copied.is_err() && !from.is_autocommit() {
        from.execute_batch("ROLLBACK")?;
    }
    let detached = from.execute_batch("DETACH rescued");
    copied.and_then(|()| Ok(detached?))
}

/// A file of somebody else in the journal's place is kept under another name.
fn set_aside_others(store: &JournalFile, path: &Path) -> Result<Option<String>, Failure> {
    let ours = store.presence.as_ref().is_some_and(|presence| is_at(path, presence));
    if ours || !path.exists() {
        return Ok(None);
    }
    let stamp = store.now.strftime("%Y%m%dT%H%M%SZ");
    let mut aside = beside(path, &format!(".found-{stamp}"));
    let mut number = 2;
    while aside.exists() {
        aside = beside(path, &format!(".found-{stamp}-{number}"));
        number += 1;
    }
    let renamed = |suffix: &str| -> (PathBuf, PathBuf) { (beside(path, suffix), beside(&aside, suffix)) };
    for (from, to) in [renamed("-wal"), renamed("")] {
        if from.exists() {
            fs::rename(from, to)?;
        }
    }
    Ok(aside.file_name().map(|name| name.to_string_lossy().into_owned()))
}

/// What the files still hold, and the batches in memory.
fn from_cut_file(store: &mut JournalFile, path: &Path, what: &str) -> Result<String, Failure> {
    let recent = store.hot.all();
    let evicted = store.hot.evicted();
    drop(std::mem::replace(&mut store.connection, Connection::open_in_memory()?));
    repair(path, &store.options.pipeline.clone(), store.now, &format!("it {what}"))?;
    store.reconnect()?;
    store.enlist_again()?;
    let mut back = 0_usize;
    for (ordinal, batch) in &recent {
        back += usize::from(put_back(&store.connection, *ordinal, batch, evicted)?);
    }
    Ok(format!(
        "what was left was saved, {back} batches of it from memory; what no sink had yet may be missing"
    ))
}

/// Puts a batch of memory back in its place, if the file has lost it.
fn put_back(connection: &Connection, ordinal: u64, batch: &Batch, evicted: u64) -> Result<bool, Failure> {
    let (id, seq) = (batch.position.run, batch.position.seq.0);
    let here: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM batches WHERE ordinal = ?1)",
        [db(ordinal)],
        |row| row.get(0),
    )?;
    let at = batch.accepted_at.as_microsecond();
    let new = Run { base: ordinal - seq, first_at: at, ..Run::new(id) };
    let mut run = Run::load(connection, id)?.unwrap_or(new);
    if here || seq <= run.deleted {
        return Ok(false);
    }
    let missing = (run.last + 1, seq - 1);
    (run.last, run.last_at) = (run.last.max(seq), at);
    run.save(connection)?;
    if missing.0 <= missing.1 {
        pass_over(connection, &run, missing, evicted)?;
    }
    let encoded = Encoded::of(&batch.records, batch.complete)?;
    for table in ["schemas", "schema_copies"] {
        put(connection, table, &[&encoded.schema, &encoded.prefix()])?;
    }
    let rows = rows_of(&batch.records);
    put(
        connection,
        "batches",
        &[&db(ordinal), &id.0, &db(seq), &encoded.schema, &db(rows), &at, &encoded.payload()],
    )?;
    extend(connection, id, seq, rows)?;
    for mut sink in SinkRow::all(connection)? {
        sink.accepted += rows;
        sink.save(connection)?;
    }
    Ok(true)
}

/// Batches before the oldest in memory are not there because every sink in use has them, unless there were too many.
fn pass_over(
    connection: &Connection,
    run: &Run,
    (first, last): (u64, u64),
    evicted: u64,
) -> Result<(), Failure> {
    if run.base + first <= evicted {
        return lose_for_all(connection, run, (first, last));
    }
    add_gap(connection, NOBODY, run.id, (first, last))?;
    for sink in SinkRow::all(connection)?.into_iter().filter(|sink| sink.in_use) {
        let place = CursorRow::load(connection, &sink.name, run.id)?;
        let place = CursorRow { delivered: place.delivered.max(last), ..place };
        place.save(connection, &sink.name, run.id)?;
    }
    Ok(())
}
