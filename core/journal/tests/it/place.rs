//! A folder with a journal in it, and rows to put there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use smiles_journal::{
    Accepted, Cursor, Entry, From, Journal, OnFull, Options, ReadLimit, RejectedRows, RowCounts,
    SqliteJournal, StateChange,
};
use smiles_stage::{Batch, TargetId};
use smiles_testkit::{ids, numbered};

/// A folder that goes away with the test.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    pub(crate) options: Options,
}

pub(crate) const ALL: ReadLimit = ReadLimit { rows: usize::MAX, bytes: usize::MAX };
pub(crate) const HERE: TargetId = TargetId([7; 16]);

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        Self { options: options(Some(path)), folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder().join("journal.db")
    }

    pub(crate) async fn open(&self) -> SqliteJournal {
        SqliteJournal::open(self.options.clone(), at(0)).await.unwrap()
    }

    /// The names of files set aside.
    pub(crate) fn damaged(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder()).unwrap().map(|file| file.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.contains(".damaged-")).collect();
        names.sort();
        names
    }
}

pub(crate) fn options(path: Option<PathBuf>) -> Options {
    Options {
        path,
        pipeline: "solar".to_owned(),
        max_size: 1 << 30,
        retain: Duration::from_secs(86_400),
        on_full: OnFull::Block,
    }
}

/// So many seconds after an arbitrary start.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

pub(crate) fn entry(rows: impl IntoIterator<Item = i64>, seconds: i64) -> Entry {
    Entry {
        records: numbered(rows),
        state: Vec::new(),
        complete: true,
        aside: RejectedRows::default(),
        now: at(seconds),
    }
}

pub(crate) fn put(stage: &str, key: &[u8], value: &[u8]) -> StateChange {
    StateChange { stage: stage.to_owned(), key: key.to_vec(), value: value.to_vec() }
}

pub(crate) async fn append(
    journal: &SqliteJournal,
    rows: impl IntoIterator<Item = i64>,
    seconds: i64,
) -> Accepted {
    journal.append(entry(rows, seconds)).await.unwrap()
}

pub(crate) fn cursor(sink: &str, from: From) -> Cursor {
    Cursor { sink: sink.to_owned(), from }
}

pub(crate) async fn enlist(journal: &SqliteJournal, sinks: &[&str]) {
    let cursors: Vec<Cursor> = sinks.iter().map(|sink| cursor(sink, From::Now)).collect();
    journal.enlist(&cursors).await.unwrap();
}

/// All ids, in order.
pub(crate) fn ids_of(batches: &[Batch]) -> Vec<i64> {
    batches.iter().flat_map(|batch| ids(&batch.records)).collect()
}

/// Reads and delivers until nothing is owed; the ids seen.
pub(crate) async fn drain(journal: &SqliteJournal, sink: &str) -> Vec<i64> {
    let mut seen = Vec::new();
    loop {
        let batches = journal.read(sink, None, ALL).await.unwrap();
        let Some(last) = batches.last() else { return seen };
        seen.extend(ids_of(&batches));
        journal.delivered(sink, last.position).await.unwrap();
    }
}

/// The sink's books, which must balance.
pub(crate) async fn row_counts(journal: &SqliteJournal, sink: &str) -> RowCounts {
    let status = journal.status().await.unwrap();
    for row_counts in &status.row_counts {
        balance(row_counts);
    }
    status.row_counts.into_iter().find(|row_counts| row_counts.sink == sink).unwrap()
}

pub(crate) fn balance(row_counts: &RowCounts) {
    let accounted = row_counts.delivered
        + row_counts.dead_lettered
        + row_counts.dropped
        + row_counts.lost
        + row_counts.waiting;
    assert_eq!(row_counts.accepted, accounted, "{row_counts:?}");
}
