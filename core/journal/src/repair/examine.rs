//! A damaged file is mended without anyone's help: what is readable moves to a new file, the old one is set aside.
//!
//! Order of the steps, so that a crash at any point loses nothing: the new file is built under another name and
//! renamed to `.repaired` when it is whole; only then is the damaged one renamed, and the new one put in its place.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;

use crate::format::failure::Failure;
use crate::format::layout::APPLICATION_ID;
use crate::format::lock::{Lock, beside};
use crate::format::records::{Run, count, rows_between};
use crate::format::seal::is_whole;
use crate::format::{layout, wal};
use crate::ledger::row_counts::present;
use crate::log::store::JournalFile;
use crate::repair::salvage;
use crate::repair::salvage::{Add, salvage};
use crate::repair::settle::missing_of;

const REPAIRED: &str = ".repaired";
/// Bytes of damaged files that are kept, beside the newest one.
const SET_ASIDE_MAX: u64 = 1 << 30;

/// How much of a file is read to see whether it is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The books and which batches there are: what a start needs. The rest is examined while the pipeline runs.
    Start,
    /// Every page.
    Whole,
}

/// Up to this size a file is examined whole before it is used.
const WHOLE_MAX: u64 = 16 << 20;

impl Depth {
    /// What opening a file may take.
    pub(crate) fn to_open(path: &Path) -> Self {
        let size = fs::metadata(path).map_or(0, |file| file.len());
        if size <= WHOLE_MAX { Self::Whole } else { Self::Start }
    }
}

/// Leaves a sound journal of the pipeline at the path, or nothing where nothing was.
pub(crate) fn repair_if_damaged(
    path: &Path,
    pipeline: &str,
    now: Timestamp,
    depth: Depth,
) -> Result<(), Failure> {
    if beside(path, REPAIRED).exists() {
        // A repair was interrupted between its renames.
        replace(path, &free_name(path, "damaged", now))?;
    }
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(Failure::Refused(format!("{} is no file: move it away", path.display())));
    }
    let why = match examine(path, pipeline, depth)? {
        Verdict::Sound => return Ok(()),
        Verdict::TornLog if nothing_lost(path, pipeline)? => return forget_torn_end(path),
        Verdict::TornLog => TORN_LOG.to_owned(),
        Verdict::Damaged(why) => why,
    };
    repair(path, pipeline, now, &why, &mut |_| Ok(()))
}

/// Moves what is readable to a new file and sets the old one aside. `add`: puts what is known beside it into the new one, before
/// anything is taken for missing.
pub(crate) fn repair(
    path: &Path,
    pipeline: &str,
    now: Timestamp,
    why: &str,
    add: Add<'_>,
) -> Result<(), Failure> {
    let aside = free_name(path, "damaged", now);
    tracing::error!(journal = %path.display(), why, "the journal is damaged; recovering what is readable");
    let new = salvage(path, pipeline, (now, why, &aside), add)?;
    fs::rename(new, beside(path, REPAIRED))?;
    replace(path, &aside)?;
    limit_set_aside(path, &aside, SET_ASIDE_MAX)
}

/// Files set aside have a limit of their own: the oldest go, never the newest. What was readable in them was saved before.
fn limit_set_aside(path: &Path, newest: &Path, max: u64) -> Result<(), Failure> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let begin = format!("{}.damaged-", name.to_string_lossy());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&begin) {
            let file = entry.metadata()?;
            found.push((file.modified()?, file.len(), entry.path()));
        }
    }
    found.sort();
    let mut bytes: u64 = found.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, size, file) in found {
        if bytes <= max {
            break;
        }
        if file != newest && file != beside(newest, "-wal") {
            tracing::warn!(file = %file.display(), "a damaged journal that was set aside earlier is deleted");
            fs::remove_file(file)?;
            bytes -= size;
        }
    }
    Ok(())
}

/// Repairs a file that showed damage while in use and opens it again; whether that worked.
pub(crate) fn heal(store: &mut JournalFile) -> bool {
    let Some(path) = store.options.path.clone() else { return false };
    let healed = Connection::open_in_memory().map_err(Failure::from).and_then(|nothing| {
        drop(std::mem::replace(&mut store.connection, nothing));
        let _door = Lock::door(&path)?;
        repair_if_damaged(&path, &store.options.pipeline.clone(), store.now, Depth::Whole)?;
        store.reconnect()?;
        store.enlist_again()
    });
    if let Err(error) = &healed {
        tracing::error!(journal = %path.display(), %error, "cannot repair the journal");
    }
    healed.is_ok()
}

/// What an examination finds.
enum Verdict {
    /// Nothing wrong, or no file.
    Sound,
    /// A commit stands in the log behind a frame that does not verify.
    TornLog,
    /// What is wrong.
    Damaged(String),
}

const TORN_LOG: &str = "its write-ahead log does not verify";

fn examine(path: &Path, pipeline: &str, depth: Depth) -> Result<Verdict, Failure> {
    let log = wal::read(&beside(path, "-wal"))?;
    let size = fs::metadata(path).map_or(0, |file| file.len());
    if log.damaged {
        return Ok(Verdict::TornLog);
    }
    if size == 0 && !log.frames.is_empty() {
        return Ok(Verdict::Damaged("the file is gone, its write-ahead log is not".to_owned()));
    }
    if size == 0 {
        return Ok(Verdict::Sound);
    }
    match look(path, pipeline, depth) {
        Ok(true) => Ok(Verdict::Sound),
        Ok(false) => {
            // A file that was being made when the process ended: no table in it yet.
            fs::remove_file(path)?;
            Ok(Verdict::Sound)
        }
        Err(failure) if failure.is_damage() => Ok(Verdict::Damaged(failure.to_string())),
        Err(failure) => Err(failure),
    }
}

/// Whether all that stands behind the log's torn place are cursors. These are not synced, so a power cut may leave
/// one behind a page that was never written; the target's own word replaces it. What is synced lies before.
fn nothing_lost(path: &Path, pipeline: &str) -> Result<bool, Failure> {
    match look(path, pipeline, Depth::Whole) {
        Ok(true) => salvage::adds_nothing(path, pipeline),
        Ok(false) => Ok(false),
        Err(failure) if failure.is_damage() => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Writes what SQLite takes of the log into the file and empties the log: nothing of the torn end may be taken for
/// the end of a later log.
fn forget_torn_end(path: &Path) -> Result<(), Failure> {
    tracing::info!(journal = %path.display(), "a power cut damaged the last cursors; they are read from the targets");
    let connection = layout::beside_owner(path)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// Whether there is anything in it; an error where it is not what it must be.
fn look(path: &Path, pipeline: &str, depth: Depth) -> Result<bool, Failure> {
    let connection = if beside(path, "-journal").exists() {
        // The file was being made: only a writer may undo that.
        Connection::open(path)?
    } else {
        layout::read_only(path)?
    };
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let shape = layout::shape(&connection)?;
    if application != APPLICATION_ID && !shape.iter().any(|(_, name, ..)| name == "meta") {
        check_pages(&connection)?;
        if shape.is_empty() {
            return Ok(false);
        }
        return Err(Failure::Refused(format!("{} is not a journal but another database", path.display())));
    }
    let owner = layout::pipeline_of(&connection)?;
    if owner != pipeline {
        return Err(not_ours(path, &owner, pipeline));
    }
    match depth {
        Depth::Whole => check(&connection)?,
        Depth::Start => check_start(&connection)?,
    }
    Ok(true)
}

/// The refusal of a journal that another pipeline wrote.
pub(crate) fn not_ours(path: &Path, owner: &str, pipeline: &str) -> Failure {
    let path = path.display();
    Failure::Refused(format!("the journal {path} belongs to the pipeline `{owner}`, not to `{pipeline}`"))
}

/// Everything that can be verified without reading the batches' bytes.
pub(crate) fn check(connection: &Connection) -> Result<(), Failure> {
    check_shape(connection)?;
    check_pages(connection)?;
    for table in layout::BOOKS.iter().chain([&layout::REPAIRS]) {
        check_rows(connection, table)?;
    }
    check_batches(connection)
}

/// What a pipeline needs to begin: the books without the dead letters, and that no batch is missing.
fn check_start(connection: &Connection) -> Result<(), Failure> {
    check_shape(connection)?;
    for table in layout::BOOKS.iter().chain([&layout::REPAIRS]).filter(|table| table.name != "dead_letters") {
        check_rows(connection, table)?;
    }
    for run in Run::retained(connection)? {
        check_missing(connection, &run)?;
    }
    Ok(())
}

fn check_shape(connection: &Connection) -> Result<(), Failure> {
    if layout::shape(connection)? == layout::expected_shape()? {
        return Ok(());
    }
    Err(Failure::Damaged("its tables are not those of a journal".to_owned()))
}

fn check_rows(connection: &Connection, table: &layout::Table) -> Result<(), Failure> {
    match damaged_rows(connection, table)? {
        0 => Ok(()),
        _ => Err(Failure::Damaged(format!("a row of `{}` has a wrong checksum", table.name))),
    }
}

fn check_missing(connection: &Connection, run: &Run) -> Result<(), Failure> {
    match missing_of(connection, run)?.is_empty() {
        true => Ok(()),
        false => Err(Failure::Damaged(format!("batches of run {} are missing", run.id))),
    }
}

/// Whether the batches are those that the books speak of. Their bytes are verified when they are read: checking all
/// of them here would read a large file twice.
fn check_batches(connection: &Connection) -> Result<(), Failure> {
    let strays: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM batches b LEFT JOIN runs r ON r.run = b.run \
         WHERE r.run IS NULL OR b.ordinal <> r.base + b.seq OR b.seq <= r.deleted OR b.seq > r.last)",
        [],
        |row| row.get(0),
    )?;
    if strays {
        return Err(Failure::Damaged("it holds a batch that was never accepted".to_owned()));
    }
    for run in Run::retained(connection)? {
        check_missing(connection, &run)?;
        let mut expected = 0;
        for (first, last) in present(connection, &run, run.deleted, run.last)? {
            expected += rows_between(connection, run.id, first, last)?;
        }
        let found: i64 = connection.query_row(
            "SELECT coalesce(sum(rows), 0) FROM batches WHERE run = ?1",
            [run.id.0],
            |row| row.get(0),
        )?;
        if count(found) != expected {
            return Err(Failure::Damaged(format!(
                "batches of run {} have other rows than were accepted",
                run.id
            )));
        }
    }
    Ok(())
}

fn check_pages(connection: &Connection) -> Result<(), Failure> {
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(Failure::Damaged(verdict.replace('\n', " "))) }
}

/// How many rows are not what was written.
pub(crate) fn damaged_rows(connection: &Connection, table: &layout::Table) -> Result<u64, Failure> {
    let mut statement = connection.prepare(&format!("SELECT * FROM {}", table.name))?;
    let mut rows = statement.query([])?;
    let mut damaged = 0;
    while let Some(row) = rows.next()? {
        damaged += u64::from(!is_whole(row, table.columns)?);
    }
    Ok(damaged)
}

/// `journal.db.damaged-20261123T231500Z`, with a number where that is taken.
pub(crate) fn free_name(path: &Path, what: &str, now: Timestamp) -> PathBuf {
    let stamp = now.strftime("%Y%m%dT%H%M%SZ");
    let mut candidate = beside(path, &format!(".{what}-{stamp}"));
    let mut number = 2;
    while candidate.exists() || beside(&candidate, "-wal").exists() {
        candidate = beside(path, &format!(".{what}-{stamp}-{number}"));
        number += 1;
    }
    candidate
}

/// Sets the damaged files aside and puts the repaired one in their place.
fn replace(path: &Path, aside: &Path) -> Result<(), Failure> {
    for suffix in ["", "-wal", "-journal"] {
        let from = if suffix.is_empty() { path.to_owned() } else { beside(path, suffix) };
        let Ok(found) = fs::metadata(&from) else { continue };
        if found.len() == 0 && !suffix.is_empty() {
            fs::remove_file(from)?;
        } else {
            let to = if suffix.is_empty() { aside.to_owned() } else { beside(aside, suffix) };
            fs::rename(from, to)?;
        }
    }
    let index = beside(path, "-shm");
    if index.exists() {
        fs::remove_file(index)?;
    }
    fs::rename(beside(path, REPAIRED), path)?;
    sync_folder(path)
}

/// Makes renames durable where the system has folders that can be synced.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Failure> {
    if cfg!(unix)
        && let Some(folder) = path.parent()
    {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_files_set_aside_the_oldest_go_and_the_newest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let aside = |day: u32| folder.path().join(format!("journal.db.damaged-2026112{day}T000000Z"));
        for day in 1..=4 {
            fs::write(aside(day), [0; 10]).unwrap();
            let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(day));
            File::options().write(true).open(aside(day)).unwrap().set_modified(time).unwrap();
        }
        fs::write(folder.path().join("other.damaged-20200101T000000Z"), [0; 99]).unwrap();
        let left = |max| {
            limit_set_aside(&path, &aside(4), max).unwrap();
            (1..=4).filter(|day| aside(*day).exists()).collect::<Vec<_>>()
        };
        assert_eq!(left(40), [1, 2, 3, 4]);
        assert_eq!(left(29), [3, 4]);
        assert_eq!(left(1), [4], "whatever it takes");
        assert!(folder.path().join("other.damaged-20200101T000000Z").exists());
    }
}
