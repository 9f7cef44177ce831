//! Keys that join, sleep, move and leave, passes that are cut short, restarts, crashes, lost journals and clocks that are
//! set back, in random order, against a model that knows the whole history.

use proptest::prelude::*;

use super::*;

const SOURCES: [&str; 2] = ["A", "B"];
const KEYS: usize = 6;
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

#[derive(Clone, Debug)]
enum Step {
    /// A pass of a source; one that is not complete has only these of its keys.
    Pass {
        source: usize,
        complete: bool,
        present: u8,
    },
    Wakes(usize),
    Lists(usize, bool),
    Moves(usize),
    Reachable(usize, bool),
    Minutes(i64),
    Restart,
    Crash,
    LostJournal,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => (0..2_usize, any::<bool>(), any::<u8>())
            .prop_map(|(source, complete, present)| Step::Pass { source, complete, present }),
        3 => (0..KEYS).prop_map(Step::Wakes),
        3 => (0..KEYS, prop::bool::weighted(0.8)).prop_map(|(key, listed)| Step::Lists(key, listed)),
        1 => (0..KEYS).prop_map(Step::Moves),
        1 => (0..2_usize, any::<bool>()).prop_map(|(source, reachable)| Step::Reachable(source, reachable)),
        4 => (1..900_i64).prop_map(Step::Minutes),
        1 => (-600..0_i64).prop_map(Step::Minutes),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
        1 => Just(Step::LostJournal),
    ]
}

/// What is true of a key.
#[derive(Clone, Copy, Default)]
struct Truth {
    listed: bool,
    awake: bool,
    source: usize,
    total: i64,
    today: i64,
    period: i64,
}

/// One row of the history: the pass it came with, its key, what it said.
#[derive(Clone)]
struct Said {
    pass: usize,
    key: usize,
    source: usize,
    /// It left the stage; otherwise it is what the store knew when the journal was lost.
    shown: bool,
    total: Option<i64>,
    today: Option<i64>,
}

/// A pass of the history: the period counted into, which sources can be reached and which have told their list.
#[derive(Clone)]
struct Happened {
    period: i64,
    sources: Vec<SourcePasses>,
    /// The journal was lost before it: waiting begins anew.
    lost: bool,
}

#[derive(Clone, Default)]
struct History {
    passes: Vec<Happened>,
    rows: Vec<Said>,
}

/// Whether a row of this key, heard by this source, is of the group.
type IsOf<'a> = &'a dyn Fn(usize, usize) -> bool;

impl History {
    /// The last row of a key before (or in) a pass that said a total.
    fn last(&self, key: usize, upto: usize) -> Option<&Said> {
        self.rows.iter().rev().find(|said| said.key == key && said.pass <= upto && said.total.is_some())
    }

    /// The source that a unit was last heard by: a store has one row for it, whatever its keys said before.
    fn source_of(&self, key: usize) -> Option<usize> {
        self.rows.iter().rev().find(|said| said.key / 2 == key / 2).map(|said| said.source)
    }

    /// The pass after which the sum of a group is there for good. One that no row has shown yet is in no store: it is
    /// lost with the journal, and is waited for again.
    fn established(&self, whole: bool, is_of: IsOf<'_>) -> Option<usize> {
        let mut since = self.established_from(0, whole, is_of)?;
        while let Some(lost) = (since + 1..self.passes.len()).find(|pass| self.passes[*pass].lost) {
            let shows = |said: &Said| said.shown && is_of(said.key, said.source);
            if self.rows.iter().any(|said| (since..lost).contains(&said.pass) && shows(said)) {
                break;
            }
            since = self.established_from(lost, whole, is_of)?;
        }
        Some(since)
    }

    fn established_from(&self, begin: usize, whole: bool, is_of: IsOf<'_>) -> Option<usize> {
        (begin..self.passes.len()).find(|&pass| {
            let mut known: BTreeMap<usize, usize> = BTreeMap::new();
            for said in self.rows.iter().filter(|said| said.pass <= pass) {
                known.insert(said.key, said.source);
            }
            known.retain(|key, source| is_of(*key, *source));
            let heard = known.keys().filter(|key| self.last(**key, pass).is_some()).count();
            let sources = &self.passes[pass].sources;
            let relevant: Vec<&SourcePasses> = sources
                .iter()
                .enumerate()
                .filter(|(place, _)| whole || known.values().any(|source| source == place))
                .map(|(_, source)| source)
                .collect();
            let listed = relevant.iter().all(|source| source.complete || !source.reachable)
                && relevant.iter().any(|source| source.complete);
            heard > 0 && (heard == known.len() && listed || self.waited(pass, is_of))
        })
    }

    /// Whether one whole period ends with this pass, seen from its begin on, with no leap between.
    fn waited(&self, pass: usize, is_of: IsOf<'_>) -> bool {
        let seen = |said: &Said| is_of(said.key, said.source);
        let Some(first) = self.rows.iter().find(|said| seen(said)).map(|said| said.pass) else {
            return false;
        };
        let lost = (0..=pass).rev().find(|pass| self.passes[*pass].lost).unwrap_or(0);
        let begin = first.max(lost);
        let mut begun = None;
        for later in begin + 1..=pass {
            let step = self.passes[later].period - self.passes[later - 1].period;
            if step == 0 {
                continue;
            }
            let follows = step > 0 && step <= DAY;
            if follows && begun.is_some() && later == pass {
                return true;
            }
            begun = follows.then_some(later);
        }
        false
    }

    /// The group's total and today now.
    fn sum(&self, whole: bool, is_of: IsOf<'_>) -> Option<(i64, i64)> {
        let since = self.established(whole, is_of)?;
        let now = self.passes.last()?.period;
        let (mut total, mut today) = (0, 0);
        for key in 0..KEYS {
            if let Some(said) = self.last(key, since) {
                let mut of = self.rows.iter().filter(|row| row.key == key && row.pass <= since);
                if of.next_back().is_some_and(|row| is_of(key, row.source)) {
                    total += said.total.unwrap();
                    let fresh = self.passes[said.pass].period == now;
                    today += if fresh { said.today.unwrap() } else { 0 };
                }
            }
        }
        for (place, said) in self.rows.iter().enumerate().filter(|(_, said)| said.pass > since) {
            let Some(new) = said.total.filter(|_| is_of(said.key, said.source)) else { continue };
            let mut before = self.rows[..place].iter().rev();
            let Some(before) = before.find(|row| row.key == said.key && row.total.is_some()) else {
                continue;
            };
            total += (new - before.total.unwrap()).max(0);
            if self.passes[said.pass].period == now {
                let same = self.passes[before.pass].period == now;
                today += (said.today.unwrap() - if same { before.today.unwrap() } else { 0 }).max(0);
            }
        }
        Some((total, today))
    }
}

/// Total, today and time of a row of the store.
type Stored = (Option<i64>, Option<i64>, i64);

/// The stage, the truth and the history.
struct Wild {
    world: World,
    now: i64,
    period: i64,
    keys: [Truth; KEYS],
    history: History,
    /// What the store holds: per key and per group total, today, time.
    store: BTreeMap<usize, Stored>,
    sums: [BTreeMap<String, Stored>; 3],
    lost: bool,
}

fn unit(key: usize) -> String {
    format!("u{}", key / 2)
}

impl Wild {
    fn new() -> Self {
        let mut keys = [Truth::default(); KEYS];
        for (place, key) in keys.iter_mut().enumerate() {
            (key.source, key.total) = (place % 2, 1_000 * (place as i64 + 1));
        }
        let now: Timestamp = "2026-06-21T03:00:00Z".parse().unwrap();
        let (world, now) = (world_of(&SOURCES), now.as_microsecond());
        let (history, store, sums) = (History::default(), BTreeMap::new(), Default::default());
        Self { world, now, period: 0, keys, history, store, sums, lost: false }
    }

    fn step(&mut self, number: usize, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Pass { source, complete, present } => {
                return self.pass(number, source, complete, present, false);
            }
            Step::Crash => return self.pass(number, number % 2, true, 255, true),
            Step::Wakes(key) => self.keys[key].awake = true,
            Step::Lists(key, listed) => self.keys[key].listed = listed,
            Step::Moves(key) => self.keys[key].source = 1 - self.keys[key].source,
            Step::Reachable(source, reachable) => self.world.sources[source].reachable = reachable,
            Step::Minutes(minutes) => self.now += minutes * MINUTE,
            Step::Restart => self.restart(),
            Step::LostJournal => {
                self.restart();
                self.world.state = StagedState::default();
                self.lost = true;
            }
        }
        Ok(())
    }

    fn restart(&mut self) {
        let fresh = world_of(&SOURCES);
        self.world.stage = fresh.stage;
        self.world.sources.iter_mut().for_each(|source| source.complete = false);
    }

    fn pass(
        &mut self,
        number: usize,
        source: usize,
        complete: bool,
        present: u8,
        crash: bool,
    ) -> Result<(), TestCaseError> {
        self.now += MINUTE;
        if self.lost {
            // The period is lost with the journal; the clock it is taken from anew is right.
            self.now = self.now.max(self.period);
        }
        let own = self.now.div_euclid(DAY) * DAY;
        // Rows older than the period are counted into it; no clock here is a day behind.
        let period = self.period.max(own);
        let heard: Vec<usize> = (0..KEYS)
            .filter(|key| self.keys[*key].listed && self.keys[*key].source == source)
            .filter(|key| complete || present & (1 << key) != 0)
            .collect();
        let mut keys = self.keys;
        let mut rows = Vec::new();
        for &place in &heard {
            let key = &mut keys[place];
            if key.awake {
                let grown = (number * 7 + place * 13) as i64 % 50;
                key.today = if key.period == period { key.today } else { 0 } + grown;
                (key.total, key.period) = (key.total + grown, period);
            }
            rows.push((place, key.awake.then_some(key.total), key.awake.then_some(key.today)));
        }
        let names: Vec<String> = rows.iter().map(|(place, ..)| unit(*place)).collect();
        let ports: Vec<Port<'_>> = rows
            .iter()
            .zip(&names)
            .map(|((place, total, today), name)| (name.as_str(), *place as i64, *total, *today))
            .collect();
        let known = if self.lost { self.answers() } else { Vec::new() };
        let time = Timestamp::from_microsecond(self.now).unwrap().to_string();
        if crash {
            let sources = self.world.sources.clone();
            self.world.put(&time, SOURCES[source], complete, &ports, &known);
            self.world.state.discard();
            self.restart();
            self.world.sources.iter_mut().zip(sources).for_each(|(now, then)| now.reachable = then.reachable);
            return Ok(());
        }
        let out = self.world.put(&time, SOURCES[source], complete, &ports, &known);
        self.world.state.keep();
        (self.period, self.keys) = (period, keys);
        let pass = self.history.passes.len();
        let lost = std::mem::take(&mut self.lost);
        self.history.passes.push(Happened { period, sources: self.world.sources.clone(), lost });
        for &key in self.store.keys().filter(|_| lost) {
            let source = self.history.source_of(key).unwrap();
            self.history.rows.push(Said { pass, key, source, shown: false, total: None, today: None });
        }
        for (key, total, today) in rows {
            self.history.rows.push(Said { pass, key, source, shown: true, total, today });
        }
        self.compare(&out, source)
    }

    /// What left the stage against the model; the store takes it, as of the period it was counted into: that a store
    /// which goes by the time of rows may lack those of a clock that was set back is a matter of its own.
    fn compare(&mut self, out: &RecordBatch, source: usize) -> Result<(), TestCaseError> {
        let value = |name: &str, row: usize| {
            let column = out.column_by_name(name).unwrap().as_primitive::<Int64Type>();
            column.is_valid(row).then(|| column.value(row))
        };
        let time = self.now.max(self.period);
        for row in 0..out.num_rows() {
            let key = value("port", row).unwrap() as usize;
            let expected = [
                self.history.sum(true, &|_, _| true),
                self.history.sum(false, &|_, of| of == source),
                self.history.sum(false, &|other, _| other / 2 == key / 2),
            ];
            let names = ["test".to_owned(), SOURCES[source].to_owned(), unit(key)];
            for (place, (name, expected)) in ["plant", "dtu", "unit"].into_iter().zip(expected).enumerate() {
                let shown = value(&format!("{name}_total"), row).zip(value(&format!("{name}_today"), row));
                prop_assert_eq!(
                    shown,
                    expected,
                    "{} of key {} in pass {}",
                    name,
                    key,
                    self.history.passes.len()
                );
                let held = self.sums[place].entry(names[place].clone()).or_insert((None, None, time));
                *held = (shown.map(|it| it.0).or(held.0), shown.map(|it| it.1).or(held.1), time);
            }
            let (total, today) = (value("total", row), value("today", row));
            let held = self.store.entry(key).or_insert((None, None, time));
            *held = (total.or(held.0), today.or(held.1), time);
        }
        Ok(())
    }

    fn answers(&self) -> Vec<Option<RecordBatch>> {
        let keys = self.store.iter().map(|(key, (total, today, time))| {
            let source = self.history.source_of(*key).unwrap();
            let time = Timestamp::from_microsecond(*time).unwrap().to_string();
            batch(&time, SOURCES[source], &[(unit(*key).as_str(), *key as i64, *total, *today)])
        });
        let keys: Vec<RecordBatch> = keys.collect();
        let keys = arrow_select::concat::concat_batches(&schema(), &keys).unwrap();
        let sum = |place: usize| {
            let rows = self.sums[place].iter().map(|(name, (total, today, time))| {
                let time = Timestamp::from_microsecond(*time).unwrap().to_string();
                batch(&time, name, &[(name.as_str(), 0, *total, *today)])
            });
            let rows: Vec<RecordBatch> = rows.collect();
            Some(arrow_select::concat::concat_batches(&schema(), &rows).unwrap())
        };
        answers(&keys, [sum(1), sum(0), sum(2)])
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn sums_follow_the_model(steps in proptest::collection::vec(any_step(), 1..70)) {
        let mut wild = Wild::new();
        for (number, step) in steps.iter().enumerate() {
            wild.step(number, step)?;
        }
    }
}
