//! A clock that stands still until a test moves it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use smiles_stage::Clock;
use tokio::sync::watch;

/// Real time a test waits for a sleeper before it fails.
const REAL_TIME_LIMIT: Duration = Duration::from_secs(10);

/// Wall and monotonic time as the test says. Clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    state: Arc<Mutex<ClockState>>,
    /// Bumped by every change of time or sleepers.
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct ClockState {
    wall: Timestamp,
    monotonic: Duration,
    /// Who sleeps, by a number of their own, and until when.
    sleepers: Vec<(u64, Duration)>,
    next_sleeper: u64,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl ManualClock {
    /// A clock at 2026-06-21 12:00 UTC, monotonic zero.
    #[expect(clippy::expect_used, reason = "the number is within the range of timestamps")]
    pub fn new() -> Self {
        Self::at(Timestamp::from_second(1_782_043_200).expect("a valid timestamp"))
    }

    /// A clock at this wall time, monotonic zero.
    pub fn at(wall: Timestamp) -> Self {
        let state = ClockState { wall, monotonic: Duration::ZERO, sleepers: Vec::new(), next_sleeper: 0 };
        Self { state: Arc::new(Mutex::new(state)), changed: watch::Sender::new(0) }
    }

    /// Lets both clocks go forward by `step`; who slept until then or earlier wakes.
    pub fn advance(&self, step: Duration) {
        {
            let mut state = self.state();
            state.monotonic += step;
            state.wall = state.wall.saturating_add(step).unwrap_or(Timestamp::MAX);
        }
        self.bump();
    }

    /// Steps the wall clock alone, as a suspended machine or an operator does.
    pub fn step_wall(&self, step: SignedDuration) {
        {
            let mut state = self.state();
            state.wall = state.wall.saturating_add(step).unwrap_or(Timestamp::MAX);
        }
        self.bump();
    }

    /// Until when the present sleepers sleep, earliest first.
    pub fn deadlines(&self) -> Vec<Duration> {
        let state = self.state();
        let mut deadlines: Vec<Duration> = state.waiting().collect();
        deadlines.sort_unstable();
        deadlines
    }

    /// Returns once at least `count` tasks sleep into the future.
    ///
    /// # Panics
    /// They did not within ten real seconds.
    pub async fn wait_for_sleepers(&self, count: usize) {
        self.wait_until(&format!("{count} sleepers"), |state| state.waiting().count() >= count).await;
    }

    /// Returns once a task sleeps until exactly `deadline` (monotonic), which lies in the future.
    ///
    /// # Panics
    /// None did within ten real seconds.
    pub async fn wait_for_sleeper_until(&self, deadline: Duration) {
        let what = format!("a sleeper until {deadline:?}");
        self.wait_until(&what, |state| state.waiting().any(|until| until == deadline)).await;
    }

    /// Goes to the earliest deadline, if anyone sleeps; says whether it moved.
    pub fn advance_to_next(&self) -> bool {
        let Some(next) = self.deadlines().first().copied() else { return false };
        let step = next.saturating_sub(self.state().monotonic);
        self.advance(step);
        true
    }

    async fn wait_until(&self, what: &str, holds: impl Fn(&ClockState) -> bool) {
        let mut changed = self.changed.subscribe();
        let waited = tokio::time::timeout(REAL_TIME_LIMIT, async {
            while !holds(&self.state()) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        });
        assert!(
            waited.await.is_ok(),
            "no {what} within {REAL_TIME_LIMIT:?}; sleeping until {:?}",
            self.deadlines()
        );
    }

    fn state(&self) -> MutexGuard<'_, ClockState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bump(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

impl ClockState {
    fn waiting(&self) -> impl Iterator<Item = Duration> {
        self.sleepers.iter().map(|sleeper| sleeper.1).filter(|until| *until > self.monotonic)
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state().wall
    }

    fn monotonic(&self) -> Duration {
        self.state().monotonic
    }

    async fn sleep_until(&self, deadline: Duration) {
        let mut changed = self.changed.subscribe();
        let _asleep = SleeperGuard::new(self, deadline);
        while self.state().monotonic < deadline {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Listed among the sleepers until dropped, also when the sleep is abandoned.
struct SleeperGuard {
    clock: ManualClock,
    number: u64,
}

impl SleeperGuard {
    fn new(clock: &ManualClock, deadline: Duration) -> Self {
        let number = {
            let mut state = clock.state();
            state.next_sleeper += 1;
            let number = state.next_sleeper;
            state.sleepers.push((number, deadline));
            number
        };
        clock.bump();
        Self { clock: clock.clone(), number }
    }
}

impl Drop for SleeperGuard {
    fn drop(&mut self) {
        self.clock.state().sleepers.retain(|sleeper| sleeper.0 != self.number);
        self.clock.bump();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn sleepers_wake_when_their_time_has_come_and_not_before() {
        let clock = ManualClock::new();
        let sleeper = clock.clone();
        let task = tokio::spawn(async move { sleeper.sleep_until(SECOND * 2).await });
        clock.wait_for_sleeper_until(SECOND * 2).await;
        clock.advance(SECOND);
        assert_eq!(clock.deadlines(), [SECOND * 2]);
        assert!(!task.is_finished());
        assert!(clock.advance_to_next());
        task.await.unwrap();
        assert!(!clock.advance_to_next(), "nobody sleeps any more");
    }

    #[tokio::test]
    async fn an_abandoned_sleep_is_forgotten() {
        let clock = ManualClock::new();
        let slept = tokio::time::timeout(Duration::from_millis(5), clock.sleep_until(SECOND)).await;
        assert!(slept.is_err() && clock.deadlines().is_empty());
    }

    #[test]
    fn the_wall_can_part_from_the_monotonic_clock() {
        let clock = ManualClock::new();
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        clock.step_wall(SignedDuration::from_secs(-60));
        assert_eq!(clock.now().duration_since(wall), SignedDuration::from_secs(-60));
        assert_eq!(clock.monotonic(), monotonic);
    }
}
