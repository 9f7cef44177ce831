//! The writer: group commit, waiting sinks, entries that cannot be written.

use std::sync::Arc;

use smiles_journal::{Journal, SqliteJournal};
use smiles_stage::Seq;
use tokio::task::JoinSet;

use crate::place::{Place, append, at, drain, enlist, entry, options, row_counts};

const MANY: i64 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_that_wait_together_commit_together() {
    let place = Place::new();
    let journal = Arc::new(place.open().await);
    enlist(&journal, &["store"]).await;
    let before = journal.transactions();
    let mut tasks = JoinSet::new();
    for id in 0..MANY {
        let journal = Arc::clone(&journal);
        tasks.spawn(async move { journal.append(entry([id], 0)).await.unwrap().batch.position.seq });
    }
    let mut given = tasks.join_all().await;
    given.sort_unstable();
    assert_eq!(given, (1..=400).map(Seq).collect::<Vec<_>>());
    let transactions = journal.transactions() - before;
    assert!(transactions < 100, "{transactions} transactions for {MANY} appends");
    let mut ids = drain(&journal, "store").await;
    ids.sort_unstable();
    assert_eq!(ids, (0..MANY).collect::<Vec<_>>());
    assert_eq!(journal.file_reads(), 0, "a sink that keeps up reads from memory");
}

#[tokio::test]
async fn a_waiting_sink_is_woken() {
    let journal = SqliteJournal::open(options(None), at(0)).await.unwrap();
    let mut appended = journal.appended();
    assert_eq!(*appended.borrow_and_update(), 0);
    append(&journal, [1], 0).await;
    append(&journal, [], 0).await;
    appended.changed().await.unwrap();
    assert_eq!(*appended.borrow(), 2);
}

#[tokio::test]
async fn a_batch_without_rows_carries_state_only() {
    let journal = SqliteJournal::open(options(None), at(0)).await.unwrap();
    enlist(&journal, &["store"]).await;
    append(&journal, [], 0).await;
    assert_eq!(journal.read("store", None, crate::place::ALL).await.unwrap().len(), 1);
    drain(&journal, "store").await;
    let row_counts = row_counts(&journal, "store").await;
    assert_eq!((row_counts.accepted, row_counts.waiting_batches), (0, 0));
}

/// One transaction holds a job that fails and jobs that succeed.
#[tokio::test]
async fn an_entry_that_fails_fails_alone() {
    let mut small = options(None);
    small.max_size = 1 << 20;
    let journal = Arc::new(SqliteJournal::open(small, at(0)).await.unwrap());
    enlist(&journal, &["store"]).await;
    append(&journal, [0], 0).await;
    let mut tasks = JoinSet::new();
    for size in [10, 200_000, 20, 30] {
        let journal = Arc::clone(&journal);
        tasks.spawn(async move { (size, journal.append(entry(0..size, 0)).await.is_ok()) });
    }
    let mut outcomes = tasks.join_all().await;
    outcomes.sort_unstable();
    assert_eq!(outcomes, [(10, true), (20, true), (30, true), (200_000, false)]);
    assert_eq!(row_counts(&journal, "store").await.accepted, 61);
}
