//! Who goes on with what: the transforms of the file matched with what the journal keeps.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use smiles_journal::StateChange;
use smiles_stage::Subject;

use crate::wire::identity::earlier;
use crate::wire::identity::kept::{Kept, Record};
use crate::wire::identity::stage::Stage;

/// A transform that has nothing in a journal which keeps what no transform goes on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrphanedState {
    /// What the file calls it.
    pub transform: String,
    /// What it is.
    pub is: String,
    /// What its type left behind.
    pub left: Vec<String>,
}

/// Who goes on with what.
#[derive(Debug)]
pub(crate) struct StateMatches {
    /// Under what the state of each transform that runs is kept, in the order of the file.
    pub(crate) handles: Vec<String>,
    /// What every handle belongs to.
    records: BTreeMap<String, Record>,
    /// What `records` changes of those kept.
    pub(crate) changes: Vec<StateChange>,
    /// Transforms that begin afresh where memory is left behind.
    pub(crate) forgotten: Vec<OrphanedState>,
    /// Transforms that go on with what another name had: the name, and what it was.
    pub(crate) followed: Vec<(String, String)>,
}

impl StateMatches {
    /// All records, for a journal that may have lost some.
    pub(crate) fn index(&self) -> Vec<StateChange> {
        self.records.iter().map(|(handle, record)| record.row(handle)).collect()
    }
}

/// Matches the transforms of a file with what a journal keeps.
pub(crate) fn settle(stages: &[Stage], kept: &Kept) -> StateMatches {
    let before = kept.records.clone().unwrap_or_else(|| earlier::records(stages, kept));
    let mut matching = Matching { stages, records: &before, handles: vec![None; stages.len()] };
    let mut followed = Vec::new();
    // What was in the file last is the younger memory: it goes on under a new name, too, before an old one is taken up.
    for used in [true, false] {
        matching.exact(used);
        followed.extend(matching.follow(used));
    }
    matching.by_earlier_name();
    let forgotten = matching.forgotten();
    let found = matching.handles;
    let (handles, records) = (named_afresh(stages, &found, kept, &before), before);
    let records = records_of(stages, &found, &handles, records);
    let known = kept.records.clone().unwrap_or_default();
    let changed = records.iter().filter(|(handle, record)| known.get(*handle) != Some(*record));
    let changes = changed.map(|(handle, record)| record.row(handle)).collect();
    StateMatches { handles, records, changes, forgotten, followed }
}

struct Matching<'a> {
    stages: &'a [Stage],
    records: &'a BTreeMap<String, Record>,
    handles: Vec<Option<String>>,
}

impl<'a> Matching<'a> {
    /// Stages that keep something and have found nothing yet, those that run first.
    fn open(&self) -> Vec<(usize, &'a Stage, &'a Subject)> {
        let stages = self.stages.iter().enumerate();
        let keeping = stages.filter_map(|(place, stage)| Some((place, stage, stage.subject.as_ref()?)));
        let mut open: Vec<_> = keeping.filter(|(place, ..)| self.handles[*place].is_none()).collect();
        open.sort_by_key(|(_, stage, _)| !stage.on);
        open
    }

    /// Memory that no stage has claimed yet, and that no disabled one of its name may claim.
    fn free(&self) -> Vec<(&'a String, &'a Record)> {
        let waits = |record: &Record| {
            let unknown =
                |stage: &Stage| !stage.on && stage.subject.is_none() && stage.type_name == record.type_name;
            let mut names = self.stages.iter().filter(|stage| stage.named && unknown(stage));
            names.any(|stage| Some(&stage.called) == record.name.as_ref())
        };
        self.records.iter().filter(|(handle, record)| !self.is_claimed(handle) && !waits(record)).collect()
    }

    fn is_claimed(&self, handle: &str) -> bool {
        self.handles.iter().flatten().any(|other| other == handle)
    }

    /// The same in everything.
    fn exact(&mut self, used: bool) {
        for (place, stage, subject) in self.open() {
            let is = Record::of(stage, subject);
            let mut found = self.records.iter().filter(|(handle, record)| {
                record.used == used && record.is_same(&is) && !self.is_claimed(handle)
            });
            self.handles[place] = found.next().map(|(handle, _)| handle.clone());
        }
    }

    /// The same but for the name, where only one can be meant.
    fn follow(&mut self, used: bool) -> Vec<(String, String)> {
        let (mut followed, open) = (Vec::new(), self.open());
        for (place, stage, subject) in &open {
            let twins =
                open.iter().filter(|(_, other, of)| other.type_name == stage.type_name && of == subject);
            let same = |record: &Record| {
                record.used == used
                    && record.type_name == stage.type_name
                    && record.about.as_ref() == Some(subject)
            };
            let candidates: Vec<_> = self.free().into_iter().filter(|(_, record)| same(record)).collect();
            if let ([(handle, record)], 1) = (candidates.as_slice(), twins.count()) {
                followed.push((stage.called.clone(), record.to_string()));
                self.handles[*place] = Some((*handle).clone());
            }
        }
        followed
    }

    /// What an earlier version kept for a stage of that name which was switched off when this one took over.
    fn by_earlier_name(&mut self) {
        for (place, stage, _) in self.open() {
            let free = self.free().into_iter();
            let mut own = free.filter(|(_, record)| {
                stage.named && record.type_name.is_empty() && record.name.as_ref() == Some(&stage.called)
            });
            self.handles[place] = own.next().map(|(handle, _)| handle.clone());
        }
    }

    /// Those that run are asked first: what is left behind is said of one that is switched off only where none of them
    /// can have left it.
    fn forgotten(&self) -> Vec<OrphanedState> {
        let forgotten = |(_, stage, subject): (usize, &Stage, &Subject)| {
            let left = self.free().into_iter();
            let left = left.filter(|(_, record)| record.used && record.type_name == stage.type_name);
            let left: Vec<String> = left.map(|(_, record)| record.to_string()).collect();
            let is = Record::of(stage, subject).to_string();
            (!left.is_empty()).then(|| OrphanedState { transform: stage.called.clone(), is, left })
        };
        let (on, off): (Vec<_>, Vec<_>) = self.open().into_iter().partition(|(_, stage, _)| stage.on);
        let of_running: Vec<OrphanedState> = on.into_iter().filter_map(forgotten).collect();
        if of_running.is_empty() { off.into_iter().filter_map(forgotten).collect() } else { of_running }
    }
}

/// The handles of those that run: what was found, and new ones.
fn named_afresh(
    stages: &[Stage],
    found: &[Option<String>],
    kept: &Kept,
    records: &BTreeMap<String, Record>,
) -> Vec<String> {
    let by_name = stages.iter().filter(|stage| stage.subject.is_none()).map(|stage| &stage.called);
    let mut taken: BTreeSet<String> =
        kept.handles.keys().chain(records.keys()).chain(by_name).cloned().collect();
    let mut handle = |(stage, found): (&Stage, &Option<String>)| match found {
        Some(found) => found.clone(),
        None if stage.subject.is_none() => stage.called.clone(),
        None => {
            let mut handle = stage.called.clone();
            let mut number = 1_u32;
            while !taken.insert(handle.clone()) {
                number += 1;
                handle = format!("{}~{number}", stage.called);
            }
            handle
        }
    };
    stages.iter().zip(found).filter(|(stage, _)| stage.on).map(&mut handle).collect()
}

/// What every handle belongs to from now on.
fn records_of(
    stages: &[Stage],
    found: &[Option<String>],
    handles: &[String],
    mut records: BTreeMap<String, Record>,
) -> BTreeMap<String, Record> {
    records.values_mut().for_each(|record| record.used = false);
    let off = stages.iter().zip(found).filter(|(stage, _)| !stage.on);
    let off = off.filter_map(|(stage, found)| Some((stage, found.as_ref()?)));
    for (stage, handle) in stages.iter().filter(|stage| stage.on).zip(handles).chain(off) {
        if let Some(subject) = &stage.subject {
            records.insert(handle.clone(), Record::of(stage, subject));
        }
    }
    records
}
