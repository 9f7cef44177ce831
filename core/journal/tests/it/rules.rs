//! The rules of delivery, one situation each.

use arrow_schema::{DataType, Field, Schema};
use smiles_journal::{
    DeadLetter, From, Journal, JournalError, OldBatches, OldCopy, OperatorAccess, ReadLimit, SqliteJournal,
    inspect,
};
use smiles_stage::{ColumnMeta, Labels, Position, Seq, TargetId};

use crate::place::{
    ALL, HERE, Place, append, at, balance, cursor, drain, enlist, entry, ids_of, options, put, row_counts,
};

const DAY: i64 = 86_400;

#[tokio::test]
async fn what_was_appended_is_there_after_a_restart() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    let mut first = entry([1, 2], 10);
    first.state = vec![put("daily", b"a", b"1"), put("daily", b"b", b"2")];
    let accepted = journal.append(first).await.unwrap();
    let mut second = entry([3], 11);
    second.state = vec![put("daily", b"a", b"9")];
    journal.append(second).await.unwrap();
    let run = journal.run();
    assert_eq!(accepted.batch.position, Position { run, seq: Seq(1) });
    assert_eq!(accepted.batch.accepted_at, at(10));
    drop(journal);

    let journal = place.open().await;
    assert_ne!(journal.run(), run);
    assert_eq!(journal.load_state().await.unwrap(), [put("daily", b"a", b"9"), put("daily", b"b", b"2")]);
    let batches = journal.read("store", None, ALL).await.unwrap();
    assert_eq!(ids_of(&batches), [1, 2, 3]);
    assert_eq!(batches[0].position, accepted.batch.position);
    assert_eq!(batches[0].accepted_at, at(10));
    assert_eq!(batches[0].records, accepted.batch.records);
    assert_eq!(journal.file_reads(), 2);
}

/// A backlog is as old as its oldest batch, whoever opens the journal and when.
#[tokio::test]
async fn what_waits_waits_since_it_was_accepted() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    assert_eq!(row_counts(&journal, "store").await.waiting_since, None);
    let first = append(&journal, [1], 10).await.batch.position;
    append(&journal, [2], 20).await;
    drop(journal);
    let journal = place.open().await;
    append(&journal, [3], 4000).await;
    assert_eq!(row_counts(&journal, "store").await.waiting_since, Some(at(10)));
    journal.delivered("store", first).await.unwrap();
    assert_eq!(row_counts(&journal, "store").await.waiting_since, Some(at(20)));
}

#[tokio::test]
async fn an_opening_that_appended_nothing_leaves_no_run() {
    let place = Place::new();
    for _ in 0..3 {
        drop(place.open().await);
    }
    let journal = place.open().await;
    append(&journal, [1], 0).await;
    let runs = journal.status().await.unwrap().runs;
    assert_eq!(runs, [(journal.run(), at(0), Seq(1), Seq::ZERO)]);
}

#[tokio::test]
async fn a_read_is_of_one_run_and_within_its_limit() {
    let journal = SqliteJournal::open(options(None), at(0)).await.unwrap();
    enlist(&journal, &["store"]).await;
    let first = append(&journal, [1, 2], 0).await.batch.position;
    let third = append(&journal, [3, 4], 0).await.batch.position;
    let second = journal.begin_run(at(1)).await.unwrap();
    assert_eq!(journal.run(), second);
    let last = append(&journal, [5], 1).await.batch.position;
    assert_eq!(last, Position { run: second, seq: Seq(1) });
    for (rows, expected) in [(0, vec![1, 2]), (3, vec![1, 2]), (4, vec![1, 2, 3, 4]), (99, vec![1, 2, 3, 4])]
    {
        let limit = ReadLimit { rows, bytes: usize::MAX };
        assert_eq!(ids_of(&journal.read("store", None, limit).await.unwrap()), expected, "{rows}");
    }
    let one_byte = ReadLimit { rows: usize::MAX, bytes: 1 };
    assert_eq!(ids_of(&journal.read("store", None, one_byte).await.unwrap()), [1, 2]);
    for (behind, expected) in [(first, vec![3, 4]), (third, vec![]), (last, vec![])] {
        assert_eq!(ids_of(&journal.read("store", Some(behind), ALL).await.unwrap()), expected, "{behind}");
    }
    assert_eq!(drain(&journal, "store").await, [1, 2, 3, 4, 5]);
    assert_eq!(journal.file_reads(), 0);
    // What nobody waits for is not kept in memory.
    assert_eq!(ids_of(&journal.newest(ReadLimit { rows: 3, bytes: usize::MAX }).await.unwrap()), [3, 4, 5]);
    assert!(journal.file_reads() > 0);
}

#[tokio::test]
async fn a_new_sink_joins_now_or_from_the_oldest() {
    let place = Place::new();
    let journal = place.open().await;
    append(&journal, [1, 2], 0).await;
    journal.enlist(&[cursor("now", From::Now), cursor("oldest", From::Oldest)]).await.unwrap();
    append(&journal, [3], 0).await;
    drop(journal);
    let journal = place.open().await;
    append(&journal, [4], 0).await;
    assert_eq!(
        (row_counts(&journal, "now").await.accepted, row_counts(&journal, "oldest").await.accepted),
        (2, 4)
    );
    assert_eq!(drain(&journal, "now").await, [3, 4]);
    assert_eq!(drain(&journal, "oldest").await, [1, 2, 3, 4]);
    assert_eq!(row_counts(&journal, "now").await.delivered, 2);
    let unknown = journal.read("nobody", None, ALL).await.unwrap_err();
    assert!(
        matches!(unknown, JournalError::Refused(ref sentence) if sentence.contains("`nobody`")),
        "{unknown}"
    );
}

#[tokio::test]
async fn the_targets_word_wins() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    for id in 0..5 {
        append(&journal, [id, id + 100], 0).await;
    }
    let run = journal.run();
    let first = journal.reconcile("store", HERE, &[(run, Seq::ZERO)]).await.unwrap();
    assert!(first.different_target && first.back == 0 && first.lost.is_empty());
    // A crash after the target's commit: its mark is ahead of the cursor.
    let ahead = journal.reconcile("store", HERE, &[(run, Seq(3))]).await.unwrap();
    assert_eq!((ahead.different_target, ahead.back), (false, 0));
    assert_eq!(row_counts(&journal, "store").await.delivered, 6);
    // Restored from a backup: the same target, behind.
    let back = journal.reconcile("store", HERE, &[(run, Seq(1))]).await.unwrap();
    assert_eq!((back.different_target, back.back, back.lost.len()), (false, 2, 0));
    assert_eq!(row_counts(&journal, "store").await.waiting, 8);
    // Another target: everything retained, nothing lost.
    let other = journal.reconcile("store", TargetId([8; 16]), &[(run, Seq::ZERO)]).await.unwrap();
    assert_eq!((other.different_target, other.back, other.lost.len()), (true, 1, 0));
    assert_eq!(drain(&journal, "store").await.len(), 10);
    let row_counts = row_counts(&journal, "store").await;
    assert_eq!((row_counts.delivered, row_counts.lost, row_counts.target), (10, 0, Some(TargetId([8; 16]))));
}

#[tokio::test]
async fn what_went_back_beyond_the_retained_is_booked_as_lost() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    for (id, time) in [(1, 0), (2, 0), (3, 0), (4, 2 * DAY), (5, 2 * DAY)] {
        append(&journal, 0..id, time).await;
    }
    let run = journal.run();
    journal.reconcile("store", HERE, &[(run, Seq::ZERO)]).await.unwrap();
    drain(&journal, "store").await;
    assert_eq!(journal.maintain(at(2 * DAY)).await.unwrap().deleted, 3);
    let told = journal.reconcile("store", HERE, &[(run, Seq(1))]).await.unwrap();
    assert_eq!(told.back, 2);
    let lost: Vec<_> = told.lost.iter().map(|loss| (loss.range, loss.rows, loss.reason.as_str())).collect();
    assert_eq!(lost, [((Seq(2), Seq(3)), 5, "target went back")]);
    assert_eq!(row_counts(&journal, "store").await.lost, 5);
    assert_eq!(journal.reconcile("store", HERE, &[(run, Seq(1))]).await.unwrap().lost, []);
    drain(&journal, "store").await;
    // Back again, further: only what was not booked yet.
    let told = journal.reconcile("store", HERE, &[(run, Seq::ZERO)]).await.unwrap();
    assert_eq!(
        told.lost.iter().map(|loss| (loss.range, loss.rows)).collect::<Vec<_>>(),
        [((Seq(1), Seq(1)), 1)]
    );
    let row_counts = row_counts(&journal, "store").await;
    assert_eq!((row_counts.lost, row_counts.waiting), (6, 9));
    assert_eq!(journal.acknowledge().await.unwrap(), 2);
    assert_eq!(journal.acknowledge().await.unwrap(), 0);
    assert!(journal.status().await.unwrap().losses.iter().all(|loss| loss.acknowledged));
}

#[tokio::test]
async fn what_waits_when_a_copy_of_this_machine_delivers_is_neither_lost_nor_stored_twice() {
    let journal = SqliteJournal::open(options(None), at(0)).await.unwrap();
    enlist(&journal, &["store", "other"]).await;
    let first = append(&journal, [1], 0).await.batch.position;
    journal.delivered("store", first).await.unwrap();
    append(&journal, [2, 3], 0).await;
    let run = journal.run();
    journal.reconcile("store", HERE, &[(run, Seq(9))]).await.unwrap();
    assert_ne!(journal.run(), run);
    append(&journal, [4], 0).await;
    assert_eq!(drain(&journal, "store").await, [4]);
    let store = row_counts(&journal, "store").await;
    assert_eq!((store.accepted, store.delivered, store.dead_lettered, store.lost), (4, 2, 2, 0));
    let status = journal.status().await.unwrap();
    assert!(status.repairs[0].contains("another copy of this journal"), "{:?}", status.repairs);
    // The other sink has the same trouble, though the run is not the current one any more.
    journal.reconcile("other", HERE, &[(run, Seq(2))]).await.unwrap();
    assert_eq!(drain(&journal, "other").await, [4]);
    let other = row_counts(&journal, "other").await;
    assert_eq!((other.accepted, other.delivered, other.dead_lettered), (4, 1, 3));
}

#[tokio::test]
async fn rows_are_set_aside_once() {
    let journal = SqliteJournal::open(options(None), at(0)).await.unwrap();
    enlist(&journal, &["store", "other"]).await;
    let position = append(&journal, [1, 2, 3], 0).await.batch.position;
    let letter = |row| DeadLetter {
        position,
        row,
        code: "22003".to_owned(),
        reason: "numeric value out of range".to_owned(),
        at: at(1),
    };
    for _ in 0..2 {
        journal.set_aside("store", vec![letter(2), letter(0)]).await.unwrap();
    }
    let range = (Seq(1), position.seq);
    assert_eq!(
        journal.rows_set_aside("store", position.run, range).await.unwrap(),
        [(position.seq, 0), (position.seq, 2)]
    );
    assert_eq!(journal.rows_set_aside("other", position.run, range).await.unwrap(), []);
    let before = row_counts(&journal, "store").await;
    assert_eq!((before.dead_lettered, before.waiting), (2, 1));
    journal.delivered("store", position).await.unwrap();
    let after = row_counts(&journal, "store").await;
    assert_eq!((after.dead_lettered, after.delivered, after.waiting), (2, 1, 0));
    assert_eq!(journal.status().await.unwrap().dead_letters, 2);
    let beyond = journal.set_aside("store", vec![letter(3)]).await.unwrap_err();
    assert!(matches!(beyond, JournalError::Refused(_)), "{beyond}");
}

#[tokio::test]
async fn retention_waits_for_the_slowest_sink_in_use_and_for_no_other() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["quick", "slow", "gone"]).await;
    for id in 0..4 {
        append(&journal, [id], 0).await;
    }
    enlist(&journal, &["quick", "slow"]).await;
    drain(&journal, "quick").await;
    let two = Position { run: journal.run(), seq: Seq(2) };
    journal.delivered("slow", two).await.unwrap();
    assert_eq!(journal.maintain(at(DAY - 1)).await.unwrap().deleted, 0);
    assert_eq!(journal.maintain(at(DAY + 1)).await.unwrap().deleted, 2);
    let gone = row_counts(&journal, "gone").await;
    assert_eq!((gone.in_use, gone.dropped, gone.waiting), (false, 2, 2));
    assert_eq!(drain(&journal, "slow").await, [2, 3]);
    assert_eq!(journal.maintain(at(DAY + 1)).await.unwrap().deleted, 2);
    assert_eq!(journal.status().await.unwrap().batches, 0);
}

#[tokio::test]
async fn a_run_is_remembered_for_400_days() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    append(&journal, [1], 0).await;
    let old = journal.run();
    drain(&journal, "store").await;
    drop(journal);
    let journal = place.open().await;
    append(&journal, [2], 0).await;
    drain(&journal, "store").await;
    journal.maintain(at(2 * DAY)).await.unwrap();
    assert_eq!(journal.known_runs("store").await.unwrap(), [old, journal.run()]);
    assert_eq!(journal.maintain(at(402 * DAY)).await.unwrap().forgotten, []);
    assert_eq!(journal.unpruned("store").await.unwrap(), []);
    assert_eq!(journal.maintain(at(402 * DAY + 1)).await.unwrap().forgotten, [old]);
    assert_eq!(journal.known_runs("store").await.unwrap(), [journal.run()]);
    row_counts(&journal, "store").await;
    // Its watermark is still in the target, until that was told; a restart forgets nothing of it.
    drop(journal);
    let journal = place.open().await;
    assert_eq!(journal.unpruned("other").await.unwrap(), []);
    assert_eq!(journal.unpruned("store").await.unwrap(), [old]);
    journal.pruned("store", &[old]).await.unwrap();
    assert_eq!(journal.unpruned("store").await.unwrap(), []);
}

#[tokio::test]
async fn a_copy_older_than_400_days_is_refused() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    append(&journal, [1], 0).await;
    let run = journal.run();
    journal.reconcile("store", HERE, &[(run, Seq::ZERO)]).await.unwrap();
    drop(journal);
    for (day, refused) in [(399, false), (401, true)] {
        let journal = SqliteJournal::open(place.options.clone(), at(day * DAY)).await.unwrap();
        let told = journal.reconcile("store", HERE, &[(run, Seq::ZERO)]).await.unwrap();
        assert_eq!(told.refused.is_some(), refused, "{told:?}");
    }
}

#[tokio::test]
async fn metadata_of_columns_survives() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    let words = Labels::Values([(1, "on grid".to_owned())].into());
    let field = Field::new("id", DataType::Int64, true).with_unit("0.1 V").with_labels(&words);
    let records = entry([1], 0).records.with_schema(Schema::new(vec![field.clone()]).into());
    let unlike = entry([2], 0);
    let mut like = unlike.clone();
    like.records = records.unwrap_or_else(|_| {
        let columns = entry([1], 0).records.columns().to_vec();
        arrow_array::RecordBatch::try_new(Schema::new(vec![field]).into(), columns).unwrap()
    });
    journal.append(like).await.unwrap();
    journal.append(unlike).await.unwrap();
    drop(journal);
    let journal = place.open().await;
    let batches = journal.read("store", None, ALL).await.unwrap();
    let units: Vec<_> = batches.iter().map(|batch| batch.records.schema_ref().field(0).unit()).collect();
    assert_eq!(units, [Some("0.1 V"), None]);
    let kept: Vec<_> = batches.iter().map(|batch| batch.records.schema_ref().field(0).labels()).collect();
    assert_eq!(kept, [Some(words), None]);
}

#[tokio::test]
async fn only_the_owner_opens_it_and_anyone_may_look() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    append(&journal, [1, 2], 0).await;
    let second = SqliteJournal::open(place.options.clone(), at(0)).await.unwrap_err();
    assert!(matches!(second, JournalError::Locked { .. }), "{second}");
    let seen = inspect(&place.file()).unwrap();
    assert_eq!((seen.batches, seen.rows, seen.row_counts[0].waiting), (1, 2, 2));
    seen.row_counts.iter().for_each(balance);
    drop(journal);
    assert_eq!(inspect(&place.file()).unwrap().rows, 2);
    assert!(matches!(inspect(&place.folder().join("none")), Err(JournalError::Storage { .. })));

    let mut other = place.options.clone();
    other.pipeline = "heat".to_owned();
    let refused = SqliteJournal::open(other, at(0)).await.unwrap_err();
    assert!(matches!(refused, JournalError::Refused(ref s) if s.contains("`solar`")), "{refused}");
    assert_eq!(place.open().await.status().await.unwrap().rows, 2);
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let place = Place::new();
    let theirs = rusqlite::Connection::open(place.file()).unwrap();
    theirs.execute_batch("CREATE TABLE music (title); INSERT INTO music VALUES ('a')").unwrap();
    drop(theirs);
    let before = std::fs::read(place.file()).unwrap();
    let refused = SqliteJournal::open(place.options.clone(), at(0)).await.unwrap_err();
    assert!(matches!(refused, JournalError::Refused(_)), "{refused}");
    assert_eq!(std::fs::read(place.file()).unwrap(), before);
}

#[tokio::test]
async fn after_closing_nothing_more_is_taken() {
    let place = Place::new();
    let journal = place.open().await;
    append(&journal, [1], 0).await;
    journal.close().await.unwrap();
    assert!(matches!(journal.append(entry([2], 0)).await, Err(JournalError::Closed)));
    assert!(matches!(journal.close().await, Err(JournalError::Closed)));
    // The file is free at once, and whole without its log.
    assert_eq!(place.open().await.status().await.unwrap().rows, 1);
}

/// A database away while the clock is wrong, and there when it is right: nothing is refused.
#[tokio::test]
async fn a_boot_with_a_wrong_clock_while_the_target_is_away_refuses_nothing() {
    // Days of the boot, against the day before the power cut: 1970, the image's date, and a year ahead.
    for wrong in [-19_000, -500, 366] {
        let place = Place::new();
        let journal = place.open().await;
        enlist(&journal, &["store"]).await;
        append(&journal, [1], 0).await;
        let before = journal.run();
        journal.reconcile("store", HERE, &[(before, Seq::ZERO)]).await.unwrap();
        drain(&journal, "store").await;
        drop(journal);
        let journal = SqliteJournal::open(place.options.clone(), at(wrong * DAY)).await.unwrap();
        append(&journal, [2], wrong * DAY).await;
        let boot = journal.run();
        let right = journal.begin_run(at(DAY)).await.unwrap();
        append(&journal, [3], DAY).await;
        let marks = [(before, Seq(1)), (boot, Seq::ZERO), (right, Seq::ZERO)];
        for day in [1, 1000] {
            journal.maintain(at(day * DAY)).await.unwrap();
            let told = journal.reconcile("store", HERE, &marks).await.unwrap();
            assert_eq!(told.refused, None, "after a boot on day {wrong}");
        }
        assert_eq!(drain(&journal, "store").await, [2, 3]);
    }
}

/// A machine that never had the right time before: a date before the program existed is no age.
#[tokio::test]
async fn a_first_boot_in_1970_is_no_old_copy() {
    let place = Place::new();
    let journal = SqliteJournal::open(place.options.clone(), at(-19_000 * DAY)).await.unwrap();
    enlist(&journal, &["store"]).await;
    let first = journal.run();
    journal.reconcile("store", HERE, &[(first, Seq::ZERO)]).await.unwrap();
    append(&journal, [1], -19_000 * DAY).await;
    let right = journal.begin_run(at(DAY)).await.unwrap();
    append(&journal, [2], DAY).await;
    let told = journal.reconcile("store", HERE, &[(first, Seq::ZERO), (right, Seq::ZERO)]).await.unwrap();
    assert_eq!((told.refused, drain(&journal, "store").await), (None, vec![1, 2]));
}

/// Either decision lets the sink go on, and the books balance.
#[tokio::test]
async fn a_person_decides_about_an_old_copy() {
    for (decision, delivered, lost) in
        [(OldBatches::Deliver, vec![1, 2, 3], 0), (OldBatches::Forget, vec![3], 2)]
    {
        let place = Place::new();
        let journal = place.open().await;
        enlist(&journal, &["store"]).await;
        let old = journal.run();
        journal.reconcile("store", HERE, &[(old, Seq::ZERO)]).await.unwrap();
        append(&journal, [1, 2], 0).await;
        drop(journal);
        // Polls go on before the target is there: readings of today are no proof of youth.
        let journal = SqliteJournal::open(place.options.clone(), at(500 * DAY)).await.unwrap();
        append(&journal, [3], 500 * DAY).await;
        let marks = [(old, Seq::ZERO), (journal.run(), Seq::ZERO)];
        let guest = OperatorAccess::enter(&place.file(), "solar", at(500 * DAY)).unwrap();
        assert_eq!(guest.decide("store", decision).unwrap(), None, "nothing is held back yet");
        let told = journal.reconcile("store", HERE, &marks).await.unwrap();
        assert!(told.refused.unwrap().contains("smiles journal old deliver store"));
        let held = OldCopy { sink: "store".into(), batches: 1, rows: 2, last: at(0) };
        assert_eq!(guest.old_copies().unwrap(), std::slice::from_ref(&held));
        assert_eq!(guest.decide("store", decision).unwrap(), Some(held));
        assert_eq!(guest.old_copies().unwrap(), []);
        let told = journal.reconcile("store", HERE, &marks).await.unwrap();
        assert_eq!(told.refused, None);
        assert_eq!(drain(&journal, "store").await, delivered, "{decision:?}");
        assert_eq!(row_counts(&journal, "store").await.lost, lost);
        assert!(journal.status().await.unwrap().losses.iter().all(|loss| loss.acknowledged));
        assert_eq!(journal.maintain(at(502 * DAY)).await.unwrap().deleted, 2);
    }
}

/// A batch dated in the future stops no retention, and takes no younger one with it.
#[tokio::test]
async fn a_batch_from_the_future_goes_when_those_after_it_are_old() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    for (id, day) in [(1, 0), (2, 365), (3, 365), (4, 1), (5, 2), (6, 900)] {
        append(&journal, [id], day * DAY).await;
    }
    drain(&journal, "store").await;
    let after = [
        (DAY, 0),
        (DAY + 1, 1),
        (2 * DAY, 0),
        (2 * DAY + 1, 3),
        (3 * DAY, 0),
        (3 * DAY + 1, 1),
        (9 * DAY, 0),
    ];
    for (now, deleted) in after {
        assert_eq!(journal.maintain(at(now)).await.unwrap().deleted, deleted, "at {now}");
    }
}

/// A dead letter holds its row, so that it can be replayed when its batch is long deleted.
#[tokio::test]
async fn a_row_set_aside_is_kept_whole() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    append(&journal, [1, 2], 0).await;
    append(&journal, [10, 20, 30], 0).await;
    let run = journal.run();
    drop(journal);
    let journal = place.open().await;
    let (code, reason) = ("23505".to_owned(), "duplicate key".to_owned());
    let letter = DeadLetter { position: Position { run, seq: Seq(2) }, row: 1, code, reason, at: at(1) };
    journal.set_aside("store", vec![letter]).await.unwrap();
    drain(&journal, "store").await;
    assert_eq!(journal.maintain(at(2 * DAY)).await.unwrap().deleted, 2);
    assert_eq!(row_counts(&journal, "store").await.dead_lettered, 1);
    journal.close().await.unwrap();
    let file = rusqlite::Connection::open(place.file()).unwrap();
    let stream: (Vec<u8>, Vec<u8>) = file
        .query_row(
            "SELECT prefix, payload FROM dead_letters JOIN schemas ON schemas.id = dead_letters.schema",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let bytes = [stream.0, stream.1].concat();
    let rows =
        arrow_ipc::reader::StreamReader::try_new(bytes.as_slice(), None).unwrap().next().unwrap().unwrap();
    assert_eq!(smiles_testkit::ids(&rows), [20]);
}
