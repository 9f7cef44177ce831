//! What the passes of one source mean for the log, /health and /metrics: one log line per change of state.

use std::sync::Arc;
use std::time::Duration;

use smiles_stage::Pass;

use crate::call::guard::Failure;
use crate::call::retry::Verdict;
use crate::observe::health_board::HealthBoard;
use crate::observe::meter::SourceMeters;

/// How the last pass went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Unknown,
    Online,
    Partial,
    Error,
}

/// Keeps a source's condition and says when it changes.
pub(crate) struct SourceReport {
    index: usize,
    pipeline: String,
    name: String,
    address: String,
    health_board: Arc<HealthBoard>,
    meters: SourceMeters,
    condition: Condition,
    /// Nothing comes after this pass.
    pub(crate) once: bool,
}

impl SourceReport {
    pub(crate) fn new(
        index: usize,
        pipeline: &str,
        name: &str,
        address: String,
        health_board: &Arc<HealthBoard>,
        meters: SourceMeters,
    ) -> Self {
        let (pipeline, name, health_board) = (pipeline.to_owned(), name.to_owned(), Arc::clone(health_board));
        let condition = Condition::Unknown;
        Self { index, pipeline, name, address, health_board, meters, condition, once: false }
    }

    /// A pass ended without an error of its own.
    pub(crate) fn heard(&mut self, pass: &Pass, took: Duration, stretched: bool) {
        let rows = u64::try_from(pass.rows.num_rows()).unwrap_or(u64::MAX);
        let fault = pass.faults.first().map(|fault| fault.message.as_str());
        let success = rows > 0 || fault.is_none();
        self.measure(success, took, stretched);
        self.meters.rows.inc_by(rows);
        if fault.is_some() {
            self.meters.errors.partial.inc();
        }
        self.health_board.passed(self.index, success, fault, stretched);
        let condition = match fault {
            None => Condition::Online,
            Some(_) if success => Condition::Partial,
            Some(_) => Condition::Error,
        };
        let changed = self.becomes(condition);
        let Self { pipeline, name: source, address, .. } = self;
        let (faults, error) = (pass.faults.len(), fault.unwrap_or_default());
        match condition {
            _ if !changed => tracing::debug!(pipeline, source, rows, faults, error, "poll without change"),
            Condition::Unknown | Condition::Online => {
                tracing::info!(pipeline, source, address, rows, "source is online");
            }
            Condition::Partial => {
                tracing::warn!(pipeline, source, address, rows, faults, error, "source is partly readable");
            }
            Condition::Error => {
                tracing::error!(pipeline, source, address, faults, error, "cannot read the source");
            }
        }
    }

    /// A pass brought nothing but an error.
    pub(crate) fn failed(&mut self, failure: &Failure, verdict: &Verdict, took: Duration, stretched: bool) {
        self.measure(false, took, stretched);
        let errors = &self.meters.errors;
        match verdict {
            _ if failure.panicked => errors.panic.inc(),
            Verdict::Halted(_) => errors.halt.inc(),
            Verdict::Again(_) | Verdict::SetAside => errors.pass.inc(),
        }
        let error = failure.error.chain();
        self.health_board.passed(self.index, false, Some(&error), stretched);
        let changed = self.becomes(Condition::Error);
        let Self { pipeline, name: source, address, .. } = &*self;
        if changed {
            let advice = match verdict {
                _ if self.once => "this was its only pass",
                Verdict::Halted(_) => "a person must act; it is tried again every 5 minutes",
                Verdict::Again(_) | Verdict::SetAside => "it is asked again",
            };
            tracing::error!(pipeline, source, address, error, advice, "cannot read the source");
        } else {
            tracing::debug!(pipeline, source, error, "still cannot read the source");
        }
    }

    /// The rows of a pass were handed over.
    pub(crate) fn handed_over(&self) {
        self.health_board.queue(1);
    }

    /// A commit failed; the next one covers it.
    pub(crate) fn commit_failed(&self, failure: &Failure) {
        let Self { pipeline, name: source, .. } = self;
        let error = failure.error.chain();
        tracing::warn!(pipeline, source, error, "the source failed to commit; the next commit covers it");
    }

    fn measure(&self, success: bool, took: Duration, stretched: bool) {
        let meters = &self.meters;
        if success {
            meters.successes.inc()
        } else {
            meters.failures.inc()
        }
        meters.seconds.observe(took.as_secs_f64());
        meters.up.set(i64::from(success));
        meters.breaker.set(i64::from(stretched));
    }

    fn becomes(&mut self, condition: Condition) -> bool {
        std::mem::replace(&mut self.condition, condition) != condition
    }
}

#[cfg(test)]
mod tests {
    use smiles_stage::{Clock, Fault, StageError, prometheus};
    use smiles_testkit::{ManualClock, numbered};

    use super::*;
    use crate::observe::health_board::unheard;
    use crate::observe::log_capture::logged;
    use crate::observe::meter::Meters;

    fn report() -> SourceReport {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
        let meters = Meters::new(prometheus::Registry::new(), Arc::clone(&clock)).unwrap();
        let address = "tcp://10.0.0.5:502 unit 1".to_owned();
        let sources = vec![unheard("DTU", address.clone(), None)];
        let health_board = HealthBoard::new("roof", 1000, &clock, sources, Vec::new());
        SourceReport::new(0, "roof", "DTU", address, &health_board, meters.source("roof", "DTU"))
    }

    #[test]
    fn each_change_of_state_is_one_line_that_names_source_address_and_cause() {
        let mut report = report();
        let pass = |faults: &[&str]| Pass {
            rows: numbered([1, 2]),
            faults: faults.iter().map(|fault| Fault { message: (*fault).to_owned() }).collect(),
            complete: faults.is_empty(),
        };
        let refused = Failure::from(StageError::retry("connection refused"));
        let again = Verdict::Again(Duration::ZERO);
        let lines = logged(|| {
            for _ in 0..3 {
                report.failed(&refused, &again, Duration::ZERO, false);
            }
            for _ in 0..3 {
                report.heard(&pass(&[]), Duration::ZERO, false);
            }
            for _ in 0..3 {
                report.heard(&pass(&["inverter 3 did not answer"]), Duration::ZERO, false);
            }
            report.heard(&pass(&[]), Duration::ZERO, false);
        });
        let named = "pipeline=\"roof\" source=\"DTU\" address=\"tcp://10.0.0.5:502 unit 1\"";
        assert_eq!(
            lines,
            [
                format!(
                    "ERROR cannot read the source {named} error=\"connection refused\" advice=\"it is asked again\""
                ),
                format!("INFO source is online {named} rows=2"),
                format!(
                    "WARN source is partly readable {named} rows=2 faults=1 error=\"inverter 3 did not \
                     answer\""
                ),
                format!("INFO source is online {named} rows=2"),
            ]
        );
        assert_eq!(report.meters.errors.partial.get(), 3);
        assert_eq!((report.meters.successes.get(), report.meters.failures.get()), (7, 3));
    }
}
