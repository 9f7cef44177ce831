//! A journal of version 3.0.0 or before: state is kept by names that came from places in the list (`counter`,
//! `counter-2`). They are taken to be those of the file as it is, once.
//!
//! Stages that were switched off or named since the last run would shift them. That shows: state that was written last
//! must have a stage in the file. Where it has none, the places are counted with the disabled stages, then without the
//! names that the file gives; where that does not help either, nobody can tell whose it is, and nobody gets it.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::identity::kept::{Kept, Record};
use crate::wire::identity::stage::Stage;

/// What each handle belongs to, as far as that can be told.
pub(super) fn records(stages: &[Stage], kept: &Kept) -> BTreeMap<String, Record> {
    let mut records = BTreeMap::new();
    let newest = kept.handles.values().flatten().max();
    let is_live = |handle: &str| match kept.handles.get(handle) {
        Some(Some(at)) => Some(at) == newest,
        other => other.is_some(),
    };
    for type_name in stages.iter().map(|stage| &stage.type_name).collect::<BTreeSet<_>>() {
        let of_type = |handle: &&String| base(handle) == type_name;
        let live: Vec<&String> =
            kept.handles.keys().filter(of_type).filter(|handle| is_live(handle)).collect();
        let ways = [(true, false), (true, true), (false, false), (false, true)];
        let mut given = ways.into_iter().map(|(named, with_off)| given(stages, named, with_off));
        let fits =
            given.find(|names| live.iter().all(|handle| names.iter().flatten().any(|name| name == *handle)));
        for (place, stage) in stages.iter().enumerate().filter(|(_, stage)| stage.type_name == *type_name) {
            let place_name = fits.as_ref().and_then(|names| names[place].as_ref());
            let own_name = stage.named.then_some(&stage.called);
            let handle = [own_name, place_name].into_iter().flatten();
            let mut handle = handle.filter(|handle| kept.handles.contains_key(*handle));
            if let (Some(handle), Some(subject)) = (handle.next(), &stage.subject) {
                records.insert(handle.clone(), Record::of(stage, subject));
            }
        }
    }
    let by_name = |handle: &str| stages.iter().any(|stage| stage.subject.is_none() && stage.called == handle);
    for handle in kept.handles.keys().filter(|handle| !by_name(handle)) {
        records.entry(handle.clone()).or_insert_with(|| left_over(handle, stages, is_live(handle)));
    }
    records
}

/// State without a stage: a given name may come back; a place may not, for it would be another one's.
fn left_over(handle: &str, stages: &[Stage], used: bool) -> Record {
    let type_name = base(handle);
    let is_place = stages.iter().any(|stage| stage.type_name == type_name)
        || matches!(type_name, "counter" | "daily_reset");
    let name = (!is_place).then(|| handle.to_owned());
    let type_name = if is_place { type_name.to_owned() } else { String::new() };
    Record { type_name, name, about: None, used }
}

/// `counter-2` is of type `counter`.
fn base(handle: &str) -> &str {
    match handle.rsplit_once('-') {
        Some((base, number)) if number.parse::<u32>().is_ok_and(|number| number > 1) => base,
        _ => handle,
    }
}

/// The name of each stage by its place, or as the file gives it; `None`: switched off and not counted.
fn given(stages: &[Stage], named: bool, with_off: bool) -> Vec<Option<String>> {
    let own = |stage: &Stage| (named && stage.named).then(|| stage.called.clone());
    let counted = |stage: &&Stage| stage.on || with_off;
    let mut taken: BTreeSet<String> = stages.iter().filter(counted).filter_map(own).collect();
    let name = |stage: &Stage| {
        let type_name = &stage.type_name;
        let name = own(stage).or_else(|| {
            let numbered = (2_u32..).map(|number| format!("{type_name}-{number}"));
            std::iter::once(type_name.clone()).chain(numbered).find(|name| !taken.contains(name))
        });
        taken.extend(name.clone());
        name
    };
    let mut name = name;
    stages.iter().map(|stage| counted(&stage).then(|| name(stage)).flatten()).collect()
}
