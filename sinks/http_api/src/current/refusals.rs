//! What a store will not answer however often it is asked, said to the operator once and not with every request.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Reasons remembered.
const KEPT_MAX: usize = 16;
/// After so long a reason is said again.
const AGAIN: Duration = Duration::from_secs(3600);

/// Reasons that were said, and when (monotonic).
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Vec<(String, Duration)>>);

impl Refusals {
    /// Whether this reason was not said lately; it counts as said from now on.
    pub(crate) fn is_news(&self, reason: &str, now: Duration) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|(_, at)| now.saturating_sub(*at) < AGAIN);
        if said.iter().any(|(known, _)| known == reason) {
            return false;
        }
        if said.len() == KEPT_MAX {
            said.remove(0);
        }
        said.push((reason.to_owned(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_news_once_an_hour() {
        let said = Refusals::default();
        assert!(said.is_news("a", Duration::ZERO) && said.is_news("b", Duration::ZERO));
        assert!(!said.is_news("a", AGAIN / 2));
        assert!(said.is_news("a", AGAIN));
        for reason in 0..100 {
            said.is_news(&reason.to_string(), AGAIN);
        }
        assert_eq!(said.0.lock().unwrap().len(), KEPT_MAX);
    }
}
