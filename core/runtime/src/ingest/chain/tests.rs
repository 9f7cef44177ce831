//! State is staged with a batch, discarded with its failure, and only what changed is written.

use smiles_stage::{State, prometheus};
use smiles_testkit::{ManualClock, ids, numbered, numbered_schema, open_context};

use super::*;
use crate::observe::meter::Meters;

/// Adds up ids under the key `sum`; fails, rejects and panics on chosen ids.
struct Sum;

struct WiredSum;

const FAILS: i64 = 100;
const REJECTED: i64 = 200;
const PANICS: i64 = 300;

impl Transform for Sum {
    fn apply(
        &mut self,
        batch: RecordBatch,
        _pass: &PassInfo,
        state: &mut dyn State,
    ) -> Result<RecordBatch, StageError> {
        let sum = |state: &dyn State| {
            state.get(b"sum").map_or(0, |bytes| String::from_utf8(bytes).unwrap().parse::<i64>().unwrap())
        };
        for (row, id) in ids(&batch).into_iter().enumerate() {
            let total = sum(state) + id;
            state.put(b"sum", total.to_string().into_bytes());
            state.put(b"seen", b"yes".to_vec());
            match id {
                FAILS => return Err(StageError::retry("cannot add that")),
                PANICS => panic!("cannot even think of that"),
                REJECTED => {
                    let row = Rejection { batch: 0, row, code: "sum".into(), reason: "too much".into() };
                    return Err(StageError::reject(vec![row], "rows that cannot be added"));
                }
                _ => {}
            }
        }
        Ok(numbered([sum(state)]))
    }
}

impl WiredTransform for WiredSum {
    fn output(&self) -> SchemaRef {
        numbered_schema()
    }

    fn open(&self, _context: OpenContext) -> Result<Box<dyn Transform>, StageError> {
        Ok(Box::new(Sum))
    }
}

fn chain(names: &[&str], state: Vec<StateChange>) -> Chain {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
    let meters = Meters::new(prometheus::Registry::new(), Arc::clone(&clock)).unwrap();
    let link = |name: &&str| Link {
        name: (*name).to_owned(),
        handle: (*name).to_owned(),
        wired: Box::new(WiredSum),
        input: numbered_schema(),
        context: open_context(std::path::Path::new("."), Arc::clone(&clock)),
        transform: Some(Box::new(Sum)),
        memory: StagedState::default(),
        asks: Vec::new(),
        known: None,
        meters: meters.transform("test", name),
        rejected: Vec::new(),
        rejection_log: RejectionLog::default(),
    };
    Chain::new(names.iter().map(link).collect(), Vec::new(), state, clock)
}

fn pass() -> PassInfo {
    PassInfo::new("DTU", jiff::Timestamp::UNIX_EPOCH, true)
}

fn change(stage: &str, key: &str, value: &str) -> StateChange {
    StateChange { stage: stage.into(), key: key.into(), value: value.into() }
}

#[test]
fn state_goes_with_its_batch() {
    let mut chain = chain(&["a", "b"], vec![change("b", "sum", "1000"), change("gone", "sum", "7")]);
    assert_eq!(ids(&chain.apply(numbered([1, 2]), &pass()).ok().unwrap()), [1003]);
    let all = [
        change("a", "sum", "3"),
        change("a", "seen", "yes"),
        change("b", "sum", "1003"),
        change("b", "seen", "yes"),
    ];
    assert_eq!(chain.staged(), all);
    chain.keep();
    assert!(chain.apply(numbered([5]), &pass()).is_ok());
    assert_eq!(
        chain.staged(),
        [change("a", "sum", "8"), change("b", "sum", "1011")],
        "only what changed is written"
    );
    chain.discard();
    assert!(chain.apply(numbered([]), &pass()).is_ok());
    assert_eq!(chain.staged(), [change("b", "sum", "1006"),], "a batch that came to nothing left nothing");
}

#[test]
fn a_failed_batch_leaves_no_state_and_names_its_transform() {
    for (id, message) in
        [(FAILS, "cannot add that"), (PANICS, "the stage panicked: cannot even think of that")]
    {
        let mut chain = chain(&["a"], Vec::new());
        let failed = chain.apply(numbered([1, id]), &pass()).err().unwrap();
        assert_eq!((failed.transform.as_str(), failed.error.to_string().as_str()), ("a", message));
        assert!(chain.staged().is_empty());
        assert_eq!(
            ids(&chain.apply(numbered([1, 2]), &pass()).ok().unwrap()),
            [3],
            "it goes on, made anew if need be"
        );
    }
}

#[test]
fn rejected_rows_are_left_out_and_counted() {
    let mut chain = chain(&["a"], Vec::new());
    assert_eq!(ids(&chain.apply(numbered([1, REJECTED, 2, REJECTED]), &pass()).ok().unwrap()), [3]);
    let aside = chain.rejected();
    let told: Vec<_> = aside.iter().map(|row| (row.transform.as_str(), row.row, ids(&row.values))).collect();
    assert_eq!(told, [("a", 1, vec![REJECTED]), ("a", 3, vec![REJECTED])], "as they entered it");
    assert_eq!((aside[0].code.as_str(), aside[0].reason.as_str()), ("sum", "too much"));
    assert_eq!(chain.links[0].meters.rejected.get(), 0, "nothing is durable yet");
    chain.keep();
    assert_eq!(chain.links[0].meters.rejected.get(), 2);
    assert!(chain.rejected().is_empty(), "they were told");
}

#[test]
fn what_was_rejected_of_a_batch_that_came_to_nothing_is_forgotten() {
    let mut chain = chain(&["a", "b"], Vec::new());
    // The first makes 100 of what is left, which the second cannot add.
    assert!(chain.apply(numbered([60, REJECTED, 40]), &pass()).is_err());
    assert!(chain.rejected().is_empty() && chain.staged().is_empty());
    assert_eq!(ids(&chain.apply(numbered([REJECTED, 1]), &pass()).ok().unwrap()), [1]);
    assert_eq!(chain.rejected().len(), 1);
}

#[test]
fn rows_can_enter_at_the_transform_that_rejected_them() {
    let mut chain = chain(&["a", "b"], vec![change("a", "sum", "10"), change("b", "sum", "20")]);
    let (second, _) = chain.find("b").unwrap();
    assert!(chain.find("c").is_none());
    let again = chain.apply_from(second, numbered([1]), &pass(), &mut |_, _| {}).ok().unwrap();
    assert_eq!(ids(&again), [21]);
    assert_eq!(chain.staged(), [change("b", "sum", "21"), change("b", "seen", "yes")]);
}

#[test]
fn the_whole_state_is_written_once_when_asked() {
    let mut chain = chain(&["a"], vec![change("a", "old", "x")]);
    chain.write_whole();
    assert!(chain.apply(numbered([1]), &pass()).is_ok());
    assert_eq!(
        chain.staged(),
        [change("a", "old", "x"), change("a", "sum", "1"), change("a", "seen", "yes")]
    );
    chain.keep();
    assert!(chain.apply(numbered([1]), &pass()).is_ok());
    assert_eq!(chain.staged(), [change("a", "sum", "2")]);
}

#[test]
fn a_restart_knows_what_was_kept_and_nothing_else() {
    let mut chain = chain(&["a"], Vec::new());
    assert!(chain.apply(numbered([1]), &pass()).is_ok());
    let kept = chain.staged();
    chain.keep();
    assert!(chain.apply(numbered([10]), &pass()).is_ok());
    chain.restart(kept);
    assert!(chain.staged().is_empty());
    let mut seen = Vec::new();
    let sum = chain
        .apply_watched(numbered([50]), &pass(), &mut |name, rows| seen.push((name.to_owned(), ids(rows))));
    assert_eq!(ids(&sum.ok().unwrap()), [51]);
    assert_eq!(seen, [("a".to_owned(), vec![51])]);
}
