//! A poll in progress: asks, counts silences, and knows when it is over.

use smiles_stage::Fault;
use smiles_stage::option::Period;
use tokio::time::Instant;

use crate::line::RequestError;
use crate::pass::outcome::PollOutcome;
use crate::pass::poll_plan::PollPlan;
use crate::pass::units::{ActiveUnit, Clients};
use crate::plan::ReadRequest;

pub(super) const NO_DATA: &str = "the device answered with no data";

/// A poll in progress.
pub(super) struct ActivePoll<'a> {
    pub(super) units: Vec<ActiveUnit<'a>>,
    /// The place of the unit that was asked last.
    asking: usize,
    pub(super) plan: &'a PollPlan,
    pub(super) began: Instant,
    /// Nobody is asked anything more.
    over: bool,
    /// Whether the step at hand asked anything.
    pub(super) asked: bool,
    /// Whether it would have, and the poll of its unit was over.
    pub(super) gave_up: bool,
    /// Answers with data so far.
    pub(super) answers: u32,
    /// Per block of the device, which of them it was in.
    pub(super) heard_at: Vec<Option<u32>>,
    pub(super) outcome: PollOutcome,
}

impl<'a> ActivePoll<'a> {
    pub(super) fn begin(clients: &'a mut Clients, plan: &'a PollPlan, began: Instant) -> Self {
        Self {
            units: clients.begin(),
            asking: 0,
            plan,
            began,
            over: false,
            asked: false,
            gave_up: false,
            answers: 0,
            heard_at: vec![None; plan.device.blocks.len()],
            outcome: PollOutcome::new(plan),
        }
    }

    /// The answer; `None` if the poll is over, or takes too long. `name` is asked only where there is something to say.
    pub(super) async fn ask(
        &mut self,
        unit: Option<u8>,
        request: ReadRequest,
        name: impl FnOnce() -> String,
    ) -> Option<Result<Vec<u8>, RequestError>> {
        if !self.over && self.began.elapsed() > self.plan.limit {
            self.over = true;
            self.fail(&name(), &format!("not reached within {}", Period(self.plan.limit)));
        }
        self.asking = self.units.iter().position(|active| active.unit == unit).unwrap_or(0);
        let active = self.units.get_mut(self.asking)?;
        if self.over || active.over {
            self.outcome.complete = false;
            self.gave_up = true;
            return None;
        }
        self.asked = true;
        let answer = active.client.ask(request).await;
        if answer.as_ref().err().is_none_or(RequestError::is_answer) {
            active.answered();
            self.outcome.heard = true;
        }
        Some(answer)
    }

    /// Adds a failure to the faults.
    pub(super) fn fail(&mut self, name: &str, cause: &dyn std::fmt::Display) {
        self.outcome.cause.get_or_insert_with(|| cause.to_string());
        self.outcome.faults.push(Fault { message: format!("{name}: {cause}") });
    }

    /// Gives up when silences follow each other. A device that refuses has answered, and may answer the next question.
    pub(super) fn count(&mut self, cause: &RequestError) {
        if cause.is_answer() {
            return;
        }
        self.over |= cause.is_connect();
        let Some(active) = self.units.get_mut(self.asking) else { return };
        active.silent();
        if active.over
            && !cause.is_connect()
            && let Some(fault) = self.outcome.faults.last_mut()
        {
            fault.message.push_str(match active.patience {
                1 => "; others wait for the line, so it is asked again at the next poll",
                _ => "; gave up after two failures in a row",
            });
        }
    }
}
