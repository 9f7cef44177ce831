//! The books of what a device was asked.

use std::collections::VecDeque;
use std::time::Duration;

/// So many of the newest requests are remembered.
const REMEMBERED: usize = 1024;

/// Counters of what a device was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests, answered or not.
    pub requests: u64,
    /// Reads that reach the first record of the list (the first block, where there is no list), of whatever unit.
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

#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) counters: Counters,
    pub(crate) recent: VecDeque<ReceivedRequest>,
    in_flight: u64,
    last_asked: Option<Duration>,
    last_answered: Option<Duration>,
}

impl Log {
    /// Books a request, which is in flight until [`Log::answered`]. Whether another is in flight already.
    pub(crate) fn ask(&mut self, asked: ReceivedRequest) -> bool {
        let busy = self.in_flight > 0;
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
        busy
    }

    /// An answer has left, or there is none.
    pub(crate) fn answered(&mut self, at: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.last_answered = Some(at);
    }

    pub(crate) fn connected(&mut self) {
        let counters = &mut self.counters;
        counters.connections += 1;
        counters.open += 1;
        counters.open_max = counters.open_max.max(counters.open);
    }

    pub(crate) fn disconnected(&mut self) {
        self.counters.open = self.counters.open.saturating_sub(1);
    }
}
