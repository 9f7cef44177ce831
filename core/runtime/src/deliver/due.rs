//! When the watermarks of forgotten runs are to be taken out of a target.

use std::time::Duration;

/// After a failure, so long until the next try.
const AGAIN: Duration = Duration::from_secs(600);

/// When that is to be done. A process does not know what an earlier one left, so it begins with looking.
#[derive(Debug, Default)]
pub(crate) struct Prune {
    done: bool,
    after: Duration,
    complained: bool,
}

impl Prune {
    /// By the monotonic clock; `None`: there is nothing to do.
    pub(crate) fn due(&self) -> Option<Duration> {
        (!self.done).then_some(self.after)
    }

    /// There is nothing to do any more.
    pub(crate) fn succeeded(&mut self) {
        *self = Self { done: true, ..Self::default() };
    }

    /// It is tried again later; whether that is worth a line in the log.
    pub(crate) fn failed(&mut self, now: Duration) -> bool {
        (self.done, self.after) = (false, now + AGAIN);
        !std::mem::replace(&mut self.complained, true)
    }
}
