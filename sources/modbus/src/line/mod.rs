//! Lines: what reaches one address shares one connection and takes turns on it, one question at a time.
//!
//! A gateway with three meters behind it, or a DTU that two pipelines ask, is one line. Connection, pauses and
//! reconnects belong to the line; time limit and patience to the unit. [`Client`] is one source's end of it.

mod error;
mod link;
mod meters;
mod port;
mod serial;
mod settings;
mod shared;
mod state;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use smiles_stage::option::Period;
use tokio::time::{Instant, sleep, sleep_until};

pub(crate) use error::RequestError;
pub(crate) use link::UnitOptions;
pub(crate) use meters::LineMeters;
pub(crate) use settings::Settings;
pub(crate) use shared::{Wishes, line};

use crate::address::Address;
use crate::line::shared::{Line, Membership};
use crate::plan::ReadRequest;

/// How often a question is repeated that the device was too busy for, and the respite before the first repetition, in
/// pauses between questions; the next is twice as long.
const REPEATS: u32 = 2;
const BUSY_RESPITE: u32 = 10;

/// How often it is looked whether a late answer has come.
const LATE_SLICE: Duration = Duration::from_millis(50);

/// One source on a line.
pub(crate) struct Client {
    line: Arc<Line>,
    _membership: Membership,
    unit: UnitOptions,
    meters: LineMeters,
    /// Whether the unit answered since it was last found silent for a whole pass.
    heard: bool,
    /// A question that was not answered, whose answer may be kept by a gateway for the next one.
    open: Option<ReadRequest>,
    /// Questions that were not answered when they were asked again: their answers are kept by nobody.
    mute: BTreeSet<ReadRequest>,
    /// Silences that the last question took.
    silences: u8,
    pass: Option<PassGuard>,
}

/// A pass under way on a line; ends when dropped.
struct PassGuard(Arc<Line>);

impl Drop for PassGuard {
    fn drop(&mut self) {
        self.0.passes_less();
    }
}

impl Client {
    pub(crate) fn new(
        line: Arc<Line>,
        membership: Membership,
        unit: UnitOptions,
        meters: LineMeters,
    ) -> Self {
        Self {
            line,
            _membership: membership,
            unit,
            meters,
            heard: false,
            open: None,
            mute: BTreeSet::new(),
            silences: 0,
            pass: None,
        }
    }

    /// Whether others are on the line who would wait for this unit, which may well be silent: it was the last time.
    pub(crate) fn others_wait(&self) -> bool {
        self.line.members() > 1 && !self.heard
    }

    /// Whether the unit answered in its last pass.
    pub(crate) fn was_heard(&self) -> bool {
        self.heard
    }

    /// How many silences the last question took, where it was not answered.
    pub(crate) fn silences(&self) -> u8 {
        self.silences
    }

    /// A pass begins: the connection stays open until the last pass on the line has ended.
    pub(crate) fn begin(&mut self) {
        self.line.passes_more();
        self.pass = Some(PassGuard(Arc::clone(&self.line)));
    }

    /// A pass has ended; `heard`: the unit answered at least once.
    pub(crate) async fn end(&mut self, heard: bool) {
        self.heard = heard;
        self.pass = None;
        self.line.rest().await;
    }

    /// The data of the answer: as many bytes as asked for, or none.
    ///
    /// There are gateways that keep an answer which came too late, and give it to the next question as its own. So what
    /// was not answered is asked once more before anything else: an old answer is the right one then, and none is left.
    pub(crate) async fn ask(&mut self, request: ReadRequest) -> Result<Vec<u8>, RequestError> {
        if let Some(open) = self.open.take().filter(|open| *open != request) {
            // Whatever it says: with the answer nothing is kept any more. Silence is that of the unit.
            if let Err(error @ RequestError::Timeout { .. }) = self.ask_patiently(open).await {
                self.mute.insert(open);
                return Err(error);
            }
        }
        let answer = self.ask_patiently(request).await;
        self.silences = 1;
        if !matches!(answer, Err(RequestError::Timeout { .. })) {
            self.mute.remove(&request);
            return answer;
        }
        if self.mute.contains(&request) {
            return answer;
        }
        if self.others_wait() {
            self.open = Some(request);
            return answer;
        }
        let again = self.ask_patiently(request).await;
        if matches!(again, Err(RequestError::Timeout { .. })) {
            self.silences = 2;
            self.mute.insert(request);
        }
        again
    }

    /// Asks, and again where the device was too busy.
    async fn ask_patiently(&mut self, request: ReadRequest) -> Result<Vec<u8>, RequestError> {
        let mut respite = BUSY_RESPITE;
        let mut repeats = 0;
        loop {
            let answer = self.ask_once(request).await;
            self.meters.answered(&answer);
            let Err(error) = &answer else {
                self.heard = true;
                return answer;
            };
            self.heard |= error.is_answer();
            // What a gateway says of a unit that never answered is as true a moment later.
            let worth = error.passes_by() && (error.is_answer() || self.heard);
            if !worth || repeats == REPEATS {
                return answer;
            }
            repeats += 1;
            sleep(self.line.settings().respite(respite)).await;
            respite *= 2;
        }
    }

    /// Asks, and once more where the device may have forgotten the connection.
    async fn ask_once(&mut self, request: ReadRequest) -> Result<Vec<u8>, RequestError> {
        let mut dead = None;
        loop {
            let waits_since = Instant::now();
            let mut state = self.line.lock().await;
            // After a silence its late answer is waited for, or until none can be expected, so that it is taken for no
            // other's. Others on the line need not wait: an answer names its unit.
            if let Some(until) = state.drained(&self.unit).await {
                drop(state);
                sleep_until(until.min(Instant::now() + LATE_SLICE)).await;
                continue;
            }
            if let Some(error) = state.refused_since(waits_since) {
                return Err(error);
            }
            let asked = state.ask(self.line.terms(), &self.unit, request).await;
            self.meters.damaged(state.take_damaged());
            match (asked, &dead) {
                (state::Asking::Answered(result), _) => {
                    if matches!(result, Ok(_) | Err(RequestError::Exception(_))) {
                        self.line.was_heard();
                    }
                    return self.hinted(result);
                }
                (state::Asking::SilentSinceIdle(error), None) => dead = Some(error),
                (state::Asking::SilentSinceIdle(error), Some(_)) => return Err(error),
            }
        }
    }

    /// A time limit that was reached before anything was ever heard may mean more than one thing.
    fn hinted(&self, result: Result<Vec<u8>, RequestError>) -> Result<Vec<u8>, RequestError> {
        let Err(RequestError::Timeout { after, unexpected: None }) = result else { return result };
        if self.line.ever_heard() {
            return Err(RequestError::Timeout { after, unexpected: None });
        }
        let delay = self.line.settings().connect_delay;
        let hint = if matches!(self.line.terms().address, Address::Serial(_)) {
            "nothing was heard yet: are `unit_id`, baud rate and parity right, and wires A and B not swapped?"
                .to_owned()
        } else if delay.is_zero() {
            "nothing was heard yet: is `unit_id` right? a device that ignores what comes right after connecting needs \
             `connect_delay: 2s`"
                .to_owned()
        } else {
            format!("nothing was heard yet, with a `connect_delay` of {}: is `unit_id` right?", Period(delay))
        };
        Err(RequestError::Timeout { after, unexpected: Some(hint) })
    }
}
