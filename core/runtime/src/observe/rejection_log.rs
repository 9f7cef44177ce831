//! Says that a transform rejects rows: once per code, then at most once an hour for as long as that goes on.

use std::collections::HashMap;
use std::time::Duration;

use smiles_journal::Rejected;

/// Between two lines about the same.
const QUIET: Duration = Duration::from_secs(60 * 60);
/// Codes known apart; a transform that makes up a new one for every row has the rest told as one.
const CODES_MAX: usize = 32;

/// What was said of one transform, by code.
#[derive(Debug, Default)]
pub(crate) struct RejectionLog(HashMap<String, Said>);

#[derive(Debug)]
struct Said {
    at: Duration,
    /// Rows since then.
    rows: u64,
}

impl RejectionLog {
    /// Rows that are dead letters now.
    pub(crate) fn tell(&mut self, pipeline: &str, rejected: &[Rejected], now: Duration) {
        for Rejected { transform, code, reason, .. } in rejected {
            let known = self.0.contains_key(code) || self.0.len() < CODES_MAX;
            let key = if known { code.as_str() } else { "" };
            let said = self.0.get_mut(key);
            let quiet = said.as_ref().is_some_and(|said| now.saturating_sub(said.at) < QUIET);
            if let Some(said) = said {
                said.rows += 1;
                if quiet {
                    continue;
                }
            }
            let earlier = self.0.get(key).map_or(0, |said| said.rows.saturating_sub(1));
            self.0.insert(key.to_owned(), Said { at: now, rows: 0 });
            tracing::error!(
                pipeline,
                transform,
                code,
                reason,
                earlier,
                "a transform rejects rows; they are kept as dead letters (`smiles journal dead-letter list`)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use smiles_testkit::numbered;

    use super::*;
    use crate::observe::log_capture::logged;

    fn rejected(codes: &[&str]) -> Vec<Rejected> {
        let row = |code: &&str| Rejected {
            transform: "checks".into(),
            row: 0,
            code: (*code).into(),
            reason: "no".into(),
            values: numbered([1]),
        };
        codes.iter().map(row).collect()
    }

    #[test]
    fn a_cause_is_said_once_an_hour_however_many_rows() {
        let mut teller = RejectionLog::default();
        let lines = logged(|| {
            for minute in 0..90 {
                teller.tell("roof", &rejected(&["a", "a", "b"]), Duration::from_secs(minute * 60));
            }
        });
        let of = |code: &str| lines.iter().filter(|line| line.contains(code)).count();
        assert_eq!((of("code=\"a\""), of("code=\"b\"")), (2, 2), "{lines:?}");
        let says = |words: &str| lines.iter().any(|line| line.contains(words));
        assert!(says("earlier=119") && says("earlier=0"), "{lines:?}");
    }

    #[test]
    fn codes_without_end_are_told_as_one() {
        let mut teller = RejectionLog::default();
        let codes: Vec<String> = (0..1000).map(|code| code.to_string()).collect();
        let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
        let lines = logged(|| teller.tell("roof", &rejected(&codes), Duration::ZERO));
        assert_eq!(lines.len(), CODES_MAX + 1, "{lines:?}");
    }
}
