//! What a sink has to complain of, as log lines: one when a cause begins, one when it ends, and a count meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use smiles_journal::DeadLetter;

/// After so many writes without rows of a cause it has ended; a device that is wrong now and then is one cause.
const QUIET: u32 = 10;
/// Causes told apart; what comes beyond is known by its code alone.
const CAUSES: usize = 32;

/// Code and reason, without the numbers that differ from row to row.
type Cause = (String, String);

/// Rows set aside for one cause.
#[derive(Debug)]
struct Aside {
    reason: String,
    since: Timestamp,
    rows: u64,
    /// Writes since the last of them.
    quiet: u32,
}

/// Of one sink.
#[derive(Debug, Default)]
pub(crate) struct Grievances {
    aside: BTreeMap<Cause, Aside>,
    /// What was logged since the sink last took something: whether it halted, and why.
    trouble: BTreeSet<(bool, String)>,
}

impl Grievances {
    /// Rows were set aside. A cause that is new is logged, with the first of its rows.
    pub(crate) fn set_aside(&mut self, pipeline: &str, sink: &str, letters: &[DeadLetter]) {
        let mut begun: BTreeMap<Cause, &DeadLetter> = BTreeMap::new();
        for letter in letters {
            let mut cause = (letter.code.clone(), plain(&letter.reason));
            if !self.aside.contains_key(&cause) && self.aside.len() >= CAUSES {
                cause.1.clear();
            }
            let aside = self.aside.entry(cause.clone()).or_insert_with(|| {
                begun.insert(cause, letter);
                Aside { reason: letter.reason.clone(), since: letter.at, rows: 0, quiet: 0 }
            });
            aside.rows += 1;
            aside.quiet = 0;
        }
        for (cause, letter) in begun {
            let rows = self.aside.get(&cause).map_or(0, |aside| aside.rows);
            let (batch, row, code, reason) =
                (letter.position.to_string(), letter.row, letter.code.as_str(), letter.reason.as_str());
            tracing::error!(
                pipeline,
                sink,
                code,
                reason,
                rows,
                batch,
                row,
                "rejected rows are kept as dead letters: `smiles journal dead-letter list` shows all; more rows \
                 rejected for this reason are counted on /health and not logged"
            );
        }
    }

    /// A write was delivered. Causes that brought nothing for a while have ended.
    pub(crate) fn delivered(&mut self, pipeline: &str, sink: &str) {
        self.aside.retain(|(code, _), aside| {
            aside.quiet += 1;
            let ended = aside.quiet > QUIET;
            if ended {
                let (reason, rows, since) = (aside.reason.as_str(), aside.rows, aside.since.to_string());
                tracing::info!(
                    pipeline,
                    sink,
                    code,
                    reason,
                    rows,
                    since,
                    "the target no longer rejects rows for this reason"
                );
            }
            !ended
        });
    }

    /// What goes on, for /health.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let sentence = |Aside { reason, since, rows, .. }: &Aside| format!("{rows} since {since}: {reason}");
        self.aside.values().map(sentence).collect()
    }

    /// Whether this trouble is new since the sink last took something.
    pub(crate) fn is_new(&mut self, halted: bool, message: &str) -> bool {
        self.trouble.len() < CAUSES && self.trouble.insert((halted, plain(message)))
    }

    /// The sink took something; whether there was trouble before.
    pub(crate) fn is_over(&mut self) -> bool {
        !std::mem::take(&mut self.trouble).is_empty()
    }
}

/// The text without its numbers.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use smiles_stage::{Position, RunId, Seq};

    use super::*;
    use crate::observe::log_capture::logged;

    fn letters(rows: u32, reason: impl Fn(u32) -> String) -> Vec<DeadLetter> {
        let position = Position { run: RunId([1; 16]), seq: Seq(7) };
        let letter = |row| DeadLetter {
            position,
            row,
            code: "22003".into(),
            reason: reason(row),
            at: Timestamp::UNIX_EPOCH,
        };
        (0..rows).map(letter).collect()
    }

    #[test]
    fn ten_thousand_rows_of_one_cause_are_one_line_and_a_count() {
        let mut grievances = Grievances::default();
        let log = logged(|| {
            for _ in 0..100 {
                let rows = letters(100, |row| format!("column `wh` holds {row}"));
                grievances.set_aside("roof", "store", &rows);
                grievances.delivered("roof", "store");
            }
        });
        let [line] = log.as_slice() else { panic!("{log:?}") };
        assert!(line.contains("column `wh` holds 0") && line.contains("rows=100"), "{line}");
        let said = "10000 since 1970-01-01T00:00:00Z: column `wh` holds 0";
        assert_eq!(grievances.sentences(), [said]);
        let log = logged(|| (0..QUIET + 5).for_each(|_| grievances.delivered("roof", "store")));
        let [line] = log.as_slice() else { panic!("{log:?}") };
        assert!(line.contains("no longer rejects rows") && line.contains("rows=10000"), "{line}");
        assert!(grievances.sentences().is_empty());
    }

    #[test]
    fn causes_without_number_are_bounded() {
        let mut grievances = Grievances::default();
        let log = logged(|| {
            for row in 0..1000 {
                let name = "x".repeat(row + 1);
                grievances.set_aside("roof", "store", &letters(1, |_| name.clone()));
            }
        });
        assert_eq!(log.len(), CAUSES + 1);
        assert_eq!(grievances.sentences().len(), CAUSES + 1);
    }

    #[test]
    fn trouble_is_new_once_per_state_and_cause() {
        let mut grievances = Grievances::default();
        let mut new = |halted, message: &str| grievances.is_new(halted, message);
        assert!(new(false, "cannot reach port 5432"));
        assert!(new(false, "a constraint holds it"));
        assert!(!new(false, "cannot reach port 5433"));
        assert!(new(true, "a constraint holds it"));
        assert!(grievances.is_over());
        assert!(!grievances.is_over());
        assert!(grievances.is_new(false, "cannot reach port 5432"));
    }
}
