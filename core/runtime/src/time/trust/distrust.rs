//! What is said of a clock that was doubted: on /health, until a day after it came right, also by the next process.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long /health speaks of a clock that came right.
const TOLD: SignedDuration = SignedDuration::from_hours(24);

/// Passes with a date that was not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DistrustReport {
    passes: u64,
    /// The first and the last of these dates.
    first: Timestamp,
    last: Timestamp,
    /// Since when the clock is trusted again, and whether it came right or was believed as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over: Option<(Timestamp, bool)>,
}

impl DistrustReport {
    /// One more pass with this date.
    pub(super) fn another(before: Option<Self>, wall: Timestamp) -> Self {
        let (passes, first) = before.map_or((0, wall), |told| (told.passes, told.first));
        Self { passes: passes + 1, first, last: wall, over: None }
    }

    /// The clock is trusted again.
    pub(super) fn over(self, since: Timestamp, believed: bool) -> Self {
        Self { over: self.over.or(Some((since, believed))), ..self }
    }

    /// A sentence; `None`: it is long over. `doubted`: the time it should be at least, where that is known; and whether a
    /// clock that goes on so is ever believed.
    pub(super) fn sentence(
        self,
        doubted: Option<(Option<Timestamp>, bool)>,
        now: Timestamp,
    ) -> Option<String> {
        let set = "set it, or let a time server do so (`timedatectl`)";
        let begin = match (doubted, self.over) {
            (Some((None, _)), _) => format!("the system clock is wrong: {set}"),
            (Some((Some(at_least), believed)), _) => {
                let or = if believed { "; if it is right, it is trusted within minutes" } else { "" };
                let at_least = second(at_least);
                format!("the system clock seems wrong, it should be {at_least} at least: {set}{or}")
            }
            (None, Some((since, _))) if now.duration_since(since) > TOLD => return None,
            (None, Some((_, true))) => {
                "the system clock was changed and is trusted again; if it is wrong, set it".to_owned()
            }
            (None, _) => "the system clock was wrong and is right again; nothing to do".to_owned(),
        };
        let Self { passes, first, last, .. } = self;
        let marked = match passes {
            1 => format!("one poll, at {}, is marked as having a doubtful time", second(first)),
            _ => format!(
                "{passes} polls, from {} to {}, are marked as having a doubtful time",
                second(first),
                second(last)
            ),
        };
        Some(format!("{begin}; {marked}"))
    }
}

fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
