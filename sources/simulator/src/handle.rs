//! The other end of a served device: what was asked of it, and switches for its faults.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use smiles_stage::Clock;
use tokio::sync::watch;

use crate::faults::Faults;
use crate::layout::{Data, Exception, Image, Layout};
use crate::wire::{self, Frame, Reply};
use crate::world::{Event, Reading, Truth, World};

/// So many of the newest requests are remembered.
const REMEMBERED: usize = 1024;

/// Counters of what a device was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests, answered or not.
    pub requests: u64,
    /// Reads that reach the first record of the list (the first block, where there is no list).
    pub passes: u64,
    /// Connections ever made.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// The most that were open at once.
    pub open_max: u64,
    /// The most requests that were waiting for their answer at once, on all connections.
    pub in_flight_max: u64,
    /// The shortest time from one request to the next.
    pub gap_min: Option<Duration>,
    /// The shortest time from the end of an answer to the next request.
    pub pause_min: Option<Duration>,
}

/// A received request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// The clock's monotonic time.
    pub at: Duration,
    /// The unit it was for.
    pub unit: u8,
    /// The function code.
    pub function: u8,
    /// The address, 0 where the function has none.
    pub address: u16,
    /// How many registers or coils, 0 where the function has none.
    pub count: u16,
}

/// Watches and steers a device while it is served; clones are the same device.
#[derive(Clone, Debug)]
pub struct Handle(pub(crate) Arc<SharedState>);

/// What the server, its connections and the handles share.
#[derive(Debug)]
pub(crate) struct SharedState {
    pub(crate) layout: Layout,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: u64,
    pub(crate) unit_id: u8,
    /// Recorded bytes, served in place of the world.
    pub(crate) image: Mutex<Option<Arc<Image>>>,
    pub(crate) time_scale: f64,
    /// Simulated time when the clock's monotonic time was `origin`.
    pub(crate) start: Timestamp,
    pub(crate) origin: Duration,
    pub(crate) world: Mutex<World>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) log: Mutex<Log>,
    /// The number of requests, for those who wait.
    pub(crate) asked: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    counters: Counters,
    recent: VecDeque<ReceivedRequest>,
    in_flight: u64,
    last_asked: Option<Duration>,
    last_answered: Option<Duration>,
}

impl Handle {
    /// What was asked so far.
    pub fn counters(&self) -> Counters {
        locked(&self.0.log).counters.clone()
    }

    /// The newest requests, oldest first; at most 1024.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        locked(&self.0.log).recent.iter().copied().collect()
    }

    /// Returns once so many requests have come.
    pub async fn requested(&self, count: u64) {
        let mut asked = self.0.asked.subscribe();
        // Fails only when the sender is gone, which this handle keeps.
        let _ = asked.wait_for(|number| *number >= count).await;
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        locked(&self.0.faults).clone()
    }

    /// Puts these faults in force from the next request on.
    pub fn set_faults(&self, faults: Faults) {
        *locked(&self.0.faults) = faults;
    }

    /// Serves recorded bytes in place of a simulation from the next request on.
    pub fn set_image(&self, image: Image) {
        *locked(&self.0.image) = Some(Arc::new(image));
    }

    /// Lets something happen behind the device at once.
    pub fn happens(&self, event: Event) {
        self.0.world().happens(event);
    }

    /// Simulated time.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// What the list says now, record by record; the pass last begun decides about glitches.
    pub fn readings(&self) -> Vec<Reading> {
        let pass = self.counters().passes;
        let world = self.0.world();
        (0..world.records()).filter_map(|record| world.reading(record, pass)).collect()
    }

    /// What really is now, record by record.
    pub fn truth(&self) -> Vec<Truth> {
        let world = self.0.world();
        (0..world.records()).map(|record| world.truth(record)).collect()
    }
}

impl SharedState {
    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = self.clock.monotonic().saturating_sub(self.origin).as_secs_f64() * self.time_scale;
        let elapsed = SignedDuration::try_from_secs_f64(elapsed).unwrap_or(SignedDuration::MAX);
        self.start.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// The world as it is now.
    fn world(&self) -> MutexGuard<'_, World> {
        let now = self.now();
        let mut world = locked(&self.world);
        world.advance(now);
        world
    }

    /// The answer to a request, which is booked as in flight until [`SharedState::answered`].
    pub(crate) fn asked(&self, frame: &Frame) -> Reply {
        let read = wire::read_of(&frame.pdu);
        let number = self.book(frame, read);
        if frame.unit != self.unit_id {
            return Reply::Nothing;
        }
        let faults = locked(&self.faults).clone();
        wire::reply(frame, number, &faults, self.seed, || self.read(read))
    }

    fn read(&self, read: Option<(u8, u16, u16)>) -> Result<Data, Exception> {
        let (function, address, count) = read.ok_or(Exception::Function)?;
        let world = self.world();
        let mut log = locked(&self.log);
        if self.layout.begins_pass(function, address, count) {
            log.counters.passes += 1;
        }
        let pass = log.counters.passes;
        drop(log);
        let image = locked(&self.image).clone();
        let known = |record| if image.is_some() { None } else { world.reading(record, pass) };
        self.layout.read(function, address, count, image.as_deref(), &known)
    }

    fn book(&self, frame: &Frame, read: Option<(u8, u16, u16)>) -> u64 {
        let at = self.clock.monotonic();
        let function = frame.pdu.first().copied().unwrap_or_default();
        let (_, address, count) = read.unwrap_or_default();
        let mut log = locked(&self.log);
        log.ask(ReceivedRequest { at, unit: frame.unit, function, address, count });
        let number = log.counters.requests;
        drop(log);
        self.asked.send_replace(number);
        number
    }

    /// The answer has left, or there is none.
    pub(crate) fn answered(&self) {
        let at = self.clock.monotonic();
        let mut log = locked(&self.log);
        log.in_flight = log.in_flight.saturating_sub(1);
        log.last_answered = Some(at);
    }

    pub(crate) fn connected(&self) {
        let counters = &mut locked(&self.log).counters;
        counters.connections += 1;
        counters.open += 1;
        counters.open_max = counters.open_max.max(counters.open);
    }

    pub(crate) fn disconnected(&self) {
        let counters = &mut locked(&self.log).counters;
        counters.open = counters.open.saturating_sub(1);
    }

    /// Whether connections are closed at once.
    pub(crate) fn refuses(&self) -> bool {
        let after = locked(&self.faults).refuse_after;
        after.is_some_and(|after| locked(&self.log).counters.requests >= after)
    }

    pub(crate) fn pace(&self) -> (Duration, Option<Duration>) {
        let faults = locked(&self.faults);
        (faults.delay, faults.dribble)
    }
}

impl Log {
    fn ask(&mut self, asked: ReceivedRequest) {
        let shortest = |known: Option<Duration>, since: Option<Duration>| {
            let gap = since.map(|since| asked.at.saturating_sub(since));
            known.into_iter().chain(gap).min()
        };
        self.counters.gap_min = shortest(self.counters.gap_min, self.last_asked);
        self.counters.pause_min = shortest(self.counters.pause_min, self.last_answered.take());
        self.last_asked = Some(asked.at);
        self.counters.requests += 1;
        self.in_flight += 1;
        self.counters.in_flight_max = self.counters.in_flight_max.max(self.in_flight);
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(asked);
    }
}

/// The value, whatever became of others who held it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
