//! The policy table: what follows a stage's error, when, and what the operator reads.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use smiles_stage::{Action, StageError};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);
/// What halted is tried again this often, in case a person acted.
const HALTED: Duration = Duration::from_secs(300);

/// What is done about an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The same again, after this long.
    Again(Duration),
    /// Loud once; the same again after this long, in case a person acted.
    Halted(Duration),
    /// The rows are set aside, then the rest at once.
    SetAside,
}

impl Verdict {
    /// For the label of an error counter.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Verdict::Again(_) => "retry",
            Verdict::Halted(_) => "halt",
            Verdict::SetAside => "reject",
        }
    }

    /// What happens now, for the operator.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Verdict::Again(_) => "nothing is lost; it is tried again until it succeeds",
            Verdict::Halted(_) => "nothing is lost, but a person must act; it is tried again every 5 minutes",
            Verdict::SetAside => "the rows are kept as dead letters; all others are delivered",
        }
    }
}

/// Waits that double from 100 ms to 30 s, spread so that many do not knock at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    seed: u64,
    attempts: u32,
}

impl Backoff {
    /// `seed` decides the spread: different for each stage and each start of the process.
    pub(crate) fn new(seed: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        Self { seed: hasher.finish(), attempts: 0 }
    }

    /// It succeeded.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The table.
    pub(crate) fn decide(&mut self, error: &StageError) -> Verdict {
        match error.action() {
            Action::Retry { after: None } => Verdict::Again(self.next()),
            Action::Retry { after: Some(after) } => Verdict::Again(self.next().max(*after)),
            Action::Halt => Verdict::Halted(HALTED),
            Action::Reject { rows } if rows.is_empty() => Verdict::Again(self.next()),
            Action::Reject { .. } => Verdict::SetAside,
        }
    }

    /// The wait after one more failure: between three quarters of the full wait and all of it.
    pub(crate) fn next(&mut self) -> Duration {
        let full = FIRST.saturating_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX)).min(LONGEST);
        self.attempts = (self.attempts + 1).min(16);
        let mut hasher = DefaultHasher::new();
        (self.seed, self.attempts).hash(&mut hasher);
        let spread = u32::try_from(hasher.finish() % 1024).unwrap_or(0);
        full - full / 4 * spread / 1024
    }
}

#[cfg(test)]
mod tests {
    use smiles_stage::Rejection;

    use super::*;

    #[test]
    fn waits_double_to_half_a_minute_and_spread() {
        let mut backoff = Backoff::new("store");
        for full in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
            let (wait, full) = (backoff.next(), Duration::from_millis(full));
            assert!(wait <= full && wait >= full * 3 / 4, "{wait:?} for {full:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
        assert_ne!(Backoff::new("a").next(), Backoff::new("b").next(), "two stages wait differently");
    }

    #[test]
    fn every_error_has_its_row_in_the_table() {
        let row = Rejection { batch: 0, row: 0, code: "23514".into(), reason: "check".into() };
        let kinds = [
            (StageError::retry("unknown"), "retry"),
            (StageError::retry_after(Duration::from_secs(7), "busy"), "retry"),
            (StageError::halt("password"), "halt"),
            (StageError::reject(vec![row], "bad row"), "reject"),
            (StageError::reject(Vec::new(), "no row named"), "retry"),
        ];
        for (error, kind) in kinds {
            let verdict = Backoff::new(0).decide(&error);
            assert_eq!(verdict.kind(), kind, "{error}");
            assert!(!verdict.advice().is_empty());
        }
        let asked = Backoff::new(0).decide(&StageError::retry_after(Duration::from_secs(7), "busy"));
        assert_eq!(asked, Verdict::Again(Duration::from_secs(7)), "what the other side asked for is kept");
    }
}
