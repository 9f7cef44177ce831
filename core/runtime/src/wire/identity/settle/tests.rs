//! Transforms find their memory by what they are about: named cases, then random edits against a model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::wire::identity::kept::INDEX;

/// `column`, `name:column` or `-column` for one that is switched off, all of them counters.
fn file(text: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for word in text.split_whitespace() {
        let (is_off, word) = word.strip_prefix('-').map_or((false, word), |rest| (true, rest));
        let (name, column) = word.split_once(':').map_or((None, word), |(name, column)| (Some(name), column));
        let type_name = "counter".to_owned();
        let unnamed = stages.iter().filter(|stage| !stage.named && stage.on).count();
        let by_place = if unnamed == 0 { type_name.clone() } else { format!("counter-{}", unnamed + 1) };
        stages.push(Stage {
            on: !is_off,
            called: name.map_or(by_place, str::to_owned),
            type_name,
            named: name.is_some(),
            subject: Some(Subject::default().with("column", column)),
        });
    }
    stages
}

/// A journal whose transforms remember one word each.
#[derive(Default)]
struct World(BTreeMap<(String, Vec<u8>), Vec<u8>>);

impl World {
    /// As 3.0.0 left it: handle, the column counted and the minute of the last reading.
    fn earlier(kept: &[(&str, &str, u8)]) -> Self {
        let value =
            |column: &str, minute: u8| format!(r#"{{"of":"{column}","at":"2026-06-01T12:{minute:02}:00Z"}}"#);
        let row = |(handle, column, minute): &(&str, &str, u8)| {
            (((*handle).to_owned(), b"k".to_vec()), value(column, *minute).into_bytes())
        };
        Self(kept.iter().map(row).collect())
    }

    fn state(&self) -> Vec<StateChange> {
        let row = |((stage, key), value): (&(String, Vec<u8>), &Vec<u8>)| StateChange {
            stage: stage.clone(),
            key: key.clone(),
            value: value.clone(),
        };
        self.0.iter().map(row).collect()
    }

    /// Opens a file: what each stage finds (`-`: nothing), and who is said to begin afresh.
    fn open(&mut self, text: &str) -> (String, Vec<String>) {
        let stages = file(text);
        let settled = settle(&stages, &Kept::of(&self.state()));
        for StateChange { stage, key, value } in settled.changes {
            self.0.insert((stage, key), value);
        }
        let mut found = Vec::new();
        for (stage, handle) in stages.iter().filter(|stage| stage.on).zip(&settled.handles) {
            let place = (handle.clone(), b"k".to_vec());
            let column = stage.subject.as_ref().unwrap().to_string().replace("column: ", "");
            let known =
                self.0.get(&place).map(|value| serde_json::from_slice::<serde_json::Value>(value).unwrap());
            found.push(known.map_or("-".to_owned(), |known| known["of"].as_str().unwrap().to_owned()));
            self.0.entry(place).or_insert_with(|| format!(r#"{{"of":"{column}"}}"#).into_bytes());
        }
        (found.join(" "), settled.forgotten.into_iter().map(|one| one.transform).collect())
    }
}

#[test]
fn edits_of_the_list_keep_every_memory() {
    let mut world = World::default();
    for (text, found, forgotten) in [
        ("import export", "- -", vec![]),
        ("import export", "import export", vec![]),
        ("export import", "export import", vec![]),
        ("-export import", "import", vec![]),
        ("export -import", "export", vec![]),
        ("export import", "export import", vec![]),
        ("other export import", "- export import", vec![]),
        ("export", "export", vec![]),
        // Named, renamed, names exchanged, named no more.
        ("a:export import", "export import", vec![]),
        ("b:export a:import", "export import", vec![]),
        ("a:export b:import", "export import", vec![]),
        ("export import", "export import", vec![]),
        // Another column: nobody goes on, and what is left behind is named.
        ("export third", "export -", vec!["counter-2"]),
        ("export third", "export third", vec![]),
        // Two about one column: each has its own.
        ("x:export export third", "- export third", vec![]),
        ("export x:export third", "export export third", vec![]),
    ] {
        assert_eq!(
            world.open(text),
            (found.to_owned(), forgotten.iter().map(|name| (*name).to_owned()).collect()),
            "{text}"
        );
    }
}

/// Who of two about the same column is meant when both get other names cannot be known.
#[test]
fn what_could_be_two_is_nobodys() {
    let mut world = World::default();
    world.open("a:x b:x");
    let (found, forgotten) = world.open("c:x d:x");
    assert_eq!((found.as_str(), forgotten.len()), ("- -", 2));
}

/// What a disabled stage with a name remembers is not given to another of its column.
#[test]
fn a_disabled_stage_keeps_what_it_has() {
    let mut world = World::default();
    world.open("a:x");
    assert_eq!(world.open("-a:x b:x").0, "-");
    assert_eq!(world.open("a:x b:x").0, "x x");
}

#[test]
fn a_journal_of_an_earlier_version_keeps_all_its_memory() {
    let both: &[(&str, &str, u8)] = &[("counter", "import", 30), ("counter-2", "export", 30)];
    let named: &[(&str, &str, u8)] = &[("counter", "import", 30), ("mine", "export", 29)];
    let stale: &[(&str, &str, u8)] = &[("counter", "export", 30), ("counter-2", "export", 9)];
    for (kept, text, found) in [
        (both, "import export", "import export"),
        (named, "mine:export import", "export import"),
        // Switched off long ago: the place had moved with it then.
        (stale, "-import export", "export"),
        (stale, "export", "export"),
        // Switched off, or named, with the update.
        (both, "-import export", "export"),
        (both, "import -export", "import"),
        (both, "a:import export", "import export"),
        (both, "-a:import export", "export"),
        // Taken out with the update: it cannot be known which, so nobody gets it.
        (both, "export", "-"),
        // Held for a while, the second speaks of an older time.
        (&[("counter", "import", 30), ("counter-2", "export", 3)], "import export", "import export"),
    ] {
        let mut world = World::earlier(kept);
        assert_eq!(world.open(text).0, found, "{kept:?} {text}");
        assert_eq!(
            world.open(text).0.replace('-', ""),
            text.split_whitespace()
                .filter(|word| !word.starts_with('-'))
                .map(|word| word.rsplit(':').next().unwrap())
                .collect::<Vec<_>>()
                .join(" "),
            "once"
        );
    }
    // Disabled meanwhile, it comes back to what its name kept; a place is nobody's.
    let mut world = World::earlier(named);
    assert_eq!(world.open("-mine:export import").0, "import");
    assert_eq!(world.open("mine:export import").0, "export import");
    let mut world = World::earlier(both);
    assert_eq!(world.open("import -export").0, "import");
    assert_eq!(world.open("import export").0, "import export");
    let mut world = World::earlier(stale);
    assert_eq!(world.open("-import export").0, "export");
    assert_eq!(world.open("import export"), ("- export".to_owned(), vec![]));
}

/// A repaired journal may have lost what a handle belongs to; its state is then no other's.
#[test]
fn state_without_a_record_is_nobodys() {
    let mut world = World::default();
    world.open("import export");
    world.0.remove(&(INDEX.to_owned(), b"counter".to_vec()));
    assert_eq!(world.open("other export").0, "- export");
}

#[derive(Clone, Debug)]
enum Edit {
    Insert(usize, u8, u8, Option<u8>),
    Delete(usize),
    Switch(usize),
    Swap(usize, usize),
    Rename(usize, Option<u8>),
    Column(usize, u8),
    Key(usize, u8),
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let name = || proptest::option::of(0..3_u8);
    prop_oneof![
        3 => (0..6_usize, 0..4_u8, 0..2_u8, name()).prop_map(|(at, c, k, n)| Edit::Insert(at, c, k, n)),
        1 => (0..6_usize).prop_map(Edit::Delete),
        2 => (0..6_usize).prop_map(Edit::Switch),
        2 => (0..6_usize, 0..6_usize).prop_map(|(a, b)| Edit::Swap(a, b)),
        2 => (0..6_usize, name()).prop_map(|(at, n)| Edit::Rename(at, n)),
        1 => (0..6_usize, 0..4_u8).prop_map(|(at, c)| Edit::Column(at, c)),
        1 => (0..6_usize, 0..2_u8).prop_map(|(at, k)| Edit::Key(at, k)),
    ]
}

#[derive(Clone, Debug)]
struct Line {
    id: usize,
    column: u8,
    key: u8,
    name: Option<u8>,
    on: bool,
}

impl Line {
    fn about(&self) -> Subject {
        Subject::default().with("column", self.column).with("key", vec![self.key])
    }
}

fn edited(mut lines: Vec<Line>, edit: &Edit, id: usize) -> Vec<Line> {
    let len = lines.len();
    let within = |at: usize| at % len.max(1);
    match *edit {
        Edit::Insert(at, column, key, name) => {
            lines.insert(at.min(len), Line { id, column, key, name, on: true });
        }
        _ if len == 0 => {}
        Edit::Delete(at) => drop(lines.remove(within(at))),
        Edit::Switch(at) => lines[within(at)].on ^= true,
        Edit::Swap(a, b) => lines.swap(within(a), within(b)),
        Edit::Rename(at, name) => lines[within(at)].name = name,
        Edit::Column(at, column) => lines[within(at)].column = column,
        Edit::Key(at, key) => lines[within(at)].key = key,
    }
    lines
}

/// Whether `check` would take the file.
fn is_sound(lines: &[Line]) -> bool {
    let on: Vec<&Line> = lines.iter().filter(|line| line.on).collect();
    let identities: BTreeSet<_> = on.iter().map(|line| (line.column, line.key, line.name)).collect();
    let given: Vec<u8> = on.iter().filter_map(|line| line.name).collect();
    identities.len() == on.len() && given.iter().collect::<BTreeSet<_>>().len() == given.len()
}

fn of_lines(lines: &[Line]) -> Vec<Stage> {
    let stage = |line: &Line| {
        let (type_name, name) = ("counter".to_owned(), line.name.map(|name| format!("n{name}")));
        let called = name.clone().unwrap_or_else(|| "counter".to_owned());
        Stage { on: line.on, called, type_name, named: name.is_some(), subject: Some(line.about()) }
    };
    lines.iter().map(stage).collect()
}

proptest! {
    /// The model: a memory knows what it is of, and each transform that was there before goes on with its own, whatever
    /// became of its name, its place and the others, as long as it is the only one of its subject.
    #[test]
    fn random_edits_never_mix_memories_up(edits in proptest::collection::vec(any_edit(), 1..40)) {
        let mut lines: Vec<Line> = Vec::new();
        let mut world = World::default();
        // Line -> its memory, as of the last opening.
        let mut last: BTreeMap<usize, (Subject, Vec<u8>)> = BTreeMap::new();
        for (id, edit) in edits.iter().enumerate() {
            let before = lines.clone();
            let after = edited(before.clone(), edit, id);
            if !is_sound(&after) { continue; }
            lines = after;
            let stages = of_lines(&lines);
            let settled = settle(&stages, &Kept::of(&world.state()));
            let running = stages.iter().filter(|stage| stage.on).count();
            prop_assert_eq!(settled.handles.iter().collect::<BTreeSet<_>>().len(), running);
            for StateChange { stage, key, value } in settled.changes { world.0.insert((stage, key), value); }
            let on: Vec<&Line> = lines.iter().filter(|line| line.on).collect();
            let (mut now, mut left) = (BTreeMap::new(), Vec::new());
            for (line, handle) in on.iter().zip(&settled.handles) {
                let place = (handle.clone(), b"k".to_vec());
                let found = world.0.get(&place).cloned();
                let fresh = format!("{}#{id}/{}", line.about(), line.id).into_bytes();
                let memory = found.clone().unwrap_or(fresh);
                let of = String::from_utf8(memory.clone()).unwrap();
                prop_assert_eq!(of.split('#').next().unwrap(), line.about().to_string(), "another's memory");
                let only = |lines: &[Line]| lines.iter().filter(|other| other.about() == line.about()).count() <= 1;
                if let Some((about, memory)) = last.get(&line.id) {
                    if *about == line.about() && only(&before) && only(&lines) {
                        prop_assert_eq!(Some(memory), found.as_ref(), "memory lost");
                    }
                    let twin = |lines: &[Line]| lines.iter().filter(|other| other.about() == *about).count();
                    if *about != line.about() && found.is_none() && twin(&before) == 1 && twin(&lines) == 0 {
                        left.push(memory.clone());
                    }
                }
                world.0.insert(place, memory.clone());
                now.insert(line.id, (line.about(), memory));
            }
            left.retain(|memory| now.values().all(|(_, other): &(Subject, Vec<u8>)| other != memory));
            prop_assert!(left.is_empty() || !settled.forgotten.is_empty(), "memory left behind without a word");
            // What is switched off is found again.
            last.retain(|id, (about, _)| {
                let mut same = lines.iter().filter(|line| line.about() == *about);
                // Of two about the same the one that runs may have taken what the other had.
                matches!((same.next(), same.next()), (Some(line), None) if line.id == *id && !line.on)
            });
            last.extend(now);
        }
    }
}
