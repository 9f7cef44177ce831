//! Random worlds of crashes, lost answers, rolled-back journals, restored and exchanged databases, against a model
//! that knows the fate of every batch. Each step: the books balance and are the model's; a target gets nothing
//! twice and every run in order.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use smiles_journal::{DeadLetter, From, Journal, ReadLimit, SqliteJournal};
use smiles_stage::{Position, RunId, Seq, TargetId};
use smiles_testkit::ids;

use crate::place::{ALL, Place, append, at, balance, cursor};

mod errands;

const SINKS: [&str; 3] = ["a", "b", "c"];
const RETAIN: i64 = 100;

#[derive(Clone, Debug)]
enum Step {
    Append {
        rows: u8,
        passed: u8,
    },
    /// Reads and commits in the target; the answer may be lost.
    Deliver {
        sink: usize,
        rows: u8,
        answered: bool,
    },
    /// Asks the target again, as after any doubt.
    Doubt {
        sink: usize,
    },
    Reopen,
    BeginRun,
    /// Copies the files as they are.
    Snapshot,
    /// Kills the process and starts it on the copy.
    RollBack,
    BackUp {
        sink: usize,
    },
    Restore {
        sink: usize,
    },
    NewTarget {
        sink: usize,
    },
    Enlist {
        which: u8,
        oldest: bool,
    },
    SetAside {
        sink: usize,
        row: u8,
    },
    Maintain {
        passed: u16,
    },
    /// An operator gives up one of the dead letters.
    GiveUp {
        sink: usize,
        which: u8,
    },
    /// An operator replays all of them; `steps` until the process ends.
    Replay {
        sink: usize,
        steps: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let sink = 0..SINKS.len();
    prop_oneof![
        10 => (0..4_u8, 0..30_u8).prop_map(|(rows, passed)| Step::Append { rows, passed }),
        10 => (sink.clone(), 0..9_u8, prop::bool::weighted(0.8))
            .prop_map(|(sink, rows, answered)| Step::Deliver { sink, rows, answered }),
        2 => sink.clone().prop_map(|sink| Step::Doubt { sink }),
        2 => Just(Step::Reopen),
        1 => Just(Step::BeginRun),
        1 => Just(Step::Snapshot),
        1 => Just(Step::RollBack),
        1 => sink.clone().prop_map(|sink| Step::BackUp { sink }),
        1 => sink.clone().prop_map(|sink| Step::Restore { sink }),
        1 => sink.clone().prop_map(|sink| Step::NewTarget { sink }),
        1 => (1..8_u8, any::<bool>()).prop_map(|(which, oldest)| Step::Enlist { which, oldest }),
        3 => (sink.clone(), 0..4_u8).prop_map(|(sink, row)| Step::SetAside { sink, row }),
        1 => (sink.clone(), any::<u8>()).prop_map(|(sink, which)| Step::GiveUp { sink, which }),
        3 => (sink, 0..6_u8).prop_map(|(sink, steps)| Step::Replay { sink, steps }),
        4 => (0..200_u16).prop_map(|passed| Step::Maintain { passed }),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waiting,
    Delivered,
    /// To another target than the one it now speaks to, and deleted since.
    DeliveredElsewhere,
    Dropped,
    Lost,
}

/// What the model knows of one sink in the journal.
#[derive(Clone, Default)]
struct Account {
    in_use: bool,
    target: Option<TargetId>,
    /// Of every batch owed.
    fates: BTreeMap<(usize, u64), Fate>,
    /// Rows set aside, per batch.
    dead: Rows,
    /// Rows set aside and given up, per batch.
    given_up: Rows,
    /// Rows replayed although their batch was not delivered, per batch.
    alone: Rows,
}

/// What the model knows of a journal: it goes back with the files.
#[derive(Clone, Default)]
struct Log {
    runs: Vec<RunId>,
    /// Number of rows and time of every batch ever accepted, by run and number.
    batches: BTreeMap<(usize, u64), (u64, i64)>,
    /// Highest number deleted, by run.
    deleted: Vec<u64>,
    accounts: BTreeMap<&'static str, Account>,
}

/// A database with watermarks, as a transactional sink keeps them.
#[derive(Clone)]
struct Target {
    id: TargetId,
    marks: BTreeMap<RunId, u64>,
    ids: Vec<i64>,
}

struct World {
    place: Place,
    journal: Option<SqliteJournal>,
    log: Log,
    snapshot: Option<(tempfile::TempDir, Log)>,
    targets: Vec<Target>,
    backups: Vec<Option<Target>>,
    /// Whether a target got a row by replay, or forgot one, that the snapshot knows nothing of.
    replayed: bool,
    /// Whether the target was asked since the last doubt.
    sure: [bool; 3],
    now: i64,
    next_id: i64,
    next_target: u8,
}

impl World {
    async fn new() -> Self {
        let mut place = Place::new();
        place.options.retain = Duration::from_secs(100);
        let target = |id| Target { id: TargetId([id; 16]), marks: BTreeMap::new(), ids: Vec::new() };
        let mut world = Self {
            journal: Some(place.open().await),
            place,
            log: Log::default(),
            snapshot: None,
            targets: (0..3).map(target).collect(),
            backups: vec![None; 3],
            replayed: false,
            sure: [false; 3],
            now: 0,
            next_id: 0,
            next_target: 3,
        };
        world.enlist(3, false).await;
        world
    }

    fn journal(&self) -> &SqliteJournal {
        self.journal.as_ref().unwrap()
    }

    fn in_use(&self, sink: usize) -> bool {
        self.log.accounts.get(SINKS[sink]).is_some_and(|account| account.in_use)
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Append { rows, passed } => self.append(i64::from(rows), i64::from(passed)).await,
            Step::Deliver { sink, rows, answered } => self.deliver(sink, usize::from(rows), answered).await,
            Step::Doubt { sink } => self.sure[sink] = false,
            Step::Reopen => self.reopen().await,
            Step::BeginRun => drop(self.journal().begin_run(at(self.now)).await.unwrap()),
            Step::Snapshot => self.snapshot(),
            Step::RollBack => self.roll_back().await,
            Step::BackUp { sink } => self.backups[sink] = Some(self.targets[sink].clone()),
            Step::Restore { sink } => {
                if let Some(backup) = self.backups[sink].clone() {
                    self.targets[sink] = backup;
                    self.sure[sink] = false;
                }
            }
            Step::NewTarget { sink } => {
                let id = TargetId([self.next_target; 16]);
                self.next_target = self.next_target.wrapping_add(1);
                self.targets[sink] = Target { id, marks: BTreeMap::new(), ids: Vec::new() };
                (self.backups[sink], self.sure[sink]) = (None, false);
            }
            Step::Enlist { which, oldest } => self.enlist(which, oldest).await,
            Step::SetAside { sink, row } => self.set_aside(sink, u32::from(row)).await,
            Step::Maintain { passed } => self.maintain(i64::from(passed)).await,
            Step::GiveUp { sink, which } => self.give_up(sink, usize::from(which)),
            Step::Replay { sink, steps } => self.replay(sink, steps),
        }
    }

    async fn append(&mut self, rows: i64, passed: i64) {
        self.now += passed;
        let position =
            append(self.journal(), self.next_id..self.next_id + rows, self.now).await.batch.position;
        self.next_id += rows;
        let run = self.log.runs.iter().position(|run| *run == position.run).unwrap_or_else(|| {
            self.log.runs.push(position.run);
            self.log.deleted.push(0);
            self.log.runs.len() - 1
        });
        let key = (run, position.seq.0);
        let known = self.log.batches.insert(key, (u64::try_from(rows).unwrap(), self.now));
        assert_eq!(known, None, "a position given twice");
        for account in self.log.accounts.values_mut() {
            account.fates.insert(key, Fate::Waiting);
        }
    }

    async fn reconcile(&mut self, sink: usize) {
        let name = SINKS[sink];
        let runs = self.journal().known_runs(name).await.unwrap();
        assert_eq!(runs, self.log.runs);
        let target = &self.targets[sink];
        let marks: Vec<_> =
            runs.iter().map(|run| (*run, Seq(target.marks.get(run).copied().unwrap_or(0)))).collect();
        let told = self.journal().reconcile(name, target.id, &marks).await.unwrap();
        let account = self.log.accounts.get_mut(name).unwrap();
        assert_eq!(told.different_target, account.target != Some(target.id));
        let (mut lost, mut back) = (0, 0);
        for ((run, seq), fate) in &mut account.fates {
            let retained = *seq > self.log.deleted[*run];
            let beyond = *seq > marks[*run].1.0;
            *fate = match *fate {
                Fate::Waiting if !beyond => Fate::Delivered,
                Fate::Delivered if beyond && retained => {
                    back += 1;
                    Fate::Waiting
                }
                Fate::Delivered if beyond && told.different_target => Fate::DeliveredElsewhere,
                Fate::Delivered if beyond => {
                    let aside = aside(&account.dead, &account.given_up, &(*run, *seq));
                    lost += self.log.batches[&(*run, *seq)].0 - u64::try_from(aside.len()).unwrap();
                    Fate::Lost
                }
                other => other,
            };
        }
        account.target = Some(target.id);
        assert_eq!(told.lost.iter().map(|loss| loss.rows).sum::<u64>(), lost);
        assert_eq!(told.back, back);
        self.sure[sink] = true;
    }

    async fn deliver(&mut self, sink: usize, rows: usize, answered: bool) {
        if !self.in_use(sink) {
            return;
        }
        if !self.sure[sink] {
            self.reconcile(sink).await;
        }
        let name = SINKS[sink];
        let batches = self.journal().read(name, None, ReadLimit { rows, bytes: usize::MAX }).await.unwrap();
        let account = self.log.accounts.get_mut(name).unwrap();
        let owed = account.fates.iter().find(|(_, fate)| **fate == Fate::Waiting).map(|(key, _)| *key);
        assert_eq!(
            batches.first().map(|batch| self.key(batch.position)),
            owed,
            "the oldest batch that waits"
        );
        let Some(last) = batches.last().map(|batch| batch.position) else { return };
        for batch in &batches {
            let key = self.key(batch.position);
            assert_eq!(batch.position.run, last.run);
            let seq = batch.position.seq;
            let aside = self.journal().rows_set_aside(name, batch.position.run, (seq, seq)).await.unwrap();
            let aside: Vec<u32> = aside.into_iter().map(|(_, row)| row).collect();
            let account = &self.log.accounts[name];
            assert_eq!(crate::model::aside(&account.dead, &account.given_up, &key), aside);
            let target = &mut self.targets[sink];
            let mark = target.marks.entry(batch.position.run).or_insert(0);
            assert!(batch.position.seq.0 > *mark, "not above the watermark");
            *mark = batch.position.seq.0;
            let rows = ids(&batch.records).into_iter().enumerate();
            let wanted =
                rows.filter(|(row, _)| !aside.contains(&u32::try_from(*row).unwrap())).map(|(_, id)| id);
            for id in wanted {
                assert!(!target.ids.contains(&id), "row {id} twice");
                target.ids.push(id);
            }
        }
        if !answered {
            self.sure[sink] = false;
            return;
        }
        self.journal().delivered(name, last).await.unwrap();
        let last = self.key(last);
        let account = self.log.accounts.get_mut(name).unwrap();
        for (_, fate) in
            account.fates.range_mut((last.0, 0)..=last).filter(|(_, fate)| **fate == Fate::Waiting)
        {
            *fate = Fate::Delivered;
        }
    }

    fn key(&self, position: Position) -> (usize, u64) {
        let run = self.log.runs.iter().position(|run| *run == position.run).unwrap();
        (run, position.seq.0)
    }

    async fn set_aside(&mut self, sink: usize, row: u32) {
        if !self.in_use(sink) || !self.sure[sink] {
            return;
        }
        let name = SINKS[sink];
        let batches = self.journal().read(name, None, ALL).await.unwrap();
        let Some(batch) =
            batches.iter().find(|batch| batch.records.num_rows() > usize::try_from(row).unwrap())
        else {
            return;
        };
        let (code, reason) = ("22".to_owned(), "no".to_owned());
        let letter = DeadLetter { position: batch.position, row, code, reason, at: at(self.now) };
        self.journal().set_aside(name, vec![letter.clone(), letter]).await.unwrap();
        let key = self.key(batch.position);
        let account = self.log.accounts.get_mut(name).unwrap();
        if account.given_up.get(&key).is_some_and(|rows| rows.contains(&row)) {
            return;
        }
        let dead = account.dead.entry(key).or_default();
        if !dead.contains(&row) {
            dead.push(row);
            dead.sort_unstable();
        }
    }

    async fn enlist(&mut self, which: u8, oldest: bool) {
        let named: Vec<_> =
            (0..SINKS.len()).filter(|sink| which & (1 << sink) != 0).map(|sink| SINKS[sink]).collect();
        let from = || if oldest { From::Oldest } else { From::Now };
        let cursors: Vec<_> = named.iter().map(|sink| cursor(sink, from())).collect();
        self.journal().enlist(&cursors).await.unwrap();
        for account in self.log.accounts.values_mut() {
            account.in_use = false;
        }
        for sink in named {
            let log = &mut self.log;
            let account = log.accounts.entry(sink).or_insert_with(|| {
                let retained = log.batches.keys().filter(|(run, seq)| oldest && *seq > log.deleted[*run]);
                Account { fates: retained.map(|key| (*key, Fate::Waiting)).collect(), ..Account::default() }
            });
            account.in_use = true;
        }
    }

    async fn maintain(&mut self, passed: i64) {
        self.now += passed;
        self.journal().maintain(at(self.now)).await.unwrap();
        let status = self.journal().status().await.unwrap();
        let deleted: Vec<u64> = status.runs.iter().map(|run| run.3.0).collect();
        assert_eq!(deleted.len(), self.log.deleted.len());
        for (key, (_, time)) in &self.log.batches {
            let goes = key.1 > self.log.deleted[key.0] && key.1 <= deleted[key.0];
            let stays = key.1 > deleted[key.0];
            let old = *time < self.now - RETAIN;
            assert!(!goes || old, "{key:?} was deleted too early");
            let mut wanted = false;
            for account in self.log.accounts.values_mut() {
                match account.fates.get_mut(key) {
                    Some(Fate::Waiting) if account.in_use => {
                        assert!(!goes, "{key:?} was deleted while a sink waited");
                        wanted = true;
                    }
                    Some(fate @ Fate::Waiting) if goes => *fate = Fate::Dropped,
                    _ => {}
                }
            }
            let first = key.1 == deleted[key.0] + 1;
            assert!(!(stays && first && old && !wanted), "{key:?} should have been deleted");
        }
        self.log.deleted = deleted;
    }

    async fn reopen(&mut self) {
        self.journal = None;
        self.journal = Some(self.place.open().await);
        self.sure = [false; 3];
    }

    fn snapshot(&mut self) {
        let copy = tempfile::tempdir().unwrap();
        self.copy_files(self.place.folder(), copy.path());
        self.snapshot = Some((copy, self.log.clone()));
        self.replayed = false;
    }

    /// A replay that a journal has forgotten cannot be told from one that never was.
    async fn roll_back(&mut self) {
        if self.replayed {
            return;
        }
        let Some((copy, log)) = self.snapshot.take() else { return };
        self.journal = None;
        self.copy_files(copy.path(), self.place.folder());
        self.log = log;
        self.reopen().await;
    }

    fn copy_files(&self, from: &std::path::Path, to: &std::path::Path) {
        for name in ["journal.db", "journal.db-wal"] {
            drop(fs::remove_file(to.join(name)));
            if from.join(name).exists() {
                fs::copy(from.join(name), to.join(name)).unwrap();
            }
        }
    }

    /// The journal's books are the model's.
    async fn compare(&self) {
        let status = self.journal().status().await.unwrap();
        assert_eq!(status.row_counts.len(), self.log.accounts.len());
        for row_counts in &status.row_counts {
            balance(row_counts);
            let account = &self.log.accounts[row_counts.sink.as_str()];
            let rows = |wanted: &[Fate]| -> u64 {
                let keys = account.fates.iter().filter(|(_, fate)| wanted.contains(fate)).map(|(key, _)| key);
                keys.map(|key| {
                    let apart =
                        aside(&account.dead, &account.given_up, key).len() + number(&account.alone, key);
                    self.log.batches[key].0 - u64::try_from(apart).unwrap()
                })
                .sum()
            };
            let sum = |rows: &Rows| u64::try_from(rows.values().map(Vec::len).sum::<usize>()).unwrap();
            let all = |key| self.log.batches[key].0;
            assert_eq!(row_counts.accepted, account.fates.keys().map(all).sum::<u64>(), "{row_counts:?}");
            let delivered = rows(&[Fate::Delivered, Fate::DeliveredElsewhere]) + sum(&account.alone);
            assert_eq!(row_counts.delivered, delivered, "{row_counts:?}");
            assert_eq!(row_counts.waiting, rows(&[Fate::Waiting]), "{row_counts:?}");
            assert_eq!(row_counts.dropped, rows(&[Fate::Dropped]) + sum(&account.given_up), "{row_counts:?}");
            assert_eq!(row_counts.lost, rows(&[Fate::Lost]), "{row_counts:?}");
            assert_eq!(row_counts.dead_lettered, sum(&account.dead), "{row_counts:?}");
            assert_eq!(row_counts.in_use, account.in_use);
        }
        assert_eq!(status.repairs, [""; 0]);
    }
}

/// Rows of batches.
type Rows = BTreeMap<(usize, u64), Vec<u32>>;

/// The rows of a batch that do not leave with it, ascending.
fn aside(dead: &Rows, given_up: &Rows, key: &(usize, u64)) -> Vec<u32> {
    let mut rows: Vec<u32> =
        [dead, given_up].into_iter().filter_map(|rows| rows.get(key)).flatten().copied().collect();
    rows.sort_unstable();
    rows
}

fn number(rows: &Rows, key: &(usize, u64)) -> usize {
    rows.get(key).map_or(0, Vec::len)
}

#[test]
fn every_world_keeps_the_rules() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let config =
        Config { cases: 60, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..60), |steps| {
            runtime.block_on(async {
                let mut world = World::new().await;
                for step in &steps {
                    world.take(step).await;
                    world.compare().await;
                }
                for sink in (0..SINKS.len()).filter(|sink| world.in_use(*sink)).collect::<Vec<_>>() {
                    world.reconcile(sink).await;
                    while world.log.accounts[SINKS[sink]].fates.values().any(|fate| *fate == Fate::Waiting) {
                        world.deliver(sink, 7, true).await;
                    }
                    world.compare().await;
                    if world.log.accounts[SINKS[sink]].target == Some(world.targets[sink].id) {
                        world.replay(sink, 9);
                        world.compare().await;
                    }
                }
                assert_eq!(smiles_journal::verify(&world.place.file()).unwrap(), [""; 0]);
            });
            Ok(())
        })
        .unwrap();
}
