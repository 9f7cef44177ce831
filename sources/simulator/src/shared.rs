//! What the server, its connections and the handles share: the units, the faults, and what is owed to whom.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use smiles_stage::Clock;
use tokio::sync::{Semaphore, watch};

use crate::faults::Faults;
use crate::framing::{Frame, Framing};
use crate::layout::Exception;
use crate::lock::locked;
use crate::log::{Log, ReceivedRequest};
use crate::noise::chance;
use crate::unit::Unit;
use crate::wire::{self, Answer, Reply};

const LATE: u64 = 320;

#[derive(Debug)]
pub(crate) struct SharedState {
    /// At least one, each of another id.
    pub(crate) units: Vec<Unit>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: u64,
    pub(crate) time_scale: f64,
    /// Simulated time when the clock's monotonic time was `origin`.
    pub(crate) start: Timestamp,
    pub(crate) origin: Duration,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) log: Mutex<Log>,
    /// The number of requests, for those who wait.
    pub(crate) asked: watch::Sender<u64>,
    /// The question that was last answered by "busy".
    pub(crate) put_off: Mutex<Option<(u8, Vec<u8>)>>,
    /// Answers that go to whoever asks next, one per unit.
    pub(crate) late: Mutex<Vec<Late>>,
    /// The one client of a device that lets others queue.
    pub(crate) turn: Semaphore,
}

/// An answer on its way, and to which request (by number) it goes.
#[derive(Clone, Debug)]
pub(crate) struct Late {
    unit: u8,
    answer: Answer,
    due: Duration,
    to: u64,
}

/// An answer to be sent when it is due; its request is in flight until this is dropped.
pub(crate) struct Owed {
    request: Frame,
    number: u64,
    answer: Answer,
    pub(crate) due: Duration,
    ignored: bool,
    faults: Faults,
    inside: Arc<SharedState>,
}

impl SharedState {
    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = self.clock.monotonic().saturating_sub(self.origin).as_secs_f64() * self.time_scale;
        let elapsed = SignedDuration::try_from_secs_f64(elapsed).unwrap_or(SignedDuration::MAX);
        self.start.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// The unit that handles look at.
    pub(crate) fn first(&self) -> &Unit {
        &self.units[0]
    }

    /// What is owed for a request; `ignored`: it is not even looked at.
    pub(crate) fn asked(self: &Arc<Self>, request: Frame, ignored: bool) -> Owed {
        let at = self.clock.monotonic();
        let faults = locked(&self.faults).clone();
        let (number, busy) = self.book(&request, at);
        let ignored = ignored || busy && faults.drops_when_busy;
        let (answer, due) = if ignored {
            (Answer::Nothing, at)
        } else {
            let due = at + faults.delay + random_delay(&faults, number, self.seed);
            self.on_time(&request, number, at, due, &faults)
        };
        Owed { request, number, answer, due, ignored, faults, inside: Arc::clone(self) }
    }

    /// The answer and its time, or the answer that was on its way to an earlier question of this unit.
    fn on_time(
        &self,
        request: &Frame,
        number: u64,
        at: Duration,
        due: Duration,
        faults: &Faults,
    ) -> (Answer, Duration) {
        let answer = self.answer(request, number, faults);
        if !faults.next_id {
            return (answer, due);
        }
        let mut late = locked(&self.late);
        late.retain(|late| late.due > at);
        if let Some(late) = late.iter_mut().find(|late| late.unit == request.unit) {
            late.to = number;
            return (late.answer.clone(), late.due);
        }
        if matches!(answer, Answer::Pdu(_)) {
            late.push(Late { unit: request.unit, answer: answer.clone(), due, to: number });
        }
        (answer, due)
    }

    fn answer(&self, request: &Frame, number: u64, faults: &Faults) -> Answer {
        let unit = self.units.iter().find(|unit| unit.id == request.unit);
        if unit.is_none() && !faults.gateway {
            return Answer::Nothing;
        }
        let read = || {
            let unit = unit.ok_or(Exception::NoUnit)?;
            let read = wire::read_of(&request.pdu).ok_or(Exception::Function)?;
            locked(&self.log).counters.passes += u64::from(unit.begins_pass(read));
            unit.read(read, faults, self.now())
        };
        let mut put_off = locked(&self.put_off);
        let again = put_off.take().is_some_and(|(unit, pdu)| unit == request.unit && pdu == request.pdu);
        let answer = wire::answer(request, number, again, faults, self.seed, read);
        *put_off = answer.is_busy().then(|| (request.unit, request.pdu.clone()));
        answer
    }

    /// Its number, and whether another waits for its answer.
    fn book(&self, request: &Frame, at: Duration) -> (u64, bool) {
        let function = request.pdu.first().copied().unwrap_or_default();
        let (_, address, count) = wire::read_of(&request.pdu).unwrap_or_default();
        let mut log = locked(&self.log);
        let busy = log.ask(ReceivedRequest { at, unit: request.unit, function, address, count });
        let number = log.counters.requests;
        drop(log);
        self.asked.send_replace(number);
        (number, busy)
    }

    /// Whether a connection is closed at once.
    pub(crate) fn refuses(&self, faults: &Faults) -> bool {
        faults.refuse_after.is_some_and(|after| locked(&self.log).counters.requests >= after)
    }
}

impl Owed {
    /// What goes out now that it is due; nothing, if a newer question has got the answer meanwhile.
    pub(crate) fn reply(&self, framing: Framing) -> Reply {
        if self.faults.next_id {
            let late = locked(&self.inside.late);
            let mut others = late.iter().filter(|late| late.unit == self.request.unit);
            // One that is taken over keeps its time.
            if others.any(|late| late.to > self.number && late.due == self.due) {
                return Reply::Nothing;
            }
        }
        wire::reply(framing, &self.request, self.number, &self.answer, &self.faults, self.inside.seed)
    }

    /// The device hears what comes while this is not yet sent.
    pub(crate) fn listens(&self) -> bool {
        self.faults.drops_when_busy || self.faults.next_id
    }

    /// Whether it waits to be sent; what is dropped does not.
    pub(crate) fn waits(&self) -> bool {
        !self.ignored
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let at = self.inside.clock.monotonic();
        locked(&self.inside.log).answered(at);
    }
}

fn random_delay(faults: &Faults, number: u64, seed: u64) -> Duration {
    let Some((least, most)) = faults.late else { return Duration::ZERO };
    least + most.saturating_sub(least).mul_f64(chance(seed, &[LATE, number]))
}
