//! What operators do with a journal, beside the process that owns it or alone with it.

use std::fs;

use smiles_journal::{
    DeadLetter, DeadLetterId, Journal, JournalError, Loss, OperatorAccess, Selection, SqliteJournal,
    dead_letter_row, dead_letters, verify,
};
use smiles_stage::{Position, RunId, Seq};
use smiles_testkit::ids;

use crate::place::{ALL, HERE, Place, append, at, drain, enlist, ids_of, put, row_counts};

fn guest(place: &Place) -> OperatorAccess {
    OperatorAccess::enter(&place.file(), "solar", at(0)).unwrap()
}

fn letter(position: Position, row: u32) -> DeadLetter {
    DeadLetter { position, row, code: "22".to_owned(), reason: "out of range".to_owned(), at: at(1) }
}

fn all(place: &Place) -> Vec<smiles_journal::StoredDeadLetter> {
    dead_letters(&place.file(), &Selection::default()).unwrap()
}

/// A journal whose target was restored from a backup older than what is retained.
async fn with_a_loss(place: &Place) -> SqliteJournal {
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    append(&journal, [1, 2], 0).await;
    journal.reconcile("store", HERE, &[(journal.run(), Seq::ZERO)]).await.unwrap();
    drain(&journal, "store").await;
    journal.maintain(at(2 * 86_400)).await.unwrap();
    journal.reconcile("store", HERE, &[(journal.run(), Seq::ZERO)]).await.unwrap();
    journal
}

#[tokio::test]
async fn a_loss_is_acknowledged_beside_the_owner_and_without_one() {
    for owned in [true, false] {
        let place = Place::new();
        let journal = with_a_loss(&place).await;
        let journal = owned.then_some(journal);
        let noted = guest(&place).acknowledge().unwrap();
        assert_eq!((noted.losses, noted.dropped_rows, noted.repairs), (1, 0, 0));
        assert_eq!(guest(&place).acknowledge().unwrap().losses, 0);
        let journal = match journal {
            Some(journal) => journal,
            None => place.open().await,
        };
        let losses = journal.status().await.unwrap().losses;
        assert!(matches!(losses.as_slice(), [Loss { acknowledged: true, rows: 2, .. }]), "{losses:?}");
    }
}

/// Both write as fast as they can; neither loses anything to the other.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_and_guests_write_at_once() {
    const LETTERS: u32 = 60;
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    let position = append(&journal, 0..i64::from(LETTERS), 0).await.batch.position;
    journal.set_aside("store", (0..LETTERS).map(|row| letter(position, row)).collect()).await.unwrap();
    let given: Vec<_> = all(&place);
    let path = place.file();
    let errands = tokio::task::spawn_blocking(move || {
        let guest = OperatorAccess::enter(&path, "solar", at(0)).unwrap();
        for letter in &given {
            assert_eq!(guest.give_up(std::slice::from_ref(letter)).unwrap(), 1);
        }
    });
    let mut appended = 0;
    while !errands.is_finished() {
        append(&journal, [appended], 0).await;
        appended += 1;
        for batch in journal.read("store", None, ALL).await.unwrap() {
            journal.delivered("store", batch.position).await.unwrap();
        }
    }
    errands.await.unwrap();
    drain(&journal, "store").await;
    let row_counts = row_counts(&journal, "store").await;
    let rows = u64::try_from(appended).unwrap() + u64::from(LETTERS);
    assert_eq!((row_counts.accepted, row_counts.delivered), (rows, rows - u64::from(LETTERS)));
    assert_eq!(
        (row_counts.dropped, row_counts.noted, row_counts.dead_lettered),
        (LETTERS.into(), LETTERS.into(), 0)
    );
    assert_eq!(verify(&place.file()).unwrap(), [""; 0]);
}

/// A guest makes a file sound that nobody owns; a bridge that opens it meanwhile waits and is not turned away.
#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_opens_beside_a_guest_is_never_turned_away() {
    let place = Place::new();
    append(&place.open().await, [1], 0).await;
    let path = place.file();
    let enough = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let end = std::sync::Arc::clone(&enough);
    let guests = tokio::task::spawn_blocking(move || {
        while !end.load(std::sync::atomic::Ordering::Relaxed) {
            OperatorAccess::enter(&path, "solar", at(0)).unwrap();
        }
    });
    let mut turned_away = None;
    for _ in 0..200 {
        match SqliteJournal::open(place.options.clone(), at(0)).await {
            Ok(journal) => drop(journal),
            Err(error) => turned_away = Some(error),
        }
    }
    enough.store(true, std::sync::atomic::Ordering::Relaxed);
    guests.await.unwrap();
    assert!(turned_away.is_none(), "{turned_away:?}");
}

#[tokio::test]
async fn a_row_given_up_does_not_come_back() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    let position = append(&journal, [1, 2, 3], 0).await.batch.position;
    journal.reconcile("store", HERE, &[(position.run, Seq::ZERO)]).await.unwrap();
    journal.set_aside("store", vec![letter(position, 1), letter(position, 2)]).await.unwrap();
    let given = all(&place);
    assert_eq!(guest(&place).give_up(&given[..1]).unwrap(), 1);
    assert_eq!(guest(&place).give_up(&given[..1]).unwrap(), 0, "it is gone");
    journal.delivered("store", position).await.unwrap();
    // The target is restored from a backup: the batch leaves once more, without what was given up.
    journal.reconcile("store", HERE, &[(position.run, Seq::ZERO)]).await.unwrap();
    assert_eq!(
        journal.rows_set_aside("store", position.run, (position.seq, position.seq)).await.unwrap(),
        [(position.seq, 1), (position.seq, 2)]
    );
    journal.set_aside("store", vec![letter(position, 1)]).await.unwrap();
    let row_counts = row_counts(&journal, "store").await;
    assert_eq!((row_counts.waiting, row_counts.dead_lettered, row_counts.dropped), (1, 1, 1));
    assert_eq!(all(&place).len(), 1);
    assert_eq!(verify(&place.file()).unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_row_whose_batch_is_still_owed_is_not_replayed() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    let position = append(&journal, [1, 2], 0).await.batch.position;
    journal.set_aside("store", vec![letter(position, 1)]).await.unwrap();
    let guest = guest(&place);
    let replay = guest.replay("store").unwrap();
    let row = DeadLetterId { position, row: 1 };
    let begin = || replay.begin(&[row]).unwrap().unwrap();
    let rows = |run: RunId, mark: u64| {
        let rows = replay.rows(run, &[(position.run, Seq(mark))]).unwrap();
        rows.iter().flat_map(|(_, row)| ids(row)).collect::<Vec<_>>()
    };
    assert_eq!(rows(begin(), 1), [0_i64; 0], "the cursor says that the batch is owed");
    journal.delivered("store", position).await.unwrap();
    assert_eq!(rows(begin(), 0), [0_i64; 0], "the target says that the batch is owed: it went back");
    let run = begin();
    assert_eq!(rows(run, 1), [2]);
    assert_eq!(replay.begin(&[row]).unwrap(), None, "it is on its way");
    assert!(all(&place)[0].in_replay);
    assert_eq!(replay.unfinished().unwrap(), [run]);
}

#[tokio::test]
async fn a_replay_is_remembered_until_its_watermark_is_pruned() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    let position = append(&journal, [1, 2, 3], 0).await.batch.position;
    journal.set_aside("store", vec![letter(position, 0), letter(position, 2)]).await.unwrap();
    journal.delivered("store", position).await.unwrap();
    let guest = guest(&place);
    let replay = guest.replay("store").unwrap();
    let busy = guest.replay("store").map(drop).unwrap_err();
    assert!(matches!(busy, JournalError::Refused(_)) && guest.give_up(&all(&place)).is_err(), "{busy}");
    let wanted = [0, 2].map(|row| DeadLetterId { position, row });
    let run = replay.begin(&wanted).unwrap().unwrap();
    let again = DeadLetter { code: "23".to_owned(), reason: "twice".to_owned(), ..letter(position, 0) };
    replay.refused(run, &[again]).unwrap();
    let kept = all(&place);
    assert_eq!((kept[0].letter.code.as_str(), kept[0].letter.reason.as_str()), ("23", "twice"));
    assert_eq!(ids(&dead_letter_row(&place.file(), &kept[0]).unwrap().unwrap()), [1]);
    assert_eq!(replay.delivered(run).unwrap(), 1);
    assert_eq!(replay.delivered(run).unwrap(), 0, "told twice, booked once");
    let after = row_counts(&journal, "store").await;
    assert_eq!((after.delivered, after.dead_lettered), (2, 1));
    assert_eq!(replay.unfinished().unwrap(), [run]);
    // Delivered to another target the row is refused there: a new letter, which this replay is not about.
    journal.reconcile("store", smiles_stage::TargetId([9; 16]), &[(position.run, Seq::ZERO)]).await.unwrap();
    journal.set_aside("store", vec![letter(position, 2)]).await.unwrap();
    assert_eq!(replay.delivered(run).unwrap(), 0);
    replay.forgotten(run).unwrap();
    assert_eq!(replay.unfinished().unwrap(), []);
}

#[tokio::test]
async fn a_new_name_takes_everything_over() {
    let place = Place::new();
    let journal = with_a_loss(&place).await;
    let position = append(&journal, [3, 4], 0).await.batch.position;
    journal.set_aside("store", vec![letter(position, 0)]).await.unwrap();
    let before = row_counts(&journal, "store").await;
    let used = OperatorAccess::alone(&place.file(), "solar", at(0)).unwrap_err();
    assert!(matches!(used, JournalError::Locked { .. }), "{used}");
    drop(journal);
    let alone = OperatorAccess::alone(&place.file(), "solar", at(0)).unwrap();
    assert!(matches!(
        SqliteJournal::open(place.options.clone(), at(0)).await,
        Err(JournalError::Locked { .. })
    ));
    assert!(alone.rename_sink("store", "archive").unwrap());
    assert!(!alone.rename_sink("store", "archive").unwrap(), "it may be repeated");
    assert!(alone.rename_sink("attic", "cellar").is_err());
    drop(alone);
    let journal = place.open().await;
    enlist(&journal, &["archive"]).await;
    let status = journal.status().await.unwrap();
    assert_eq!(status.row_counts.len(), 1);
    assert_eq!(smiles_journal::RowCounts { sink: "archive".to_owned(), ..before }, status.row_counts[0]);
    assert!(status.losses.iter().all(|loss| loss.sink == "archive"));
    assert_eq!(all(&place)[0].sink, "archive");
    assert_eq!(ids_of(&journal.read("archive", None, ALL).await.unwrap()), [3, 4]);
    assert_eq!(verify(&place.file()).unwrap(), [""; 0]);
    drop(journal);
    // Both have a place: which of the two the batches since belong to cannot be said any more.
    let journal = place.open().await;
    enlist(&journal, &["archive", "store"]).await;
    drop(journal);
    let refused = guest(&place).rename_sink("store", "archive").unwrap_err();
    assert!(matches!(refused, JournalError::Refused(ref s) if s.contains("`archive`")), "{refused}");
}

/// Where nobody owns the file the guest has it mended first: SQLite would cut the log at the first flipped bit.
#[tokio::test]
async fn a_guest_mends_a_file_that_nobody_owns() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    append(&journal, [1, 2], 0).await;
    let mut entry = crate::place::entry([3], 1);
    entry.state = vec![put("daily", b"a", b"1")];
    journal.append(entry).await.unwrap();
    let copies =
        ["journal.db", "journal.db-wal"].map(|name| (name, fs::read(place.folder().join(name)).unwrap()));
    drop(journal);
    for (name, mut bytes) in copies {
        if name.ends_with("-wal") {
            bytes[4200] ^= 1;
        }
        fs::write(place.folder().join(name), bytes).unwrap();
    }
    let noted = guest(&place).acknowledge().unwrap();
    assert!(noted.repairs > 0 && !place.damaged().is_empty(), "{noted:?}");
    let journal = place.open().await;
    assert_eq!(ids_of(&journal.read("store", None, ALL).await.unwrap()).last(), Some(&3));
    let other = OperatorAccess::enter(&place.file(), "heat", at(0)).unwrap().acknowledge().unwrap_err();
    assert!(matches!(other, JournalError::Refused(_)), "{other}");
    drop(journal);
    let other = OperatorAccess::enter(&place.file(), "heat", at(0)).unwrap_err();
    assert!(matches!(other, JournalError::Refused(_)), "{other}");
}
