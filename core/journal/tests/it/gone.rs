//! Files that are deleted, exchanged or cut under the process that has them open, or while nobody does; and large ones.

use std::fs::{self, OpenOptions};
use std::time::Duration;

use smiles_journal::{Journal, ReadLimit, SqliteJournal};
use smiles_testkit::eventually;

use crate::place::{Place, append, at, drain, enlist, ids_of, put, row_counts};

/// What an accident does to the files.
type Accident = fn(&Place);

const GONE: [(&str, Accident, &str); 6] = [
    ("the journal is deleted", |place| fs::remove_file(place.file()).unwrap(), "was deleted"),
    (
        "all of it is deleted",
        |place| {
            for file in fs::read_dir(place.folder()).unwrap() {
                fs::remove_file(file.unwrap().path()).unwrap();
            }
        },
        "was deleted",
    ),
    ("its folder is deleted", |place| fs::remove_dir_all(place.folder()).unwrap(), "was deleted"),
    (
        "another file is put in its place",
        |place| {
            let other = place.folder().join("other");
            fs::write(&other, "of somebody else").unwrap();
            fs::rename(other, place.file()).unwrap();
        },
        "was exchanged for another file while it was in use: everything in it was saved, and what lay in its place is \
         journal.db.found-",
    ),
    (
        "the log is deleted",
        |place| fs::remove_file(beside(place, "-wal")).unwrap(),
        "lost its write-ahead log",
    ),
    (
        "log and index are deleted",
        |place| {
            fs::remove_file(beside(place, "-wal")).unwrap();
            fs::remove_file(beside(place, "-shm")).unwrap();
        },
        "lost its write-ahead log",
    ),
];

fn beside(place: &Place, suffix: &str) -> std::path::PathBuf {
    place.folder().join(format!("journal.db{suffix}"))
}

#[tokio::test]
async fn a_journal_that_vanishes_while_it_is_in_use_is_saved_whole() {
    for (what, accident, said) in GONE {
        let place = Place::new();
        let journal = place.open().await;
        enlist(&journal, &["store", "other"]).await;
        let first = append(&journal, [1, 2], 0).await.batch.position;
        journal.delivered("store", first).await.unwrap();
        journal.keep_state(vec![put("counter", b"a", b"7")]).await.unwrap();
        append(&journal, [3], 1).await;
        accident(&place);
        append(&journal, [4], 2).await;
        let status = journal.status().await.unwrap();
        assert!(
            status.repairs.len() == 1 && status.repairs[0].contains(said),
            "{what}: {:?}",
            status.repairs
        );
        assert_eq!(drain(&journal, "store").await, [3, 4], "{what}");
        drop(journal);
        // All of it is at its path again, and sound.
        let journal = place.open().await;
        assert_eq!(journal.status().await.unwrap().repairs.len(), 1, "{what}");
        assert_eq!(drain(&journal, "other").await, [1, 2, 3, 4], "{what}");
        assert_eq!(journal.load_state().await.unwrap(), [put("counter", b"a", b"7")], "{what}");
        for sink in ["store", "other"] {
            let books = row_counts(&journal, sink).await;
            assert_eq!((books.accepted, books.delivered), (4, 4), "{what}: {sink}");
        }
    }
}

#[tokio::test]
async fn what_vanishes_before_the_end_is_saved_at_the_end() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    append(&journal, [1, 2], 0).await;
    fs::remove_file(place.file()).unwrap();
    journal.close().await.unwrap();
    drop(journal);
    let journal = place.open().await;
    assert_eq!(drain(&journal, "store").await, [1, 2]);
    assert!(journal.status().await.unwrap().repairs[0].contains("was deleted"));
}

#[tokio::test]
async fn of_a_journal_that_is_cut_while_it_is_in_use_all_that_a_sink_waits_for_is_saved() {
    let cut = |place: &Place, suffix: &str| {
        OpenOptions::new().write(true).open(beside(place, suffix)).unwrap().set_len(0).unwrap();
    };
    for suffix in ["-wal", ""] {
        let place = Place::new();
        let journal = place.open().await;
        enlist(&journal, &["store"]).await;
        append(&journal, [1], 0).await;
        assert_eq!(drain(&journal, "store").await, [1]);
        append(&journal, [2, 3], 1).await;
        append(&journal, [4], 2).await;
        cut(&place, suffix);
        append(&journal, [5], 3).await;
        let status = journal.status().await.unwrap();
        assert!(status.repairs.iter().any(|said| said.contains("cut")), "{suffix}: {:?}", status.repairs);
        assert_eq!(drain(&journal, "store").await, [2, 3, 4, 5], "{suffix}");
        drop(journal);
        let journal = place.open().await;
        row_counts(&journal, "store").await;
    }
}

#[tokio::test]
async fn what_is_missing_at_the_start_is_said() {
    let repairs = async |place: &Place| {
        let journal = place.open().await;
        let repairs = journal.status().await.unwrap().repairs;
        journal.close().await.unwrap();
        repairs
    };
    let place = Place::new();
    assert_eq!(repairs(&place).await, [""; 0], "a first start");
    assert_eq!(repairs(&place).await, [""; 0], "and another one");
    fs::remove_file(place.file()).unwrap();
    let said = repairs(&place).await;
    assert!(said[0].contains("journal.db was deleted since the bridge last ran"), "{said:?}");

    // A copy is what a process that was killed leaves.
    let original = Place::new();
    let journal = original.open().await;
    enlist(&journal, &["store"]).await;
    append(&journal, [1], 0).await;
    for (with_log, expected) in [(true, 0), (false, 1)] {
        let place = Place::new();
        for suffix in ["", ".lock", "-wal"] {
            if with_log || suffix != "-wal" {
                fs::copy(beside(&original, suffix), beside(&place, suffix)).unwrap();
            }
        }
        if !with_log {
            // So far everything is in the log: something has to be in the file.
            fs::copy(beside(&original, "-wal"), beside(&place, "-wal")).unwrap();
            rusqlite::Connection::open(place.file()).unwrap().query_row("SELECT 1", [], |_| Ok(())).unwrap();
            let connection = rusqlite::Connection::open(place.file()).unwrap();
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        }
        let said = repairs(&place).await;
        assert_eq!(said.len(), expected, "{said:?}");
        assert!(said.iter().all(|said| said.contains("journal.db-wal is gone since")), "{said:?}");
    }
}

#[tokio::test]
async fn what_is_no_file_is_named_and_hangs_nobody() {
    for (suffix, said) in [("", "journal.db is no file: move it away"), (".lock", "journal.db.lock")] {
        let place = Place::new();
        fs::create_dir(beside(&place, suffix)).unwrap();
        let error = SqliteJournal::open(place.options.clone(), at(0)).await.unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(format!("{error} {cause}").contains(said), "{error} {cause}");
    }
    let place = Place::new();
    let pipe = beside(&place, ".lock");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    assert!(SqliteJournal::open(place.options.clone(), at(0)).await.is_err());
}

#[tokio::test]
async fn a_large_file_is_examined_while_it_is_in_use() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    const ROWS: i64 = 20_000;
    for id in 0..120 {
        append(&journal, id * ROWS..(id + 1) * ROWS, id).await;
    }
    journal.close().await.unwrap();
    drop(journal);
    let mut bytes = fs::read(place.file()).unwrap();
    assert!(bytes.len() > 17 << 20, "{}", bytes.len());
    // A page in the middle, of whatever batch.
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(place.file(), bytes).unwrap();

    let journal = place.open().await;
    assert_eq!(journal.status().await.unwrap().repairs, [""; 0], "nothing of it was read yet");
    let newest = append(&journal, [-1], 200).await.batch.position;
    journal.maintain(at(201)).await.unwrap();
    // The job that repairs is in front of what is asked now, once the repair's file appears.
    eventually(Duration::from_secs(60), || !place.damaged().is_empty()).await;
    let status = journal.status().await.unwrap();
    assert_eq!(status.batches, 120, "all but one: {:?}", status.repairs);
    let last = journal.newest(ReadLimit { rows: 1, bytes: 1 }).await.unwrap();
    assert_eq!((last[0].position, ids_of(&last)), (newest, vec![-1]));
    let books = row_counts(&journal, "store").await;
    assert_eq!(books.lost, u64::try_from(ROWS).unwrap());
    let left = usize::try_from(119 * ROWS + 1).unwrap();
    assert_eq!(drain(&journal, "store").await.len(), left);
}

#[tokio::test]
async fn what_half_a_journal_lost_comes_back_from_memory_and_is_no_loss() {
    let mut place = Place::new();
    // So small that the log goes into the file all the time.
    place.options.max_size = 1 << 20;
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    for id in 0..30 {
        append(&journal, id * 100..(id + 1) * 100, id).await;
    }
    let file = OpenOptions::new().write(true).open(place.file()).unwrap();
    let size = file.metadata().unwrap().len();
    assert!(size > 10 * 4096, "{size}");
    file.set_len(size / 2).unwrap();
    append(&journal, 3_000..3_100, 30).await;
    assert_eq!(drain(&journal, "store").await, (0..3_100).collect::<Vec<_>>());
    let books = row_counts(&journal, "store").await;
    assert_eq!((books.accepted, books.delivered, books.lost), (3_100, 3_100, 0));
    let said = journal.status().await.unwrap().repairs;
    drop(journal);
    let journal = place.open().await;
    assert_eq!(journal.status().await.unwrap().repairs, said, "the new file is sound");
}
