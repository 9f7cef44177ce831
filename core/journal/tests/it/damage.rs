//! Files that were cut short or had bits flipped: the journal always opens, never gives other rows than it was given,
//! never gives a position twice, and says what is missing.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use smiles_journal::{DeadLetter, From, Journal, SqliteJournal, verify};
use smiles_stage::{Position, RunId, Seq};
use smiles_testkit::ids;

use crate::place::{
    ALL, HERE, Place, append, at, balance, cursor, drain, enlist, ids_of, options, put, row_counts,
};

/// Journal files as a killed process leaves them, and what had been put into them.
struct Original {
    files: Vec<(&'static str, Vec<u8>)>,
    batches: BTreeMap<(String, u64), Vec<i64>>,
}

const FILES: [&str; 2] = ["journal.db", "journal.db-wal"];

impl Original {
    /// Several runs, deleted batches, dead letters, state; the newest records in the log only.
    async fn make() -> Self {
        let place = Place::new();
        let mut batches = BTreeMap::new();
        let mut next = 0;
        for opening in 0..3 {
            let journal = place.open().await;
            journal.enlist(&[cursor("store", From::Now), cursor("late", From::Now)]).await.unwrap();
            for size in [3, 40, 0, 700, 5] {
                let mut entry = crate::place::entry(next..next + size, opening * 100);
                entry.state = vec![put("daily", &[u8::try_from(size % 251).unwrap()], b"value")];
                let position = journal.append(entry).await.unwrap().batch.position;
                batches.insert((position.run.to_string(), position.seq.0), (next..next + size).collect());
                next += size;
            }
            if opening == 1 {
                drain(&journal, "store").await;
                let run = journal.run();
                journal.reconcile("store", HERE, &[(run, Seq(5))]).await.unwrap();
                journal.delivered("late", Position { run, seq: Seq(2) }).await.unwrap();
            }
            if opening == 2 {
                let letter = DeadLetter {
                    position: Position { run: journal.run(), seq: Seq(2) },
                    row: 7,
                    code: "22".to_owned(),
                    reason: "no".to_owned(),
                    at: at(3),
                };
                journal.set_aside("store", vec![letter]).await.unwrap();
                let files = FILES.map(|name| (name, fs::read(place.folder().join(name)).unwrap()));
                return Self { files: files.to_vec(), batches };
            }
        }
        unreachable!("the third opening returns")
    }

    fn put_into(&self, folder: &Path) {
        for (name, bytes) in &self.files {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

/// Opens what is there and checks everything that must hold for any bytes; the number of batches that came through.
async fn check(original: &Original, place: &Place, what: &str) -> usize {
    let journal = place.open().await;
    let status = journal.status().await.unwrap();
    status.row_counts.iter().for_each(balance);
    enlist(&journal, &["store", "late", "fresh"]).await;
    let retained = journal.newest(ALL).await.unwrap();
    for batch in &retained {
        let key = (batch.position.run.to_string(), batch.position.seq.0);
        assert_eq!(original.batches.get(&key), Some(&ids(&batch.records)), "{what}");
    }
    let news = append(&journal, [-1, -2], 900).await.batch.position;
    assert!(!original.batches.contains_key(&(news.run.to_string(), news.seq.0)), "{what}");
    for sink in ["store", "late"] {
        let delivered = drain(&journal, sink).await;
        assert_eq!(&delivered[delivered.len() - 2..], [-1, -2], "{what}");
        assert!(delivered[..delivered.len() - 2].is_sorted_by(|a, b| a < b), "{what}: order or twice");
        assert_eq!(row_counts(&journal, sink).await.waiting, 0, "{what}");
    }
    let damaged = place.damaged();
    let end = journal.status().await.unwrap();
    assert!(!end.repairs.is_empty() || (damaged.is_empty() && end.losses.is_empty()), "{what}: nothing said");
    drop(journal);

    let again = place.open().await;
    assert_eq!(place.damaged(), damaged, "{what}: the second opening found nothing");
    assert_eq!(ids_of(&again.newest(ALL).await.unwrap()).len(), ids_of(&retained).len() + 2, "{what}");
    retained.len()
}

/// A way to spoil files: the file, then either where it ends or which bits flip, in thousandths of its length.
#[derive(Clone, Debug)]
enum Harm {
    Cut(usize, usize),
    Flip(Vec<(usize, usize, u8)>),
    Zero(usize, usize),
    Gone(usize),
}

impl Harm {
    fn any() -> impl Strategy<Value = Self> {
        let place = 0..1_000_000_usize;
        prop_oneof![
            2 => (0..2_usize, place.clone()).prop_map(|(file, at)| Self::Cut(file, at)),
            6 => prop::collection::vec((0..2_usize, place.clone(), 0..8_u8), 1..6).prop_map(Self::Flip),
            2 => (0..2_usize, place).prop_map(|(file, at)| Self::Zero(file, at)),
            1 => (0..2_usize).prop_map(Self::Gone),
        ]
    }

    fn apply(&self, folder: &Path) {
        let change = |file: usize, with: &dyn Fn(&mut Vec<u8>)| {
            let path = folder.join(FILES[file]);
            let mut bytes = fs::read(&path).unwrap();
            with(&mut bytes);
            fs::write(path, bytes).unwrap();
        };
        let scaled = |bytes: &[u8], at: usize| bytes.len() * at / 1_000_000;
        match self {
            Self::Cut(file, at) => change(*file, &|bytes| bytes.truncate(scaled(bytes, *at))),
            Self::Zero(file, at) => change(*file, &|bytes| {
                let from = scaled(bytes, *at);
                let to = bytes.len().min(from + 4096);
                bytes[from..to].fill(0);
            }),
            Self::Flip(bits) => {
                for (file, at, bit) in bits {
                    change(*file, &|bytes| {
                        let at = scaled(bytes, *at);
                        bytes[at] ^= 1 << bit;
                    });
                }
            }
            Self::Gone(file) => fs::remove_file(folder.join(FILES[*file])).unwrap(),
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

#[test]
fn any_damage_is_survived() {
    let runtime = runtime();
    let original = runtime.block_on(Original::make());
    let config =
        Config { cases: 100, rng_seed: RngSeed::Fixed(2), failure_persistence: None, ..Config::default() };
    let (salvaged, total) = (Cell::new(0), Cell::new(0));
    TestRunner::new(config)
        .run(&Harm::any(), |harm| {
            let place = Place::new();
            original.put_into(place.folder());
            harm.apply(place.folder());
            let here = runtime.block_on(check(&original, &place, &format!("{harm:?}")));
            salvaged.set(salvaged.get() + here);
            total.set(total.get() + original.batches.len());
            Ok(())
        })
        .unwrap();
    // Some damage leaves nothing; on the whole most is there.
    let (salvaged, total) = (salvaged.get(), total.get());
    assert!(salvaged * 10 > total * 6, "{salvaged} of {total} batches salvaged");
}

#[tokio::test]
async fn a_file_as_a_kill_leaves_it_is_not_damaged() {
    let original = Original::make().await;
    let place = Place::new();
    original.put_into(place.folder());
    assert_eq!(check(&original, &place, "nothing done").await, 15);
    assert_eq!(place.damaged(), [""; 0]);
}

/// Cursors are not synced: a power cut may leave a later one in the log and take the page of an earlier one.
#[tokio::test]
async fn cursors_torn_by_a_power_cut_are_no_damage() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    for first in 0..3 {
        append(&journal, [first], 0).await;
    }
    let log = place.folder().join("journal.db-wal");
    let synced = usize::try_from(fs::metadata(&log).unwrap().len()).unwrap();
    let run = journal.run();
    for seq in 1..=2 {
        journal.delivered("store", Position { run, seq: Seq(seq) }).await.unwrap();
    }
    let files = FILES.map(|name| (name, fs::read(place.folder().join(name)).unwrap()));
    let torn = |at: usize, journal_of_whom: &Place| {
        for (name, bytes) in &files {
            let mut bytes = bytes.clone();
            if *name == FILES[1] {
                bytes[at..at + 300].fill(0x55);
            }
            fs::write(journal_of_whom.folder().join(name), bytes).unwrap();
        }
    };
    let cut = Place::new();
    torn(synced + 100, &cut);
    for killed in [true, false] {
        let journal = cut.open().await;
        let status = journal.status().await.unwrap();
        assert_eq!((status.repairs.len(), cut.damaged().len(), status.losses.len()), (0, 0, 0));
        assert_eq!(ids_of(&journal.newest(ALL).await.unwrap()), [0, 1, 2]);
        // The target is asked: its word replaces the cursors that are gone.
        journal.reconcile("store", HERE, &[(run, Seq(2))]).await.unwrap();
        assert_eq!(ids_of(&journal.read("store", None, ALL).await.unwrap()), [2]);
        if killed {
            // What a killed process leaves: nothing of the torn end may show behind the new log.
            let copy = FILES.map(|name| fs::read(cut.folder().join(name)).unwrap());
            drop(journal);
            for (name, bytes) in FILES.iter().zip(copy) {
                fs::write(cut.folder().join(name), bytes).unwrap();
            }
        }
    }
    // The same tear in a batch is damage.
    let spoilt = Place::new();
    torn(synced - 2 * 4120, &spoilt);
    assert_eq!(spoilt.open().await.status().await.unwrap().repairs.len(), 1);
}

type Spoil<'a> = &'a dyn Fn(&mut Vec<u8>);

/// Where the damage is known, so is what it costs.
#[tokio::test]
async fn what_can_be_salvaged_is() {
    let original = Original::make().await;
    let log = original.files[1].1.len();
    let rows: [(&str, usize, Spoil<'_>, usize); 7] = [
        ("the first page", 0, &|bytes| bytes[..4096].fill(0xff), 15),
        ("the file's magic", 0, &|bytes| bytes[3] ^= 1, 15),
        ("the page size", 0, &|bytes| bytes[16] ^= 1, 15),
        ("a version number", 0, &|bytes| bytes[63] ^= 4, 15),
        ("the log's header", 1, &|bytes| bytes[17] ^= 1, 15),
        ("a frame's salt amid the log", 1, &|bytes| bytes[32 + 10 * 4120 + 9] ^= 1, 14),
        ("the log's last third", 1, &|bytes| bytes.truncate(log / 3 * 2), 10),
    ];
    for (what, file, harm, least) in rows {
        let place = Place::new();
        original.put_into(place.folder());
        let path = place.folder().join(FILES[file]);
        let mut bytes = fs::read(&path).unwrap();
        harm(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let salvaged = check(&original, &place, what).await;
        assert!(salvaged >= least, "{what}: {salvaged} batches");
    }
}

/// A flipped bit inside a batch is no damage to SQLite; the checksum finds it when the batch is read.
#[tokio::test]
async fn a_damaged_batch_is_booked_as_lost_and_passed_over() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store", "other"]).await;
    for first in [0, 1_000, 2_000] {
        append(&journal, first..first + 500, 0).await;
    }
    let run = journal.run();
    journal.delivered("other", Position { run, seq: Seq(2) }).await.unwrap();
    journal.close().await.unwrap();
    let mut bytes = fs::read(place.file()).unwrap();
    let needle: Vec<u8> = (1_100_i64..1_103).flat_map(i64::to_le_bytes).collect();
    let found = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    bytes[found] ^= 4;
    fs::write(place.file(), bytes).unwrap();

    let journal = place.open().await;
    assert_eq!(journal.status().await.unwrap().repairs, [""; 0]);
    assert_eq!(verify(&place.file()).unwrap(), ["1 batches are damaged: their checksums do not match"]);
    let seen = drain(&journal, "store").await;
    assert_eq!(seen, (0..500).chain(2_000..2_500).collect::<Vec<_>>());
    assert_eq!(drain(&journal, "other").await.len(), 500);
    let status = journal.status().await.unwrap();
    assert_eq!(status.repairs.len(), 1, "{:?}", status.repairs);
    let lost: Vec<_> = status.losses.iter().map(|loss| (loss.sink.as_str(), loss.range, loss.rows)).collect();
    assert_eq!(lost, [("store", (Seq(2), Seq(2)), 500)]);
    assert_eq!(row_counts(&journal, "store").await.lost, 500);
    assert_eq!(journal.acknowledge().await.unwrap(), 1);
    assert_eq!(journal.status().await.unwrap().repairs, [""; 0]);
}

#[tokio::test]
async fn batches_that_damage_took_are_named_and_booked() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    for first in 0..20 {
        append(&journal, first * 1_000..first * 1_000 + 600, 0).await;
    }
    let run = journal.run();
    journal.delivered("store", Position { run, seq: Seq(3) }).await.unwrap();
    journal.close().await.unwrap();
    let mut bytes = fs::read(place.file()).unwrap();
    let leaf = fullest_leaf(&bytes, run);
    bytes[leaf * 4096..(leaf + 1) * 4096].fill(0);
    fs::write(place.file(), bytes).unwrap();
    assert_eq!(verify(&place.file()).unwrap().len(), 1);

    let journal = place.open().await;
    let status = journal.status().await.unwrap();
    assert_eq!(place.damaged().len(), 1);
    assert_eq!(verify(&place.file()).unwrap(), [""; 0]);
    assert!(status.repairs[0].contains(&place.damaged()[0]), "{:?}", status.repairs);
    assert!(status.repairs[0].contains("missing: ") && status.repairs[0].contains(&run.to_string()));
    let lost: u64 = status.losses.iter().map(|loss| loss.rows).sum();
    assert!(
        lost > 0 && status.losses.iter().all(|loss| loss.reason == "journal damaged"),
        "{:?}",
        status.losses
    );
    let delivered = drain(&journal, "store").await;
    let row_counts = row_counts(&journal, "store").await;
    assert_eq!((row_counts.accepted, row_counts.lost, row_counts.waiting), (12_000, lost, 0));
    assert_eq!(u64::try_from(delivered.len()).unwrap() + lost + 1_800, 12_000);
}

/// The file is spoilt under a journal that has it open.
#[tokio::test]
async fn damage_that_shows_while_in_use_is_repaired_at_once() {
    let place = Place::new();
    let journal = place.open().await;
    enlist(&journal, &["store"]).await;
    for first in 0..20 {
        append(&journal, first * 1_000..first * 1_000 + 600, 0).await;
    }
    let run = journal.run();
    drop(journal);
    // Nothing of the batches is looked at before the damage: what a connection has read it need not read again.
    let journal = place.open().await;
    let before = append(&journal, [-1], 0).await.batch.position;
    let mut bytes = fs::read(place.file()).unwrap();
    let leaf = fullest_leaf(&bytes, run);
    bytes[leaf * 4096..(leaf + 1) * 4096].fill(0);
    fs::write(place.file(), bytes).unwrap();

    let delivered = drain(&journal, "store").await;
    assert_eq!(delivered.last(), Some(&-1), "what was accepted since is there");
    assert_eq!(place.damaged().len(), 1);
    let after = append(&journal, [-2], 0).await.batch.position;
    assert_eq!((after.run == before.run, after.run == journal.run()), (false, true));
    assert_eq!(drain(&journal, "store").await, [-2]);
    let row_counts = row_counts(&journal, "store").await;
    assert_eq!((row_counts.accepted, row_counts.waiting), (12_002, 0));
    assert_eq!(u64::try_from(delivered.len()).unwrap() + 1 + row_counts.lost, 12_002);
    assert_eq!(verify(&place.file()).unwrap(), [""; 0]);
}

/// The first leaf of a table (its first byte is 13) that names the run most often: it holds batches.
fn fullest_leaf(bytes: &[u8], run: RunId) -> usize {
    let names = |page: &[u8]| page.windows(16).filter(|window| *window == run.0).count();
    let leaves = bytes.chunks(4096).enumerate().filter(|(_, page)| page[0] == 13);
    leaves.rev().max_by_key(|(_, page)| names(page)).unwrap().0
}

#[tokio::test]
async fn an_interrupted_repair_is_finished() {
    let place = Place::new();
    let journal = place.open().await;
    append(&journal, [1, 2], 0).await;
    journal.close().await.unwrap();
    let repaired = place.folder().join("journal.db.repaired");
    fs::rename(place.file(), &repaired).unwrap();
    fs::write(place.file(), b"garbage").unwrap();
    assert_eq!(place.open().await.status().await.unwrap().rows, 2);
    assert_eq!(place.damaged().len(), 1);
    fs::rename(place.file(), &repaired).unwrap();
    assert_eq!(place.open().await.status().await.unwrap().rows, 2);
    assert_eq!(place.damaged().len(), 1);
}

#[tokio::test]
async fn a_damaged_file_of_another_pipeline_is_left_alone() {
    let place = Place::new();
    let journal = place.open().await;
    append(&journal, [1, 2], 0).await;
    journal.close().await.unwrap();
    let mut bytes = fs::read(place.file()).unwrap();
    bytes[3] ^= 1;
    fs::write(place.file(), &bytes).unwrap();
    let mut other = options(Some(place.file()));
    other.pipeline = "heat".to_owned();
    assert!(SqliteJournal::open(other, at(0)).await.is_err());
    assert_eq!(fs::read(place.file()).unwrap(), bytes);
    assert_eq!(place.open().await.status().await.unwrap().rows, 2);
}

/// An empty file, and what a process leaves that was killed while it made the tables.
#[tokio::test]
async fn a_file_without_anything_is_a_new_journal() {
    for begun in [false, true] {
        let place = Place::new();
        fs::write(place.file(), b"").unwrap();
        if begun {
            let file = rusqlite::Connection::open(place.file()).unwrap();
            file.execute_batch("CREATE TABLE a (b); DROP TABLE a; VACUUM").unwrap();
        }
        a_new_journal(&place).await;
    }
}

async fn a_new_journal(place: &Place) {
    let journal = place.open().await;
    append(&journal, [1], 0).await;
    assert_eq!(place.damaged(), [""; 0]);
    assert_eq!(journal.status().await.unwrap().repairs, [""; 0]);
}
