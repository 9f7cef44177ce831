//! Dead letters of transforms: in one record with their batch, in books of their own, handed back and gone on once.

use smiles_journal::{
    DeadLetterId, Entry, Journal, JournalError, OperatorAccess, Rejected, RejectedRows, ReplayOutcome,
    Selection, SqliteJournal, dead_letter_row, dead_letters, transform_owner, verify,
};
use smiles_stage::{Position, Seq};
use smiles_testkit::{ids, numbered};

use crate::place::{Place, append, at, drain, enlist, entry, row_counts};

fn rejected(row: u32, id: i64) -> Rejected {
    Rejected {
        transform: "checks".to_owned(),
        row,
        code: "odd".to_owned(),
        reason: "cannot be".to_owned(),
        values: numbered([id]),
    }
}

fn with(rows: &[i64], rejected: Vec<Rejected>, returned: Vec<ReplayOutcome>) -> Entry {
    Entry { aside: RejectedRows { rejected, returned }, ..entry(rows.iter().copied(), 5) }
}

fn all(place: &Place) -> Vec<smiles_journal::StoredDeadLetter> {
    dead_letters(&place.file(), &Selection::default()).unwrap()
}

fn ids_of(place: &Place) -> Vec<i64> {
    all(place)
        .iter()
        .flat_map(|letter| ids(&dead_letter_row(&place.file(), letter).unwrap().unwrap()))
        .collect()
}

/// Rejected rows, dead letters, rows that went on, rows given up.
async fn of_transform(journal: &SqliteJournal) -> (u64, u64, u64, u64) {
    let status = journal.status().await.unwrap();
    let [row_counts] = status.transforms.as_slice() else { panic!("{:?}", status.transforms) };
    assert_eq!(row_counts.sink, transform_owner("checks"));
    assert_eq!(
        row_counts.accepted,
        row_counts.dead_lettered + row_counts.delivered + row_counts.dropped,
        "{row_counts:?}"
    );
    (row_counts.accepted, row_counts.dead_lettered, row_counts.delivered, row_counts.dropped)
}

#[tokio::test]
async fn rejected_rows_are_kept_with_their_batch_and_are_nothing_to_any_sink() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    let accepted = journal.append(with(&[1, 3], vec![rejected(1, 2), rejected(3, 4)], Vec::new())).await;
    let position = accepted.unwrap().batch.position;
    journal.append(with(&[], vec![rejected(0, 6)], Vec::new())).await.unwrap();
    let found = all(&place);
    let places: Vec<_> = found.iter().map(|letter| (letter.sink.as_str(), letter.letter.row)).collect();
    assert_eq!(places, [("transform:checks", 1), ("transform:checks", 3), ("transform:checks", 0)]);
    assert_eq!(found[0].letter.position, position);
    assert_eq!((found[0].letter.code.as_str(), found[0].letter.at), ("odd", at(5)));
    assert_eq!(ids_of(&place), [2, 4, 6]);
    assert_eq!(of_transform(&journal).await, (3, 3, 0, 0));
    assert_eq!(journal.status().await.unwrap().dead_letters, 3);
    assert_eq!(drain(&journal, "store").await, [1, 3]);
    let store = row_counts(&journal, "store").await;
    assert_eq!((store.accepted, store.delivered, store.dead_lettered), (2, 2, 0));
    // They pin nothing, and outlive their batch and the process.
    journal.maintain(at(3 * 86_400)).await.unwrap();
    assert_eq!(journal.status().await.unwrap().batches, 0);
    drop(journal);
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    append(&journal, [7], 9).await;
    assert_eq!(of_transform(&journal).await, (3, 3, 0, 0));
    assert_eq!(ids_of(&place), [2, 4, 6]);
    assert_eq!(verify(&place.file()).unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_letter_that_is_handed_back_leaves_in_the_record_of_its_batch() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    let dead_letters = vec![rejected(0, 1), rejected(1, 2), rejected(2, 3)];
    journal.append(with(&[], dead_letters, Vec::new())).await.unwrap();
    assert!(journal.replay_requests().await.unwrap().is_empty(), "nobody asked");
    let wanted: Vec<DeadLetterId> = all(&place).iter().map(|letter| letter.letter.id()).collect();
    let guest = OperatorAccess::enter(&place.file(), "solar", at(0)).unwrap();
    assert_eq!(guest.hand_back("checks", &wanted).unwrap(), 3);
    assert_eq!(guest.hand_back("checks", &wanted).unwrap(), 0, "they are on their way");
    assert!(guest.in_replay().unwrap().is_empty(), "no sink has to do with it");
    assert!(all(&place).iter().all(|letter| letter.in_replay));
    assert_eq!(journal.status().await.unwrap().replay_requests, 3);
    drop(journal);
    let journal = place.open().await;
    let handed = journal.replay_requests().await.unwrap();
    assert_eq!(handed.iter().flat_map(|letter| ids(&letter.row)).collect::<Vec<_>>(), [1, 2, 3]);
    // The third is given up before its turn: the record is refused as a whole.
    guest.give_up(&all(&place)[2..]).unwrap();
    let verdicts = [None, Some(("odd".to_owned(), "still".to_owned())), None];
    let returned = |dead_letters: usize| {
        let pairs = handed.iter().cloned().zip(verdicts.clone()).take(dead_letters);
        pairs.map(|(letter, again)| ReplayOutcome { letter, again }).collect::<Vec<_>>()
    };
    let refused = journal.append(with(&[10, 30], Vec::new(), returned(3))).await;
    assert!(matches!(refused, Err(JournalError::Refused(_))), "{refused:?}");
    assert_eq!((of_transform(&journal).await, ids_of(&place).len()), ((3, 2, 0, 1), 2));
    journal.append(with(&[10], Vec::new(), returned(2))).await.unwrap();
    let left = all(&place);
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].letter.reason.as_str(), left[0].in_replay), ("still", false));
    assert_eq!(ids_of(&place), [2]);
    assert_eq!(of_transform(&journal).await, (3, 1, 1, 1));
    assert!(journal.replay_requests().await.unwrap().is_empty());
    assert_eq!(drain(&journal, "store").await, [10]);
    assert_eq!(verify(&place.file()).unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_batch_at_a_time_comes_back() {
    let place = Place::new();
    let journal = place.open().await;
    for id in [1, 2] {
        journal.append(with(&[], vec![rejected(0, id)], Vec::new())).await.unwrap();
    }
    let wanted: Vec<DeadLetterId> = all(&place).iter().map(|letter| letter.letter.id()).collect();
    OperatorAccess::enter(&place.file(), "solar", at(0)).unwrap().hand_back("checks", &wanted).unwrap();
    for (id, seq) in [(1, 1), (2, 2)] {
        let next = journal.replay_requests().await.unwrap();
        let [letter] = next.as_slice() else { panic!("{next:?}") };
        assert_eq!((ids(&letter.row), letter.id.position.seq), (vec![id], Seq(seq)));
        let gone = ReplayOutcome { letter: letter.clone(), again: None };
        journal.append(with(&[id], Vec::new(), vec![gone])).await.unwrap();
    }
    assert!(journal.replay_requests().await.unwrap().is_empty());
    let unknown = DeadLetterId { position: Position { seq: Seq(99), ..wanted[0].position }, row: 0 };
    let guest = OperatorAccess::enter(&place.file(), "solar", at(0)).unwrap();
    assert_eq!(guest.hand_back("checks", &[unknown]).unwrap(), 0);
}
