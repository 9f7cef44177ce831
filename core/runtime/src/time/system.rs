//! The real clock, and the look that finds wall and monotonic time parting.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use smiles_stage::Clock;

/// How far the two clocks may part between two looks before the journal begins a new run (delivery.md).
const PARTED: SignedDuration = SignedDuration::from_secs(10);

/// The machine's clocks: the only place of the system that asks them.
#[derive(Debug)]
pub struct SystemClock {
    origin: tokio::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    pub fn new() -> Self {
        Self { origin: tokio::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn now(&self) -> Timestamp {
        Timestamp::try_from(std::time::SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    async fn sleep_until(&self, deadline: Duration) {
        match self.origin.checked_add(deadline) {
            Some(instant) => tokio::time::sleep_until(instant).await,
            None => std::future::pending().await,
        }
    }
}

/// Finds a resumed snapshot, a suspended machine, a stepped clock.
#[derive(Debug)]
pub(crate) struct ClockWatch {
    wall: Timestamp,
    monotonic: Duration,
}

impl ClockWatch {
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }

    /// By how much the wall clock ran ahead since the last look, if by more than the limit either way.
    pub(crate) fn look(&mut self, clock: &dyn Clock) -> Option<SignedDuration> {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        let by_wall = wall.duration_since(self.wall);
        let by_monotonic =
            SignedDuration::try_from(monotonic.saturating_sub(self.monotonic)).unwrap_or(SignedDuration::MAX);
        (self.wall, self.monotonic) = (wall, monotonic);
        let ahead = by_wall.saturating_sub(by_monotonic);
        (ahead.abs() > PARTED).then_some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use smiles_testkit::ManualClock;

    use super::*;

    #[test]
    fn only_clocks_that_part_are_noticed() {
        let clock = ManualClock::new();
        let mut watch = ClockWatch::new(&clock);
        clock.advance(Duration::from_secs(86_400));
        assert_eq!(watch.look(&clock), None, "a day passed on both");
        for (step, noticed) in [(9, false), (-9, false), (11, true), (-3600, true)] {
            let step = SignedDuration::from_secs(step);
            clock.step_wall(step);
            clock.advance(Duration::from_secs(60));
            assert_eq!(watch.look(&clock), noticed.then_some(step), "a step of {step}");
            assert_eq!(watch.look(&clock), None, "a step is noticed once");
        }
    }

    #[tokio::test]
    async fn the_real_clock_waits() {
        let clock = SystemClock::new();
        let (wall, begun) = (clock.now(), clock.monotonic());
        clock.sleep_until(begun + Duration::from_millis(5)).await;
        assert!(clock.monotonic() >= begun + Duration::from_millis(5));
        assert!(wall > Timestamp::UNIX_EPOCH);
    }
}
