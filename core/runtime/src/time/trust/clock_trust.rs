//! Whether the wall clock can be right: judged at every pass by what it cannot fake. A small pure model.
//!
//! A date before the program was built is wrong whatever else is known. Else a clock is doubted when it parts from what
//! the last trusted reading and the time since then (by the monotonic clock) make of it: backwards at all, or forwards by
//! more than a day. A doubted clock that goes on evenly for a while is believed in the end: somebody set it.

#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::time::trust::distrust::DistrustReport;
use crate::time::trust::kept::Known;
use jiff::{SignedDuration, Timestamp};
use smiles_stage::Clock;

/// Steps up to this are none.
const STEP: SignedDuration = SignedDuration::from_mins(2);

/// Forwards, a clock that was seen to run right is doubted beyond this: a machine may have slept.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// The same where only the journal knows the last trusted time: the machine may have been off.
const AHEAD_OF_JOURNAL: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A doubted clock is believed after so many passes ...
const PASSES: u32 = 3;

/// ... over at least this long.
const LASTED: Duration = Duration::from_secs(5 * 60);

/// The build may be dated by a machine in another time zone.
const BUILD_SLACK: SignedDuration = SignedDuration::from_hours(24);

/// What is known of the clock at a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dated {
    /// Whether it can be right.
    pub(crate) trusted: bool,
    /// The time by the last trusted reading and the monotonic clock; at least that late. `None`: never was one.
    pub(crate) estimate: Option<Timestamp>,
}

/// The last time that was trusted, and when that was.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    wall: Timestamp,
    monotonic: Duration,
    /// Seen by this process; else by one before it, some time ago.
    seen: bool,
}

/// Why and since when the clock is doubted.
#[derive(Clone, Copy, Debug)]
struct ClockSuspicion {
    since: Duration,
    passes: u32,
}

/// The judge of one pipeline.
#[derive(Debug)]
pub(crate) struct ClockTrust {
    built: Option<Timestamp>,
    state: Mutex<State>,
}

impl ClockTrust {
    /// `built`: when the program was built; `known`: what the journal kept of [`ClockTrust::known`], in a process that began at
    /// this monotonic time.
    pub(crate) fn new(built: Option<Timestamp>, known: Known, monotonic: Duration) -> Self {
        let anchor = known.last.map(|wall| Anchor { wall, monotonic, seen: false });
        Self { built, state: Mutex::new(State { anchor, told: known.told, ..State::default() }) }
    }

    /// A pass begins.
    pub(crate) fn look(&self, wall: Timestamp, monotonic: Duration) -> Dated {
        let mut state = self.state();
        let estimate = state.estimate(monotonic);
        let line = ahead(wall, monotonic);
        let same = state.line.is_some_and(|known| near(known, line));
        state.line = Some(line);
        let impossible = self.is_before_built(wall);
        let doubted = match state.doubt {
            _ if impossible => Some(ClockSuspicion { since: monotonic, passes: 0 }),
            None if same => None,
            Some(doubt) if same => {
                let doubt = ClockSuspicion { passes: doubt.passes + 1, ..doubt };
                let lasted = monotonic.saturating_sub(doubt.since) >= LASTED;
                (doubt.passes < PASSES || !lasted).then_some(doubt)
            }
            _ => state.parts(wall, monotonic).then_some(ClockSuspicion { since: monotonic, passes: 1 }),
        };
        state.doubt = doubted;
        let trusted = doubted.is_none();
        if trusted {
            // One that did not move and is trusted all the same was believed.
            let believed = same && estimate.is_some_and(|estimate| !near(ahead(estimate, monotonic), line));
            state.told = state.told.map(|told| told.over(wall, believed));
            state.anchor = Some(Anchor { wall, monotonic, seen: true });
        } else {
            state.told = Some(DistrustReport::another(state.told, wall));
        }
        Dated { trusted, estimate }
    }

    /// The best that is known of the time: the wall clock where it is trusted.
    pub(crate) fn now(&self, clock: &dyn Clock) -> Timestamp {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        let state = self.state();
        let same = match state.line {
            Some(line) => near(line, ahead(wall, monotonic)),
            None => !state.parts(wall, monotonic),
        };
        if state.doubt.is_none() && same && !self.is_before_built(wall) {
            return wall;
        }
        state.estimate(monotonic).unwrap_or(wall)
    }

    /// What the journal is to keep of it.
    pub(crate) fn known(&self) -> Known {
        let state = self.state();
        Known { last: state.anchor.map(|anchor| anchor.wall), told: state.told }
    }

    /// A sentence for /health while the clock is doubted, and for a day after.
    pub(crate) fn warning(&self, clock: &dyn Clock) -> Option<String> {
        let (now, monotonic) = (self.now(clock), clock.monotonic());
        let impossible = self.is_before_built(clock.now());
        let state = self.state();
        let doubted = state.doubt.map(|_| (state.estimate(monotonic), !impossible));
        state.told?.sentence(doubted, now)
    }

    fn is_before_built(&self, wall: Timestamp) -> bool {
        self.built.is_some_and(|built| built.duration_since(wall) > BUILD_SLACK)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct State {
    anchor: Option<Anchor>,
    /// By how much the wall clock was ahead of the monotonic one at the last pass.
    line: Option<SignedDuration>,
    doubt: Option<ClockSuspicion>,
    told: Option<DistrustReport>,
}

impl State {
    fn estimate(&self, monotonic: Duration) -> Option<Timestamp> {
        let anchor = self.anchor?;
        anchor.wall.saturating_add(monotonic.saturating_sub(anchor.monotonic)).ok()
    }

    /// Whether this wall time is not what the last trusted one has become since.
    fn parts(&self, wall: Timestamp, monotonic: Duration) -> bool {
        let (Some(anchor), Some(estimate)) = (self.anchor, self.estimate(monotonic)) else { return false };
        let parted = wall.duration_since(estimate);
        let ahead = if anchor.seen { AHEAD } else { AHEAD_OF_JOURNAL };
        parted < -STEP || parted > ahead
    }
}

fn ahead(wall: Timestamp, monotonic: Duration) -> SignedDuration {
    let monotonic = SignedDuration::try_from(monotonic).unwrap_or(SignedDuration::MAX);
    wall.duration_since(Timestamp::UNIX_EPOCH).saturating_sub(monotonic)
}

fn near(one: SignedDuration, other: SignedDuration) -> bool {
    one.saturating_sub(other).abs() <= STEP
}
