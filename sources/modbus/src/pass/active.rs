//! A poll in progress: asks, counts silences, and knows when it is over.

use smiles_stage::Fault;
use smiles_stage::option::Period;
use tokio::time::Instant;

use crate::line::{Client, RequestError};
use crate::pass::outcome::PollOutcome;
use crate::pass::poll_plan::PollPlan;
use crate::plan::ReadRequest;

pub(super) const NO_DATA: &str = "the device answered with no data";

/// A poll in progress.
pub(super) struct ActivePoll<'a> {
    pub(super) client: &'a mut Client,
    pub(super) plan: &'a PollPlan,
    pub(super) began: Instant,
    /// Silences in a row that end the poll.
    pub(super) patience: u8,
    /// Whether the device answered in this poll or the last: a question that is repeated in vain is one silence then, else two.
    pub(super) trusted: bool,
    /// Silences in a row.
    pub(super) silences: u8,
    /// Nothing more is asked.
    pub(super) over: bool,
    /// Whether the step at hand asked anything.
    pub(super) asked: bool,
    pub(super) outcome: PollOutcome,
}

impl ActivePoll<'_> {
    /// The answer; `None` if the poll is over, or takes too long. `name` is asked only where there is something to say.
    pub(super) async fn ask(
        &mut self,
        request: ReadRequest,
        name: impl FnOnce() -> String,
    ) -> Option<Result<Vec<u8>, RequestError>> {
        if !self.over && self.began.elapsed() > self.plan.limit {
            self.over = true;
            self.fail(&name(), &format!("not reached within {}", Period(self.plan.limit)));
        }
        if self.over {
            self.outcome.complete = false;
            return None;
        }
        self.asked = true;
        let answer = self.client.ask(request).await;
        if answer.as_ref().err().is_none_or(RequestError::is_answer) {
            self.silences = 0;
            self.trusted = true;
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
        self.silences += if self.trusted { 1 } else { self.client.silences() };
        self.over |= cause.is_connect() || self.silences >= self.patience;
        if self.over
            && !cause.is_connect()
            && let Some(fault) = self.outcome.faults.last_mut()
        {
            fault.message.push_str(match self.patience {
                1 => "; others wait for the line, so it is asked again at the next poll",
                _ => "; gave up after two failures in a row",
            });
        }
    }
}
