//! The rules of sums. A sum is established once, as the sum of every key known; from then on it grows by each key's own
//! increase and by nothing else. Pure: what is kept of keys and groups is read from and put into the stage's state.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smiles_stage::{PassInfo, StageError, State};

use super::clock::PeriodClock;
use crate::keyed;
use crate::rate::Rate;

/// Two reset instants that follow each other are no further apart.
const LONGEST_PERIOD: i64 = 36 * 3_600_000_000;

/// The name of a group by the id of its sum.
pub(super) type Groups = BTreeMap<String, String>;

/// What is remembered of one summed thing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SummedKey {
    /// The last total it published; `None`: never heard.
    pub(super) total: Option<f64>,
    /// What it published of its period.
    #[serde(default)]
    pub(super) today: f64,
    #[serde(default)]
    pub(super) period: i64,
    /// The period before, and what it published then: the clock may come back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aside: Option<(i64, f64)>,
    /// The source that heard it last.
    pub(super) source: String,
    /// Its group in each sum.
    pub(super) groups: Groups,
    /// Until it is heard again, where all this is what a store knew, or what feeds the sum was changed: of when it is, or
    /// somewhat later than.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unsure: Option<i64>,
}

/// What is remembered of one group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SumGroup {
    /// `None`: not established.
    pub(super) total: Option<f64>,
    #[serde(default)]
    pub(super) today: f64,
    #[serde(default)]
    pub(super) period: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aside: Option<(i64, f64)>,
    /// While it waits: the first whole period it has seen begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    whole: Option<i64>,
}

/// What sums need of a row.
#[derive(Clone, Debug)]
pub(super) struct SumRow {
    pub(super) key: String,
    pub(super) source: String,
    pub(super) groups: Groups,
    pub(super) total: Option<f64>,
    pub(super) today: Option<f64>,
}

/// The whole state of the stage, while a batch is counted.
pub(super) struct SumState {
    pub(super) clock: PeriodClock,
    pub(super) keys: BTreeMap<String, SummedKey>,
    /// By the id of their sum and their name.
    pub(super) groups: BTreeMap<(String, String), SumGroup>,
    /// What the stages are known by that feed the sums ([`smiles_stage::OpenContext::upstream`]).
    upstream: Vec<String>,
}

impl SumState {
    /// Nothing known, in this period.
    pub(super) fn new(period: i64) -> Self {
        let (keys, groups, upstream) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { clock: PeriodClock::first(period), keys, groups, upstream }
    }

    /// The sums are fed by these stages now.
    pub(super) fn fed_by(&mut self, upstream: &[String]) {
        if self.upstream != upstream {
            self.keys.values_mut().for_each(|key| key.unsure = key.unsure.or(Some(key.period)));
            self.upstream = upstream.to_vec();
        }
    }

    /// Counts a row into the clock's period. `rate`: how fast a key can grow.
    pub(super) fn count(&mut self, row: SumRow, time: i64, rate: Option<Rate>) {
        let period = self.clock.period;
        let key = self.keys.entry(row.key.clone()).or_default();
        let first = key.total.is_none();
        let unsure = row.total.and_then(|_| key.unsure.take());
        let mut more = key.grow(row.total, row.today, period);
        if let Some(since) = unsure.filter(|_| !first) {
            let possible = possible(rate, more.0, time - since);
            if possible < more.0 {
                let (key, step) = (keyed::shown(row.key.as_bytes()), more.0);
                tracing::warn!(key, step, "the transforms before `sum` changed; this jump is not added");
            }
            // The counter of the day may have begun anew; the total did not.
            more = (possible, more.1.min(possible));
        }
        (key.source, key.groups) = (row.source, row.groups);
        for (sum, group) in &key.groups {
            let group =
                self.groups.entry((sum.clone(), group.clone())).or_insert_with(|| SumGroup::new(period));
            group.enter(period);
            if let Some(total) = group.total.as_mut().filter(|_| !first) {
                *total += more.0;
                group.today += more.1;
            }
        }
    }

    /// At the end of a poll: establishes the groups that can be.
    pub(super) fn establish_ready(&mut self, pass: &PassInfo) {
        let period = self.clock.period;
        let waiting = self.groups.iter_mut().filter(|(_, group)| group.total.is_none());
        for ((sum, name), group) in waiting {
            let members: Vec<&SummedKey> =
                self.keys.values().filter(|key| key.groups.get(sum) == Some(name)).collect();
            let over = group.waited(period);
            let heard = members.iter().filter(|key| key.total.is_some()).count();
            let listed = if name.is_empty() { pass.all_complete() } else { all_listed(pass, &members) };
            if heard > 0 && (over || listed && heard == members.len()) {
                group.establish(&members, period);
            }
        }
        self.groups.values_mut().for_each(|group| group.enter(period));
    }
}

/// What grew faster than anything can was counted otherwise before: that is no production.
fn possible(rate: Option<Rate>, more: f64, microseconds: i64) -> f64 {
    let seconds = Duration::from_micros(microseconds.max(0).unsigned_abs()).as_secs_f64();
    if rate.is_none_or(|rate| rate.allows(more, seconds)) { more } else { 0.0 }
}

/// Whether every source of these keys that can be reached has said what it knows of.
fn all_listed(pass: &PassInfo, members: &[&SummedKey]) -> bool {
    let of = |key: &&SummedKey| pass.sources.iter().find(|source| source.name == key.source);
    // A source that the file no longer names cannot be reached.
    members.iter().filter_map(of).all(|source| source.complete || !source.reachable)
        && members.iter().filter_map(of).any(|source| source.complete)
}

impl SummedKey {
    /// One that a store knows: its total, and what it published of a period, and when.
    pub(super) fn known(total: Option<f64>, of: (i64, f64), when: Option<i64>, source: String) -> Self {
        Self { total, today: of.1, period: of.0, unsure: when.or(Some(of.0)), source, ..Self::default() }
    }

    /// What it has grown by: in all, and in the period. Only of a key heard before is that production.
    fn grow(&mut self, total: Option<f64>, today: Option<f64>, period: i64) -> (f64, f64) {
        let increase = |before: f64, now: f64| (now - before).max(0.0);
        let of_total = self.total.zip(total).map_or(0.0, |(before, now)| increase(before, now));
        self.total = total.or(self.total);
        if self.period != period {
            let aside = self.aside.take().filter(|(known, _)| *known == period);
            if aside.is_none() {
                self.aside = Some((self.period, self.today));
            }
            (self.today, self.period) = (aside.map_or(0.0, |(_, today)| today), period);
        }
        let Some(today) = today else { return (of_total, 0.0) };
        (of_total, increase(std::mem::replace(&mut self.today, today), today))
    }

    fn today_in(&self, period: i64) -> f64 {
        if self.period == period { self.today } else { 0.0 }
    }
}

impl SumGroup {
    pub(super) fn new(period: i64) -> Self {
        Self { period, ..Self::default() }
    }

    /// A new period begins with nothing; one that the clock comes back to goes on. What was counted since is in what
    /// the keys publish of it.
    fn enter(&mut self, period: i64) {
        if self.total.is_none() || self.period == period {
            return;
        }
        match self.aside.take().filter(|(known, _)| *known == period) {
            Some((_, today)) => self.today = today,
            None => (self.aside, self.today) = (Some((self.period, self.today)), 0.0),
        }
        self.period = period;
    }

    /// Whether one whole period has passed since it began to wait.
    fn waited(&mut self, period: i64) -> bool {
        let step = period - self.period;
        if step == 0 {
            return false;
        }
        // After a leap of the clock, or a long silence, the wait begins anew.
        let follows = 0 < step && step <= LONGEST_PERIOD;
        let over = follows && self.whole.is_some();
        (self.period, self.whole) = (period, follows.then_some(period));
        over
    }

    pub(super) fn establish(&mut self, members: &[&SummedKey], period: i64) {
        self.total = Some(members.iter().filter_map(|key| key.total).sum());
        self.today = members.iter().map(|key| key.today_in(period)).sum();
        (self.period, self.aside, self.whole) = (period, None, None);
    }
}

const CLOCK: &[u8] = b"clock";
const NAMES: &[u8] = b"members";

/// The names of the keys and groups in the state.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct StoredNames {
    keys: Vec<String>,
    groups: Vec<(String, String)>,
    /// The stages that feed the sums.
    upstream: Vec<String>,
}

/// Under which key of the state a summed thing is kept.
pub(super) fn entry_of_key(key: &str) -> Vec<u8> {
    [b"key\0", key.as_bytes()].concat()
}

fn entry_of_group(sum: &str, group: &str) -> Vec<u8> {
    format!("sum\0{sum}\0{group}").into_bytes()
}

impl SumState {
    /// Whether anything was ever kept.
    pub(super) fn is_kept(state: &dyn State) -> bool {
        state.get(NAMES).is_some()
    }

    /// As it was kept, of sums with these ids: others are no more, and begin anew should they come back. `None`: it never
    /// was.
    pub(super) fn load(state: &dyn State, sums: &[String]) -> Result<Option<Self>, StageError> {
        let (Some(clock), Some(names)) = (read(state, CLOCK)?, read::<StoredNames>(state, NAMES)?) else {
            return Ok(None);
        };
        let (keys, groups) = (BTreeMap::new(), BTreeMap::new());
        let mut loaded = Self { clock, keys, groups, upstream: names.upstream };
        for name in names.keys {
            let mut key: SummedKey = read(state, &entry_of_key(&name))?.unwrap_or_default();
            key.groups.retain(|sum, _| sums.contains(sum));
            loaded.keys.insert(name, key);
        }
        for (sum, name) in names.groups.into_iter().filter(|(sum, _)| sums.contains(sum)) {
            let group = read(state, &entry_of_group(&sum, &name))?.unwrap_or_default();
            loaded.groups.insert((sum, name), group);
        }
        Ok(Some(loaded))
    }

    /// Keeps it. Only what changed is written by the journal.
    pub(super) fn store(&self, state: &mut dyn State) -> Result<(), StageError> {
        let names = StoredNames {
            keys: self.keys.keys().cloned().collect(),
            groups: self.groups.keys().cloned().collect(),
            upstream: self.upstream.clone(),
        };
        write(state, CLOCK, &self.clock)?;
        write(state, NAMES, &names)?;
        for (name, key) in &self.keys {
            write(state, &entry_of_key(name), key)?;
        }
        for ((sum, name), group) in &self.groups {
            write(state, &entry_of_group(sum, name), group)?;
        }
        Ok(())
    }
}

fn read<T: DeserializeOwned>(state: &dyn State, entry: &[u8]) -> Result<Option<T>, StageError> {
    let unread =
        |error| StageError::halt("the journal holds a state of sum that cannot be read").because(error);
    state.get(entry).map(|bytes| serde_json::from_slice(&bytes).map_err(unread)).transpose()
}

fn write<T: Serialize>(state: &mut dyn State, entry: &[u8], value: &T) -> Result<(), StageError> {
    let bytes = serde_json::to_vec(value)
        .map_err(|error| StageError::halt("cannot write a state of sum").because(error))?;
    state.put(entry, bytes);
    Ok(())
}
