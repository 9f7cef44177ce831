//! A journal that is full, by both policies.

use smiles_journal::{DeadLetter, Journal, JournalError, OnFull, OperatorAccess, Selection, dead_letters};
use smiles_stage::Seq;

use crate::place::{ALL, Place, append, at, drain, enlist, entry, row_counts};

const ROWS: i64 = 2_000;

fn small(on_full: OnFull) -> Place {
    let mut place = Place::new();
    place.options.max_size = 512 << 10;
    place.options.on_full = on_full;
    place
}

#[tokio::test]
async fn block_drops_nothing_and_goes_on_after_a_delivery() {
    let place = small(OnFull::Block);
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    let mut accepted: i64 = 0;
    let full = loop {
        match journal.append(entry(accepted * ROWS..(accepted + 1) * ROWS, accepted)).await {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, JournalError::Full { size, max } if size <= max && size > max / 2), "{full}");
    assert!(accepted > 5);
    let status = journal.status().await.unwrap();
    assert_eq!(status.batches, u64::try_from(accepted).unwrap());
    assert!(status.size_bytes <= place.options.max_size);
    assert_eq!(drain(&journal, "store").await, (0..accepted * ROWS).collect::<Vec<_>>());
    // Delivered batches make room at once, whatever `retain` says.
    append(&journal, 0..ROWS, accepted).await;
    assert!(journal.status().await.unwrap().size_bytes <= place.options.max_size);
    let row_counts = row_counts(&journal, "store").await;
    assert_eq!((row_counts.dropped, row_counts.waiting), (0, 2_000));
}

#[tokio::test]
async fn drop_oldest_takes_everything_and_counts_what_it_drops() {
    let place = small(OnFull::DropOldest);
    let journal = place.open().await;
    enlist(&journal, &["store", "other"]).await;
    let mut dropped = 0;
    for id in 0..100 {
        dropped += append(&journal, id * ROWS..(id + 1) * ROWS, id).await.dropped_rows;
    }
    let status = journal.status().await.unwrap();
    assert!(status.size_bytes <= place.options.max_size, "{}", status.size_bytes);
    let store = row_counts(&journal, "store").await;
    assert_eq!(store.accepted, 200_000);
    assert!(store.dropped > 0);
    assert_eq!(dropped, store.dropped + row_counts(&journal, "other").await.dropped);
    let seen = drain(&journal, "store").await;
    assert_eq!(
        seen,
        (i64::try_from(store.dropped).unwrap()..100 * ROWS).collect::<Vec<_>>(),
        "the newest stay"
    );
    // A restart changes nothing of it.
    drop(journal);
    let journal = place.open().await;
    assert_eq!(row_counts(&journal, "store").await.dropped, store.dropped);
}

#[tokio::test]
async fn maintenance_keeps_a_tenth_free() {
    let place = small(OnFull::Block);
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    while journal.append(entry(0..ROWS, 0)).await.is_ok() {}
    drain(&journal, "store").await;
    assert!(journal.maintain(at(1)).await.unwrap().deleted > 0);
    let status = journal.status().await.unwrap();
    assert!(status.size_bytes <= place.options.max_size * 9 / 10, "{}", status.size_bytes);
    assert!(status.batches > 0, "what fits stays");
    let on_disk = std::fs::metadata(place.file()).unwrap().len();
    assert!(on_disk <= place.options.max_size, "{on_disk}");
    assert_eq!(status.runs[0].3, Seq(status.runs[0].2.0 - status.batches));
}

#[tokio::test]
async fn dead_letters_have_a_share_of_their_own_and_then_hold_the_sink() {
    let mut place = small(OnFull::Block);
    place.options.max_size = 1 << 20;
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    let letter = |position, row| DeadLetter {
        position,
        row,
        code: "23514".to_owned(),
        reason: "check".to_owned(),
        at: at(1),
    };
    let kept = append(&journal, 0..ROWS, 0).await.batch.position;
    journal.delivered("store", kept).await.unwrap();
    let mut full = None;
    for id in 1..40 {
        let position = append(&journal, id * ROWS..(id + 1) * ROWS, id).await.batch.position;
        let letters = (0..200).map(|row| letter(position, row)).collect();
        match journal.set_aside("store", letters).await {
            Ok(()) => journal.delivered("store", position).await.unwrap(),
            Err(error) => {
                full = Some((position, error));
                break;
            }
        }
    }
    let (position, error) = full.expect("its share is used up");
    let JournalError::DeadLettersFull { size, max } = error else { panic!("{error}") };
    assert!(size <= max && max == place.options.max_size / 4, "{size} of {max}");
    // The batches kept for a restore are all there, nothing of the last write was set aside, and polls go on.
    assert_eq!(journal.newest(ALL).await.unwrap()[0].position, kept);
    assert_eq!(
        journal.rows_set_aside("store", position.run, (position.seq, position.seq)).await.unwrap(),
        []
    );
    append(&journal, 0..ROWS, 99).await;
    let status = journal.status().await.unwrap();
    assert!(status.dead_letter_bytes <= max);
    let on_disk = std::fs::metadata(place.file()).unwrap().len();
    assert!(on_disk < place.options.max_size + 2 * max, "{on_disk}");
    // Once an operator gave some up, the same call succeeds.
    let access = OperatorAccess::enter(&place.file(), "solar", at(2)).unwrap();
    let all = dead_letters(&place.file(), &Selection::default()).unwrap();
    access.give_up(&all).unwrap();
    journal.set_aside("store", vec![letter(position, 0)]).await.unwrap();
}

#[tokio::test]
async fn a_run_of_ever_changing_sizes_leaves_few_ranges_behind() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    for id in 0..4_200 {
        append(&journal, 0..1 + id % 2, id).await;
    }
    drain(&journal, "store").await;
    journal.maintain(at(2 * 86_400)).await.unwrap();
    let connection = rusqlite::Connection::open(place.file()).unwrap();
    let ranges: i64 = connection.query_row("SELECT count(*) FROM extents", [], |row| row.get(0)).unwrap();
    assert!(ranges <= 4_096, "{ranges}");
    append(&journal, 0..3, 5_000).await;
    assert_eq!(drain(&journal, "store").await, [0, 1, 2]);
    row_counts(&journal, "store").await;
    drop((connection, journal));
    // The books still balance, and the file is sound.
    let journal = place.open().await;
    assert_eq!(journal.status().await.unwrap().repairs, [""; 0]);
}

#[tokio::test]
async fn other_limits_hold_from_then_on() {
    let place = small(OnFull::Block);
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    while journal.append(entry(0..ROWS, 0)).await.is_ok() {}
    let larger = smiles_journal::Options { max_size: 1 << 20, ..place.options.clone() };
    journal.bound(larger).await.unwrap();
    append(&journal, 0..ROWS, 1).await;
    journal.bound(place.options.clone()).await.unwrap();
    let full = journal.append(entry(0..ROWS, 2)).await.unwrap_err();
    assert!(matches!(full, JournalError::Full { .. }), "{full}");
}
