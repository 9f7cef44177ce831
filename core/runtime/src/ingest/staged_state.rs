//! The keyed state of a transform: what is durable, and what the batch under way has put.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use smiles_stage::State;

/// Puts stay staged until [`StagedState::keep`] or [`StagedState::discard`].
///
/// Keys are held in the order in which they first came, which is the order in which most batches name them again. So
/// the next key is looked for behind the last one before it is looked up: with many keys that saves nearly every miss
/// of the processor's cache, and a row costs the same however many keys there are.
#[derive(Debug, Default)]
pub struct StagedState {
    entries: Vec<Entry>,
    places: HashMap<Arc<[u8]>, usize>,
    /// Which entries have a staged value.
    staged: Vec<usize>,
    /// Where the last key was found. Atomic only because `get` takes `&self`.
    last: AtomicUsize,
}

#[derive(Debug)]
struct Entry {
    key: Arc<[u8]>,
    /// `None`: no batch that put it has become durable yet.
    kept: Option<Vec<u8>>,
    staged: Option<Vec<u8>>,
}

impl State for StagedState {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let entry = &self.entries[self.find(key)?];
        entry.staged.as_ref().or(entry.kept.as_ref()).cloned()
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>) {
        let place = self.find_or_add(key);
        if self.entries[place].staged.replace(value).is_none() {
            self.staged.push(place);
        }
    }
}

impl StagedState {
    /// Takes a durable value, as read back at start.
    pub fn remember(&mut self, key: &[u8], value: Vec<u8>) {
        let place = self.find_or_add(key);
        self.entries[place].kept = Some(value);
    }

    /// Keys and values that the batch under way really changed, each key once.
    pub fn changes(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let entries = self.staged.iter().map(|place| &self.entries[*place]);
        entries.filter(|entry| entry.staged != entry.kept).filter_map(Entry::now)
    }

    /// All keys with the values they will have once the batch under way is durable.
    pub fn whole(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().filter_map(Entry::now)
    }

    /// The batch is durable, and with it what it put.
    pub fn keep(&mut self) {
        for place in self.staged.drain(..) {
            let entry = &mut self.entries[place];
            entry.kept = entry.staged.take();
        }
    }

    /// The batch came to nothing, and with it what it put.
    pub fn discard(&mut self) {
        for place in self.staged.drain(..) {
            self.entries[place].staged = None;
        }
    }

    fn find(&self, key: &[u8]) -> Option<usize> {
        let last = self.last.load(Ordering::Relaxed);
        let is_at = |place: &usize| self.entries.get(*place).is_some_and(|entry| *entry.key == *key);
        let place = [last + 1, last].into_iter().find(is_at).or_else(|| self.places.get(key).copied())?;
        self.last.store(place, Ordering::Relaxed);
        Some(place)
    }

    fn find_or_add(&mut self, key: &[u8]) -> usize {
        self.find(key).unwrap_or_else(|| {
            let (place, key) = (self.entries.len(), Arc::<[u8]>::from(key));
            self.places.insert(Arc::clone(&key), place);
            self.entries.push(Entry { key, kept: None, staged: None });
            *self.last.get_mut() = place;
            place
        })
    }
}

impl Entry {
    fn now(&self) -> Option<(&[u8], &[u8])> {
        let value = self.staged.as_ref().or(self.kept.as_ref())?;
        Some((&self.key, value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Get(u8),
        Put(u8, u8),
        Keep,
        Discard,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..12_u8).prop_map(Step::Get),
            4 => (0..12_u8, 0..3_u8).prop_map(|(key, value)| Step::Put(key, value)),
            1 => Just(Step::Keep),
            1 => Just(Step::Discard),
        ]
    }

    fn sorted<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<(u8, u8)> {
        let mut pairs: Vec<(u8, u8)> = pairs.map(|(key, value)| (key[0], value[0])).collect();
        pairs.sort_unstable();
        pairs
    }

    proptest! {
        /// Held against two plain maps.
        #[test]
        fn it_is_a_map_with_a_batch_on_top(steps in proptest::collection::vec(any_step(), 0..80)) {
            let (mut kept, mut staged) = (BTreeMap::new(), BTreeMap::new());
            let mut state = StagedState::default();
            for step in steps {
                match step {
                    Step::Get(key) => {
                        let expected = staged.get(&key).or_else(|| kept.get(&key)).map(|value| vec![*value]);
                        prop_assert_eq!(state.get(&[key]), expected);
                    }
                    Step::Put(key, value) => {
                        staged.insert(key, value);
                        state.put(&[key], vec![value]);
                    }
                    Step::Keep => {
                        kept.append(&mut staged);
                        state.keep();
                    }
                    Step::Discard => {
                        staged.clear();
                        state.discard();
                    }
                }
                let changed = staged.iter().filter(|(key, value)| kept.get(*key) != Some(*value));
                prop_assert_eq!(sorted(state.changes()), changed.map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
                let mut whole = kept.clone();
                whole.extend(staged.clone());
                prop_assert_eq!(sorted(state.whole()), whole.into_iter().collect::<Vec<_>>());
            }
        }
    }
}
