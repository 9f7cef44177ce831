//! When a polled source is asked next: on a fixed grid, stretched while it fails.

use std::time::Duration;

/// A failing source is asked at least this often (unless its period is longer).
const LONGEST: Duration = Duration::from_secs(300);

/// The grid `start + n * every` on the monotonic clock. Missed ticks are skipped, so nothing drifts or piles up.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// When the first pass began.
    start: Option<Duration>,
    every: Duration,
    stretch_after: u32,
    /// The tick of the last pass.
    last: u64,
    failures: u32,
}

impl Schedule {
    /// The first pass is due at once. After `stretch_after` failures in a row the period doubles with each
    /// further one; 0: never.
    pub(crate) fn new(every: Duration, stretch_after: u32) -> Self {
        let every = every.max(Duration::from_millis(1));
        Self { start: None, every, stretch_after, last: 0, failures: 0 }
    }

    /// When the next pass begins; in the past or now: at once.
    pub(crate) fn due(&self, now: Duration) -> Duration {
        let Some(start) = self.start else { return now };
        let ran = now.saturating_sub(start).as_nanos();
        let not_passed = u64::try_from(ran.div_ceil(self.every.as_nanos())).unwrap_or(u64::MAX);
        let tick = not_passed.max(self.last.saturating_add(self.ticks()));
        let nanos = self.every.as_nanos().saturating_mul(u128::from(tick));
        start.saturating_add(u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos))
    }

    /// A pass begins.
    pub(crate) fn began(&mut self, now: Duration) {
        let start = *self.start.get_or_insert(now);
        let tick = now.saturating_sub(start).as_nanos() / self.every.as_nanos();
        self.last = u64::try_from(tick).unwrap_or(u64::MAX);
    }

    /// A pass ended.
    pub(crate) fn ended(&mut self, success: bool) {
        self.failures = if success { 0 } else { self.failures.saturating_add(1) };
    }

    /// Whether failures have stretched the period.
    pub(crate) fn stretched(&self) -> bool {
        self.stretch_after > 0 && self.failures >= self.stretch_after
    }

    /// How many ticks of the grid one period is now.
    fn ticks(&self) -> u64 {
        if !self.stretched() {
            return 1;
        }
        let longest = u64::try_from(LONGEST.as_nanos() / self.every.as_nanos()).unwrap_or(u64::MAX);
        let doublings = self.failures - self.stretch_after + 1;
        1_u64.checked_shl(doublings).unwrap_or(u64::MAX).min(longest).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn ticks_stay_on_the_grid_and_missed_ones_are_skipped() {
        // (pass begins, pass ends, next due), period 60 s from 7 s on.
        let rows = [
            (7.0, 9.5, 67.0),
            (67.2, 70.0, 127.0),
            (7.0, 66.9, 67.0),
            (7.0, 67.0, 67.0),
            (7.0, 68.0, 127.0),
            (7.0, 300.0, 307.0),
        ];
        for (begins, ends, next) in rows {
            let mut schedule = Schedule::new(at(60.0), 5);
            assert_eq!(schedule.due(at(7.0)), at(7.0), "the first pass is due at once");
            schedule.began(at(7.0));
            schedule.began(at(begins));
            schedule.ended(true);
            assert_eq!(schedule.due(at(ends)), at(next), "a pass from {begins} to {ends}");
        }
    }

    #[test]
    fn a_year_of_ticks_does_not_drift() {
        let mut schedule = Schedule::new(at(0.7), 0);
        let mut now = at(0.3);
        schedule.began(now);
        for tick in 1..100_000_u32 {
            schedule.began(now + Duration::from_micros(if tick == 1 { 0 } else { 150 }));
            schedule.ended(true);
            now = schedule.due(now + Duration::from_millis(20));
            assert_eq!(now, at(0.3) + at(0.7) * tick);
        }
    }

    #[test]
    fn failures_stretch_the_period_up_to_five_minutes() {
        let rows: [(u32, u32, &[u64]); 4] = [
            (60, 3, &[60, 60, 120, 240, 300, 300]),
            (60, 1, &[120, 240, 300]),
            (60, 0, &[60, 60, 60, 60, 60, 60]),
            (900, 1, &[900, 900]),
        ];
        for (every, after, gaps) in rows {
            let mut schedule = Schedule::new(Duration::from_secs(every.into()), after);
            let mut now = Duration::ZERO;
            for (failures, gap) in gaps.iter().enumerate() {
                schedule.began(now);
                schedule.ended(false);
                let next = schedule.due(now);
                assert_eq!((next - now).as_secs(), *gap, "after {} failures", failures + 1);
                now = next;
            }
            schedule.began(now);
            schedule.ended(true);
            assert!(!schedule.stretched(), "the first success restores the period");
            assert_eq!(schedule.due(now) - now, Duration::from_secs(every.into()));
        }
    }
}
