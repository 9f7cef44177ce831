//! What operators do in the random worlds: give dead letters up, replay them, and die on the way.

use smiles_journal::{OperatorAccess, Replay, Selection, StoredDeadLetter, dead_letter_row, dead_letters};
use smiles_stage::{RunId, Seq};
use smiles_testkit::ids;

use super::{Fate, SINKS, World};
use crate::place::at;

impl World {
    fn guest(&self) -> OperatorAccess {
        OperatorAccess::enter(&self.place.file(), "solar", at(self.now)).unwrap()
    }

    fn dead_letters(&self, sink: usize) -> Vec<StoredDeadLetter> {
        let selection = Selection { sinks: vec![SINKS[sink].to_owned()], ..Selection::default() };
        dead_letters(&self.place.file(), &selection).unwrap()
    }

    pub(super) fn give_up(&mut self, sink: usize, which: usize) {
        let dead_letters = self.dead_letters(sink);
        if dead_letters.is_empty() {
            return;
        }
        let letter = &dead_letters[which % dead_letters.len()];
        assert_eq!(self.guest().give_up(std::slice::from_ref(letter)).unwrap(), 1);
        let key = self.key(letter.letter.position);
        let account = self.log.accounts.get_mut(SINKS[sink]).unwrap();
        let dead = account.dead.get_mut(&key).unwrap();
        dead.retain(|row| *row != letter.letter.row);
        account.given_up.entry(key).or_default().push(letter.letter.row);
    }

    /// As the runtime does it: unfinished replays first.
    pub(super) fn replay(&mut self, sink: usize, steps: u8) {
        if self
            .log
            .accounts
            .get(SINKS[sink])
            .is_none_or(|account| account.target != Some(self.targets[sink].id))
        {
            return;
        }
        let guest = self.guest();
        let replay = guest.replay(SINKS[sink]).unwrap();
        for run in replay.unfinished().unwrap() {
            if !self.finish(sink, &replay, run, steps) {
                return;
            }
        }
        let wanted: Vec<_> = self.dead_letters(sink).iter().map(|letter| letter.letter.id()).collect();
        if let Some(run) = replay.begin(&wanted).unwrap() {
            self.finish(sink, &replay, run, steps);
        }
    }

    /// `false`: the process ended after so many steps.
    fn finish(&mut self, sink: usize, replay: &Replay<'_>, run: RunId, steps: u8) -> bool {
        let mark = |world: &Self, run: RunId| Seq(world.targets[sink].marks.get(&run).copied().unwrap_or(0));
        if steps == 0 {
            return false;
        }
        if mark(self, run) == Seq::ZERO {
            let marks: Vec<_> =
                replay.runs(run).unwrap().into_iter().map(|run| (run, mark(self, run))).collect();
            let rows = replay.rows(run, &marks).unwrap();
            if rows.is_empty() {
                replay.forgotten(run).unwrap();
                return true;
            }
            let target = &mut self.targets[sink];
            for id in rows.iter().flat_map(|(_, row)| ids(row)) {
                assert!(!target.ids.contains(&id), "row {id} twice, by replay");
                target.ids.push(id);
            }
            target.marks.insert(run, 1);
            self.replayed = true;
        }
        if steps == 1 {
            return false;
        }
        self.deliver_letters(sink, replay, run);
        if steps == 2 {
            return false;
        }
        self.targets[sink].marks.remove(&run);
        self.replayed = true;
        if steps == 3 {
            return false;
        }
        replay.forgotten(run).unwrap();
        true
    }

    fn deliver_letters(&mut self, sink: usize, replay: &Replay<'_>, run: RunId) {
        let before = self.dead_letters(sink);
        let rows: Vec<_> = before
            .iter()
            .map(|letter| dead_letter_row(&self.place.file(), letter).unwrap().unwrap())
            .collect();
        let delivered = replay.delivered(run).unwrap();
        let after: Vec<_> = self.dead_letters(sink).iter().map(|letter| letter.letter.id()).collect();
        let gone = before.iter().zip(rows).filter(|(letter, _)| !after.contains(&letter.letter.id()));
        let gone: Vec<_> = gone.collect();
        assert_eq!(u64::try_from(gone.len()).unwrap(), delivered);
        for (letter, row) in gone {
            let held = ids(&row).into_iter().all(|id| self.targets[sink].ids.contains(&id));
            assert!(held, "{} is delivered in the books only", letter.letter.id());
            let key = self.key(letter.letter.position);
            let account = self.log.accounts.get_mut(SINKS[sink]).unwrap();
            account.dead.get_mut(&key).unwrap().retain(|row| *row != letter.letter.row);
            if matches!(account.fates[&key], Fate::Dropped | Fate::Lost) {
                account.alone.entry(key).or_default().push(letter.letter.row);
            }
        }
    }
}
