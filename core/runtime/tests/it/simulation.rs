//! Random worlds against the rules of delivery: crashes, lost answers, journals rolled back, targets restored,
//! second processes on a copy of a journal, stepped clocks, rows that are refused, batches already deleted.
//!
//! In every world: nothing is stored twice, each run keeps its order, and whatever the journal accepted is stored,
//! set aside or reported as lost. The real runtime over the real journal; only device and target are in memory.
//! A failing world names its seed: `SMILES_SEED=<seed> cargo test -p smiles-runtime one_world`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use smiles_journal::inspect;
use smiles_runtime::OpenError;
use smiles_stage::Clock;
use smiles_testkit::{
    ManualClock, MemoryTarget, Script, ScriptStep, TargetFault, TargetFaults, eventually, numbered,
};

use crate::bench::{Bench, SECOND, Started, passing};

const WORLDS: u64 = 25;
const PATIENCE: Duration = Duration::from_secs(20);

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// A journal's files at some moment, and the ids it had accepted by then.
struct Backup {
    folder: PathBuf,
    accepted: BTreeSet<i64>,
}

struct World {
    seed: u64,
    dice: Dice,
    bench: Bench,
    yaml: String,
    target: MemoryTarget,
    refused: BTreeSet<i64>,
    next_id: i64,
    /// What the present journal accepted.
    accepted: BTreeSet<i64>,
    backups: Vec<Backup>,
    attic: tempfile::TempDir,
}

fn memory_folder() -> tempfile::TempDir {
    // The rules do not depend on the disk, and a disk in memory makes hundreds of worlds affordable.
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let retain = dice.pick(&["24h", "24h", "1s"]);
        let max_rows = dice.pick(&[1, 4, 10_000]);
        let yaml = format!(
            "
pipeline: test
journal: {{ retain: {retain} }}
sources: {{ DTU: {{ type: dtu, every: 1s }} }}
sinks: {{ store: {{ type: target, from: oldest, batch: {{ max_rows: {max_rows} }} }} }}
"
        );
        let mut bench = Bench::new();
        bench.folder = memory_folder();
        Self {
            seed,
            dice,
            bench,
            yaml,
            target: MemoryTarget::new(1),
            refused: BTreeSet::new(),
            next_id: 1,
            accepted: BTreeSet::new(),
            backups: Vec::new(),
            attic: memory_folder(),
        }
    }

    async fn play(mut self) {
        let mut targets = vec![self.target.backup()];
        for _ in 0..3 + self.dice.below(4) {
            if self.dice.one_in(4) {
                self.roll_back();
            }
            if self.dice.one_in(4) {
                let backup = self.dice.below(targets.len() as u64);
                self.target.restore(targets[usize::try_from(backup).unwrap()].clone());
            }
            if self.dice.one_in(4) && !self.accepted.is_empty() {
                self.live_twice().await;
            } else {
                let folder = self.bench.folder.path().to_owned();
                let script = self.live(&folder, true).await;
                self.accepted.extend(script.durable_ids());
            }
            self.back_up();
            targets.push(self.target.backup());
        }
        self.settle().await;
        self.judge();
    }

    /// A life of one process, with whatever goes wrong in it.
    async fn live(&mut self, folder: &Path, alone: bool) -> Script {
        let (script, mishaps) = (Script::quiet(), self.mishaps());
        let started = self.start(folder, &script, &mishaps).await;
        for _ in 0..1 + self.dice.below(6) {
            self.pass(&script, &started.clock, &mishaps).await;
        }
        self.end(started, alone).await;
        script
    }

    /// Two processes, one on a copy of the other's journal, deliver the same waiting batches side by side.
    async fn live_twice(&mut self) {
        let copy = memory_folder();
        copy_files(self.bench.folder.path(), copy.path());
        let (mine, other) = (Script::quiet(), Script::quiet());
        let (my_mishaps, other_mishaps) = (self.mishaps(), self.mishaps());
        let folder = self.bench.folder.path().to_owned();
        let one = self.start(&folder, &mine, &my_mishaps).await;
        let two = self.start(copy.path(), &other, &other_mishaps).await;
        for _ in 0..1 + self.dice.below(4) {
            self.pass(&mine, &one.clock, &my_mishaps).await;
            self.pass(&other, &two.clock, &other_mishaps).await;
        }
        self.end(two, true).await;
        self.end(one, true).await;
        self.accepted.extend(mine.durable_ids());
    }

    fn mishaps(&mut self) -> TargetFaults {
        const ACCIDENTS: [TargetFault; 8] = [
            TargetFault::LoseAnswer,
            TargetFault::LoseAnswer,
            TargetFault::FailFlush,
            TargetFault::FailWrite,
            TargetFault::NoWatermark,
            TargetFault::Hang,
            TargetFault::HangAfterCommit,
            TargetFault::Panic,
        ];
        let mishaps = TargetFaults::none();
        self.refused.iter().for_each(|id| mishaps.refuse(*id));
        for _ in 0..self.dice.below(4) {
            mishaps.push(self.dice.pick(&ACCIDENTS));
        }
        mishaps
    }

    /// One pass of the device, now and then with a row the target refuses or a stepped clock.
    async fn pass(&mut self, script: &Script, clock: &ManualClock, mishaps: &TargetFaults) {
        let first = self.next_id;
        self.next_id += 1 + i64::try_from(self.dice.below(3)).unwrap();
        if self.dice.one_in(8) {
            self.refused.insert(first);
            mishaps.refuse(first);
        }
        if self.dice.one_in(12) {
            // A time server, a resumed snapshot, a machine without a battery: ahead or back, by little or by years.
            let minutes = self.dice.pick(&[10, -10, 90, -90, 2_000, -2_000, 600_000, -600_000]);
            clock.step_wall(SignedDuration::from_mins(minutes));
        }
        script.push(ScriptStep::Rows(numbered(first..self.next_id)));
        let asked = script.asked().len();
        let ticking = clock.clone();
        eventually(PATIENCE, || {
            ticking.advance(SECOND);
            script.asked().len() > asked
        })
        .await;
        // Sometimes time for retries and tidying, sometimes none.
        if self.dice.one_in(3) {
            clock.advance(SECOND * 61);
        }
    }

    /// In order, or by a crash at some moment.
    async fn end(&mut self, started: Started, may_crash: bool) {
        if may_crash && self.dice.one_in(2) {
            for _ in 0..self.dice.below(20) {
                tokio::task::yield_now().await;
            }
            started.task.abort();
            let _ = started.task.await;
        } else {
            started.end().await;
        }
    }

    async fn start(&mut self, folder: &Path, script: &Script, mishaps: &TargetFaults) -> Started {
        let bench = Bench {
            clock: ManualClock::at(self.bench.clock.now()),
            registry: Bench::new().polled("dtu", script).target("target", &self.target, mishaps).registry,
            folder: memory_folder(),
            grace: SECOND,
        };
        self.bench.clock.advance(Duration::from_secs(3600));
        loop {
            match bench.open_in(&self.yaml, folder).await {
                Ok(started) => return started,
                // The crashed process is still letting go of its lock.
                Err(OpenError::Journal { source: smiles_journal::JournalError::Locked { .. }, .. }) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => panic!("world {}: {error:?}", self.seed),
            }
        }
    }

    fn back_up(&mut self) {
        let folder = self.attic.path().join(self.backups.len().to_string());
        std::fs::create_dir(&folder).unwrap();
        copy_files(self.bench.folder.path(), &folder);
        self.backups.push(Backup { folder, accepted: self.accepted.clone() });
    }

    fn roll_back(&mut self) {
        if self.backups.is_empty() {
            return;
        }
        let chosen = usize::try_from(self.dice.below(self.backups.len() as u64)).unwrap();
        let Backup { folder, accepted } = &self.backups[chosen];
        for entry in std::fs::read_dir(self.bench.folder.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        copy_files(folder, self.bench.folder.path());
        self.accepted = accepted.clone();
    }

    /// A last life in which nothing goes wrong.
    async fn settle(&mut self) {
        let (script, mishaps) = (Script::quiet(), TargetFaults::none());
        self.refused.iter().for_each(|id| mishaps.refuse(*id));
        let folder = self.bench.folder.path().to_owned();
        let started = self.start(&folder, &script, &mishaps).await;
        let settled = || {
            let sink = started.health().sinks.remove(0);
            sink.state == smiles_stage::SinkState::Delivering && sink.waiting == 0
        };
        passing(&started.clock, settled).await;
        started.end().await;
    }

    fn judge(&self) {
        let seed = self.seed;
        let stored = self.target.ids();
        let distinct: HashSet<i64> = stored.iter().copied().collect();
        assert_eq!(distinct.len(), stored.len(), "world {seed}: stored twice: {stored:?}");
        let mut reached = HashMap::new();
        for batch in self.target.stored() {
            let before = reached.insert(batch.position.run, batch.position.seq);
            let ordered = before.is_none_or(|before| before < batch.position.seq);
            assert!(ordered, "world {seed}: {} came after {before:?}", batch.position);
        }
        assert!(stored.iter().all(|id| !self.refused.contains(id)), "world {seed}: a refused row is stored");
        let status = inspect(&self.bench.folder.path().join("test.journal")).unwrap();
        let row_counts = status.row_counts.iter().find(|row_counts| row_counts.sink == "store").unwrap();
        let sum = row_counts.delivered
            + row_counts.dead_lettered
            + row_counts.dropped
            + row_counts.lost
            + row_counts.waiting;
        assert_eq!(row_counts.accepted, sum, "world {seed}: the books do not balance: {row_counts:?}");
        assert_eq!((row_counts.waiting, row_counts.dropped), (0, 0), "world {seed}: {row_counts:?}");
        let missing: Vec<i64> = self
            .accepted
            .iter()
            .filter(|id| !distinct.contains(id) && !self.refused.contains(id))
            .copied()
            .collect();
        let excused = usize::try_from(row_counts.lost).unwrap();
        assert!(
            missing.len() <= excused,
            "world {seed}: {missing:?} are gone and {excused} rows reported lost"
        );
    }
}

fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

async fn worlds(shard: u64) {
    for number in 0..WORLDS {
        World::new(shard * WORLDS + number).play().await;
    }
}

/// Worlds side by side; their time is mostly waiting for one another's threads.
macro_rules! shards {
    ($($name:ident = $shard:literal,)*) => {$(
        #[tokio::test]
        async fn $name() {
            worlds($shard).await;
        }
    )*};
}

shards! {
    worlds_a = 0, worlds_b = 1, worlds_c = 2, worlds_d = 3, worlds_e = 4, worlds_f = 5, worlds_g = 6, worlds_h = 7,
}

#[tokio::test]
async fn one_world() {
    let seed = std::env::var("SMILES_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(4711);
    World::new(seed).play().await;
}
