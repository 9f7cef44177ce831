//! A journal that was deleted, exchanged or cut under the process that has it open: what is still there goes into a new file at
//! its path, and what is not is said.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ToSql};
use smiles_stage::Batch;

use crate::api::error::JournalError;
use crate::api::journal::Cursor;
use crate::format::codec::Encoded;
use crate::format::failure::Failure;
use crate::format::layout;
use crate::format::lock::{Lock, beside};
use crate::format::presence::{Absence, Presence};
use crate::format::records::{CursorRow, Run, add_gap, db};
use crate::format::seal::put;
use crate::ledger::row_counts::{NOBODY, note_repair};
use crate::log::store::{JournalFile, rows_of};
use crate::repair::examine::{free_name, repair, sync_folder};
use crate::repair::salvage::remove;

const RESCUED: &str = ".rescued";

/// Mends what `absence` says; nothing may be written before that has succeeded.
pub(crate) fn rescue(store: &mut JournalFile, absence: Absence) -> Result<(), Failure> {
    let what = absence.what();
    let saved = save(store, absence);
    saved.map_err(|failure| {
        Failure::Other(format!("it {what} while it was in use, and cannot be saved: {failure}").into())
    })
}

fn save(store: &mut JournalFile, absence: Absence) -> Result<(), Failure> {
    let Some(path) = store.options.path.clone() else { return Ok(()) };
    let what = absence.what();
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
    let ours = store.presence.as_ref().is_some_and(Presence::is_at_its_path);
    if ours || !path.exists() {
        return Ok(None);
    }
    let aside = free_name(path, "found", store.now);
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
    let recent = Recent { batches: store.hot.all(), evicted: store.hot.evicted(), sinks: &store.enlisted };
    drop(std::mem::replace(&mut store.connection, Connection::open_in_memory()?));
    let mut back = 0_usize;
    let mut add = |salvaged: &Connection| {
        back = recent.put_back(salvaged)?;
        Ok(())
    };
    repair(path, &store.options.pipeline, store.now, &format!("it {what}"), &mut add)?;
    store.reconnect()?;
    store.enlist_again()?;
    Ok(format!(
        "what was left was saved, {back} batches of it from memory; what no sink had yet may be missing"
    ))
}

/// The batches in memory: those that a sink of the file waits for.
struct Recent<'a> {
    batches: Vec<(u64, Batch)>,
    /// The highest ordinal of those that had no room, although a sink may wait for them.
    evicted: u64,
    sinks: &'a [Cursor],
}

impl Recent<'_> {
    /// Adds those that the file has lost to what was gathered of it; how many.
    fn put_back(&self, salvaged: &Connection) -> Result<usize, Failure> {
        let mut back = 0;
        for (ordinal, batch) in &self.batches {
            let (id, seq) = (batch.position.run, batch.position.seq.0);
            let at = batch.accepted_at.as_microsecond();
            let new = || Run { base: ordinal - seq, first_at: at, ..Run::new(id) };
            let run = Run::load(salvaged, id)?.unwrap_or_else(new);
            let find = "SELECT EXISTS (SELECT 1 FROM batches WHERE ordinal = ?1)";
            let here: bool = salvaged.query_row(find, [db(*ordinal)], |row| row.get(0))?;
            if here || seq <= run.deleted {
                continue;
            }
            self.pass_over(salvaged, &run, seq)?;
            Run { last: run.last.max(seq), last_at: at, ..run }.save(salvaged)?;
            insert(salvaged, *ordinal, batch)?;
            back += 1;
        }
        Ok(back)
    }

    /// Batches between what the file knew and this one are not there because every sink of the file has them, unless there were
    /// too many: those are found missing.
    fn pass_over(&self, salvaged: &Connection, run: &Run, seq: u64) -> Result<(), Failure> {
        let first = run.last.max(self.evicted.saturating_sub(run.base)) + 1;
        if first >= seq {
            return Ok(());
        }
        add_gap(salvaged, NOBODY, run.id, (first, seq - 1))?;
        for Cursor { sink, .. } in self.sinks {
            let place = CursorRow::load(salvaged, sink, run.id)?;
            let place = CursorRow { delivered: place.delivered.max(seq - 1), ..place };
            place.save(salvaged, sink, run.id)?;
        }
        Ok(())
    }
}

fn insert(salvaged: &Connection, ordinal: u64, batch: &Batch) -> Result<(), Failure> {
    let Batch { position, complete, accepted_at, records } = batch;
    let encoded = Encoded::of(records, *complete)?;
    for table in ["schemas", "schema_copies"] {
        put(salvaged, table, &[&encoded.schema, &encoded.prefix()])?;
    }
    let (seq, rows, at) = (db(position.seq.0), db(rows_of(records)), accepted_at.as_microsecond());
    let values: [&dyn ToSql; 7] =
        [&db(ordinal), &position.run.0, &seq, &encoded.schema, &rows, &at, &encoded.payload()];
    put(salvaged, "batches", &values)
}
