//! The shared state of a running pipeline, as every task writes it and /health and /metrics read it.
//!
//! Reading never waits for the journal: what it holds is copied here after each change.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use smiles_journal::{Loss, RowCounts, Status, transform_of};
use smiles_stage::{
    Clock, Health, HealthView, JournalHealth, Position, Seq, SinkHealth, SinkState, SourceHealth, SourceState,
};
use tokio::sync::Notify;

use crate::time::trust::clock_trust::ClockTrust;

/// One pipeline's state.
pub(crate) struct HealthBoard {
    clock: Arc<dyn Clock>,
    begun: Duration,
    state: Mutex<State>,
    /// The journal changed; its status should be read again.
    pub(crate) dirty: Notify,
}

struct State {
    health: Health,
    /// Per source, when the last pass with rows ended (monotonic).
    heard: Vec<Option<Duration>>,
    /// Why the last append failed.
    broken: Option<String>,
    losses: Vec<Loss>,
    /// Per sink.
    sinks: Vec<SinkNotes>,
    repairs: Vec<String>,
    /// Per transform that has dead letters, how many.
    rejected: Vec<(String, u64)>,
    clock_trust: Option<Arc<ClockTrust>>,
    /// What whoever runs the pipeline has to say.
    note: Option<String>,
}

/// What is known of a sink beside its health.
#[derive(Default)]
struct SinkNotes {
    /// Rows dropped that nobody took note of.
    dropped: u64,
    /// The last batch of each run that it is done with.
    done: Vec<Position>,
    /// For which reasons it sets rows aside.
    aside: Vec<String>,
    /// Its target became another one while it ran.
    exchanged: bool,
    /// How many rows its target did not keep, by table.
    swallowed: Vec<(String, u64)>,
}

impl HealthBoard {
    pub(crate) fn new(
        pipeline: &str,
        max_size_bytes: u64,
        clock: &Arc<dyn Clock>,
        sources: Vec<SourceHealth>,
        sinks: Vec<SinkHealth>,
    ) -> Arc<Self> {
        let heard = vec![None; sources.len()];
        let notes = sinks.iter().map(|_| SinkNotes::default()).collect();
        let health = Health {
            pipeline: pipeline.to_owned(),
            started: clock.now(),
            uptime: Duration::ZERO,
            sources,
            sinks,
            journal: JournalHealth { writable: true, size_bytes: 0, max_size_bytes, full: false },
            warnings: Vec::new(),
            queued: 0,
        };
        let (losses, repairs, rejected, clock_trust) = (Vec::new(), Vec::new(), Vec::new(), None);
        let state = State {
            health,
            heard,
            broken: None,
            losses,
            sinks: notes,
            repairs,
            rejected,
            clock_trust,
            note: None,
        };
        let (clock, begun) = (Arc::clone(clock), clock.monotonic());
        Arc::new(Self { clock, begun, state: Mutex::new(state), dirty: Notify::new() })
    }

    /// Who knows whether the clock can be right.
    pub(crate) fn judged_by(&self, clock_trust: &Arc<ClockTrust>) {
        self.state().clock_trust = Some(Arc::clone(clock_trust));
    }

    /// Says this among the warnings, until told otherwise.
    pub(crate) fn note(&self, sentence: Option<String>) {
        self.state().note = sentence;
    }

    /// A pass ended: with rows, with an error, or both.
    pub(crate) fn passed(&self, source: usize, success: bool, error: Option<&str>, stretched: bool) {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let mut state = self.state();
        if success && let Some(heard) = state.heard.get_mut(source) {
            *heard = Some(monotonic);
        }
        let Some(health) = state.health.sources.get_mut(source) else { return };
        health.stretched = stretched;
        health.state = if success { SourceState::Online } else { SourceState::Error };
        if success {
            health.success_count += 1;
            health.last_success = Some(now);
        }
        if let Some(error) = error {
            health.error_count += 1;
            health.last_error = Some((now, error.to_owned()));
        }
    }

    /// A sink's attempt ended.
    pub(crate) fn sink(&self, sink: usize, sink_state: SinkState, error: Option<&str>) {
        let now = self.clock.now();
        if let Some(health) = self.state().health.sinks.get_mut(sink) {
            health.state = sink_state;
            health.last_error = error.map(|error| (now, error.to_owned()));
        }
    }

    /// The reasons for which a sink sets rows aside, as sentences.
    pub(crate) fn aside(&self, sink: usize, reasons: Vec<String>) {
        self.note_of(sink, |known| known.aside = reasons);
    }

    /// A sink's target is not the one it spoke to before.
    pub(crate) fn exchanged(&self, sink: usize) {
        self.note_of(sink, |known| known.exchanged = true);
    }

    /// The rows that a sink's target did not keep, by table.
    pub(crate) fn swallowed(&self, sink: usize, tables: Vec<(String, u64)>) {
        self.note_of(sink, |known| known.swallowed = tables);
    }

    fn note_of(&self, sink: usize, note: impl FnOnce(&mut SinkNotes)) {
        if let Some(known) = self.state().sinks.get_mut(sink) {
            note(known);
        }
    }

    /// A live sink took rows; it has no books in the journal.
    pub(crate) fn live_rows(&self, sink: usize, rows: u64) {
        if let Some(health) = self.state().health.sinks.get_mut(sink) {
            health.accepted += rows;
            health.delivered += rows;
        }
    }

    /// A sink begins with a batch that was accepted then.
    pub(crate) fn behind(&self, sink: usize, accepted: Timestamp) {
        if let Some(health) = self.state().health.sinks.get_mut(sink) {
            health.waiting_since = Some(accepted);
        }
    }

    /// A pass is on its way to the journal (1), or has got there (-1).
    pub(crate) fn queue(&self, by: i64) {
        let queued = &mut self.state().health.queued;
        *queued = queued.saturating_add_signed(by);
    }

    /// An append ended.
    pub(crate) fn appended(&self, error: Option<(String, bool)>) {
        let mut state = self.state();
        state.health.journal.writable = error.is_none();
        state.health.journal.full = error.as_ref().is_some_and(|(_, full)| *full);
        state.broken = error.map(|(text, _)| text);
    }

    /// What the journal holds now.
    pub(crate) fn publish(&self, status: Status) {
        let now = self.clock.now();
        let mut state = self.state();
        // Dead letters have a share of their own.
        state.health.journal.size_bytes = status.size_bytes.saturating_sub(status.dead_letter_bytes);
        for row_counts in &status.row_counts {
            let State { health, sinks, .. } = &mut *state;
            let Some(place) = health.sinks.iter().position(|sink| sink.name == row_counts.sink) else {
                continue;
            };
            if row_counts.in_use {
                copy_books(row_counts, &mut health.sinks[place], now);
                sinks[place].dropped = row_counts.dropped.saturating_sub(row_counts.noted);
                let marks = row_counts.watermarks.iter().filter(|(_, seq)| *seq > Seq::ZERO);
                sinks[place].done = marks.map(|&(run, seq)| Position { run, seq }).collect();
            }
        }
        let of_transform = |row_counts: &RowCounts| {
            Some((transform_of(&row_counts.sink)?.to_owned(), row_counts.dead_lettered))
        };
        state.rejected =
            status.transforms.iter().filter_map(of_transform).filter(|(_, rows)| *rows > 0).collect();
        state.losses = status.losses;
        state.repairs = status.repairs;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HealthView for HealthBoard {
    fn health(&self) -> Health {
        let now = self.clock.monotonic();
        let state = self.state();
        let mut health = state.health.clone();
        health.uptime = now.saturating_sub(self.begun);
        for (source, heard) in health.sources.iter_mut().zip(&state.heard) {
            source.since_success = heard.map(|heard| now.saturating_sub(heard));
        }
        health.warnings = warnings(&state);
        health.warnings.extend(
            state.clock_trust.as_ref().and_then(|clock_trust| clock_trust.warning(self.clock.as_ref())),
        );
        health
    }

    fn progress(&self, sink: &str) -> u64 {
        let state = self.state();
        state.health.sinks.iter().find(|known| known.name == sink).map_or(0, |sink| sink.delivered)
    }

    fn done(&self, sink: &str) -> Vec<Position> {
        let state = self.state();
        let place = state.health.sinks.iter().position(|known| known.name == sink);
        place.map_or_else(Vec::new, |place| state.sinks[place].done.clone())
    }
}

impl Debug for HealthBoard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").field("pipeline", &self.state().health.pipeline).finish_non_exhaustive()
    }
}

/// A source nobody has heard yet.
pub(crate) fn unheard(name: &str, address: String, every: Option<Duration>) -> SourceHealth {
    SourceHealth {
        name: name.to_owned(),
        address,
        state: SourceState::Unknown,
        every,
        stretched: false,
        last_success: None,
        since_success: None,
        success_count: 0,
        error_count: 0,
        last_error: None,
    }
}

/// A sink that has delivered nothing yet.
pub(crate) fn starting(name: &str, type_name: &str) -> SinkHealth {
    SinkHealth {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        state: SinkState::Starting,
        last_error: None::<(Timestamp, String)>,
        accepted: 0,
        delivered: 0,
        dead_lettered: 0,
        dropped: 0,
        lost: 0,
        waiting: 0,
        waiting_batches: 0,
        waiting_since: None,
    }
}

fn copy_books(row_counts: &RowCounts, sink: &mut SinkHealth, now: Timestamp) {
    sink.accepted = row_counts.accepted;
    sink.delivered = row_counts.delivered;
    sink.dead_lettered = row_counts.dead_lettered;
    sink.dropped = row_counts.dropped;
    sink.lost = row_counts.lost;
    sink.waiting = row_counts.waiting;
    sink.waiting_batches = row_counts.waiting_batches;
    sink.waiting_since = row_counts
        .waiting_since
        .or(sink.waiting_since)
        .or(Some(now))
        .filter(|_| row_counts.waiting_batches > 0);
}

/// Sentences for the operator.
fn warnings(state: &State) -> Vec<String> {
    let mut all: Vec<String> = state.note.iter().cloned().collect();
    let JournalHealth { size_bytes, max_size_bytes, full, .. } = state.health.journal;
    let percent = size_bytes.saturating_mul(100) / max_size_bytes.max(1);
    if full {
        all.push("the journal is full: polling is paused until a sink delivers".to_owned());
    } else if let Some(limit) = [80, 50].into_iter().find(|limit| percent >= *limit) {
        all.push(format!("the journal is over {limit} % full ({size_bytes} of {max_size_bytes} bytes)"));
    }
    if let Some(broken) = state.broken.as_ref().filter(|_| !full) {
        all.push(format!("the journal cannot be written: {broken}"));
    }
    for loss in state.losses.iter().filter(|loss| !loss.acknowledged) {
        let Loss { sink, rows, reason, .. } = loss;
        all.push(format!("`{sink}` lost {rows} rows ({reason}); `smiles journal ack` acknowledges it"));
    }
    let sinks = || state.health.sinks.iter().zip(&state.sinks);
    for (sink, SinkNotes { dropped: rows, .. }) in sinks().filter(|(_, known)| known.dropped > 0) {
        all.push(format!(
            "`{}` never got {rows} rows: the journal was full and `on_full: drop_oldest`; `smiles journal ack` \
             acknowledges it",
            sink.name
        ));
    }
    for sink in state.health.sinks.iter().filter(|sink| sink.state == SinkState::Halted) {
        let why = sink.last_error.as_ref().map_or("", |(_, why)| why.as_str());
        all.push(format!("`{}` is halted until its cause is fixed: {why}", sink.name));
    }
    for sink in state.health.sinks.iter().filter(|sink| sink.state == SinkState::Retrying) {
        let why = sink.last_error.as_ref().map_or("", |(_, why)| why.as_str());
        all.push(format!("`{}` cannot deliver, and is retried: {why}", sink.name));
    }
    for (sink, SinkNotes { aside, .. }) in sinks().filter(|(sink, _)| sink.dead_lettered > 0) {
        let (rows, name) = (sink.dead_lettered, &sink.name);
        let reasons: String = aside.iter().map(|reason| format!("; {reason}")).collect();
        all.push(format!(
            "{rows} rows of `{name}` are dead letters: `smiles journal dead-letter list` says why{reasons}"
        ));
    }
    for (sink, _) in sinks().filter(|(_, known)| known.exchanged) {
        all.push(format!(
            "`{}` has another target than before (deleted or exchanged while the bridge ran?): it got what the journal \
             retains, and older rows are not in it; this stands here until the next restart",
            sink.name
        ));
    }
    for (sink, SinkNotes { swallowed, .. }) in sinks() {
        all.extend(swallowed.iter().map(|(table, rows)| {
            let name = &sink.name;
            format!(
                "`{name}`: the table `{table}` did not keep {rows} of the rows that it took since the start: a trigger or \
                 rule leaves them out, and they are not delivered again"
            )
        }));
    }
    for (transform, rows) in &state.rejected {
        all.push(format!(
            "{rows} rows that the transform `{transform}` rejected are dead letters: `smiles journal dead-letter \
             list` says why"
        ));
    }
    all.extend(state.repairs.iter().cloned());
    all
}

#[cfg(test)]
mod tests {
    use smiles_journal::RowCounts;
    use smiles_stage::RunId;
    use smiles_testkit::ManualClock;

    use super::*;

    fn health_board(clock: &ManualClock) -> Arc<HealthBoard> {
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let sources = vec![unheard("DTU", "tcp://10.0.0.5:502 unit 1".into(), Some(Duration::from_secs(60)))];
        HealthBoard::new("roof", 1000, &clock, sources, vec![starting("store", "sqlite")])
    }

    #[test]
    fn a_partial_pass_is_a_success_and_an_error() {
        let clock = ManualClock::new();
        let health_board = health_board(&clock);
        health_board.passed(0, true, Some("inverter 3 did not answer"), false);
        clock.advance(Duration::from_secs(7));
        health_board.passed(0, false, Some("connection refused"), true);
        let source = health_board.health().sources.remove(0);
        assert_eq!((source.success_count, source.error_count), (1, 2));
        assert_eq!((source.state, source.stretched), (SourceState::Error, true));
        assert_eq!(source.since_success, Some(Duration::from_secs(7)));
        assert_eq!(source.last_error, Some((clock.now(), "connection refused".into())));
    }

    #[test]
    fn what_a_sink_is_done_with_is_what_its_books_say() {
        let health_board = health_board(&ManualClock::new());
        let row_counts = |in_use: bool, seq: u64| RowCounts {
            sink: "store".into(),
            in_use,
            watermarks: vec![(RunId([1; 16]), Seq(seq)), (RunId([2; 16]), Seq::ZERO)],
            ..RowCounts::default()
        };
        assert_eq!(health_board.done("store"), []);
        health_board.publish(Status { row_counts: vec![row_counts(true, 7)], ..Status::default() });
        health_board.publish(Status { row_counts: vec![row_counts(false, 9)], ..Status::default() });
        assert_eq!(health_board.done("store"), [Position { run: RunId([1; 16]), seq: Seq(7) }]);
        assert_eq!(health_board.done("another"), []);
    }

    #[test]
    fn every_warning_is_a_sentence() {
        let health_board = health_board(&ManualClock::new());
        let loss = Loss {
            sink: "store".into(),
            run: RunId([1; 16]),
            range: (Seq(1), Seq(2)),
            rows: 40,
            reason: "target went back".into(),
            acknowledged: false,
        };
        let known = Loss { acknowledged: true, ..loss.clone() };
        let row_counts = RowCounts {
            sink: "store".into(),
            in_use: true,
            accepted: 50,
            lost: 40,
            dropped: 5,
            noted: 2,
            ..RowCounts::default()
        };
        let repairs = vec!["the journal's tail was torn; 1 batch set aside".to_owned()];
        let status = Status {
            size_bytes: 812,
            losses: vec![loss, known],
            row_counts: vec![row_counts],
            repairs,
            ..Status::default()
        };
        health_board.publish(status);
        health_board.sink(0, SinkState::Halted, Some("the password is wrong"));
        // Nothing is set aside any more, though it went on until now.
        health_board.aside(0, vec!["40 since noon: a check".to_owned()]);
        health_board.appended(Some(("disk full".into(), false)));
        assert_eq!(
            health_board.health().warnings,
            [
                "the journal is over 80 % full (812 of 1000 bytes)",
                "the journal cannot be written: disk full",
                "`store` lost 40 rows (target went back); `smiles journal ack` acknowledges it",
                "`store` never got 3 rows: the journal was full and `on_full: drop_oldest`; `smiles journal ack` \
                 acknowledges it",
                "`store` is halted until its cause is fixed: the password is wrong",
                "the journal's tail was torn; 1 batch set aside",
            ]
        );
        health_board.publish(Status {
            row_counts: vec![RowCounts {
                sink: "store".into(),
                in_use: true,
                accepted: 50,
                dead_lettered: 41,
                ..RowCounts::default()
            }],
            ..Status::default()
        });
        let said = "41 rows of `store` are dead letters: `smiles journal dead-letter list` says why; 40 since noon: a check";
        assert!(
            health_board.health().warnings.iter().any(|warning| warning == said),
            "{:?}",
            health_board.health().warnings
        );
        health_board.swallowed(0, vec![("readings".into(), 7)]);
        let said = "`store`: the table `readings` did not keep 7 of the rows that it took since the start: a trigger or rule \
                    leaves them out, and they are not delivered again";
        assert!(health_board.health().warnings.iter().any(|warning| warning == said));
        health_board.appended(Some(("full".into(), true)));
        assert_eq!(
            health_board.health().warnings[0],
            "the journal is full: polling is paused until a sink delivers"
        );
        assert_eq!(
            (health_board.health().sinks[0].accepted, health_board.health().journal.writable),
            (50, false)
        );
    }
}
