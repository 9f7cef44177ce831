//! How a running pipeline is, as plain data for /health, the dashboard and `smiles health`.

use std::time::Duration;

use jiff::Timestamp;

use crate::Position;

/// Asks the runtime.
pub trait HealthView: Send + Sync {
    /// The state of this moment.
    fn health(&self) -> Health;

    /// A number that grows whenever this sink has made rows durable; cheaper than asking for everything.
    fn progress(&self, sink: &str) -> u64 {
        let sinks = self.health().sinks;
        sinks.iter().find(|known| known.name == sink).map_or(0, |sink| sink.delivered)
    }

    /// Of each run the last batch that this sink owes nothing of any more, nor of those before it: durable in the
    /// target, or given up. Empty: nobody knows.
    fn done(&self, _sink: &str) -> Vec<Position> {
        Vec::new()
    }
}

/// A pipeline's state.
#[derive(Clone, Debug)]
pub struct Health {
    /// The pipeline's name.
    pub pipeline: String,
    /// When it began to run.
    pub started: Timestamp,
    /// How long ago that was, by the monotonic clock.
    pub uptime: Duration,
    /// In the order of the file.
    pub sources: Vec<SourceHealth>,
    /// In the order of the file.
    pub sinks: Vec<SinkHealth>,
    /// The durable log.
    pub journal: JournalHealth,
    /// Sentences for the operator: nearly full, lost ranges, repaired damage.
    pub warnings: Vec<String>,
    /// Polls whose rows are not yet in the journal.
    pub queued: u64,
}

/// Whether a source was heard on its last pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// No pass has ended yet.
    Unknown,
    /// The last pass brought rows.
    Online,
    /// The last pass brought nothing.
    Error,
}

/// One source.
#[derive(Clone, Debug)]
pub struct SourceHealth {
    /// Its name in the file.
    pub name: String,
    /// What it talks to, for people: `tcp://10.0.0.5:502 unit 1`.
    pub address: String,
    /// After the last pass.
    pub state: SourceState,
    /// Declared period, if it is polled.
    pub every: Option<Duration>,
    /// Whether failures have stretched the period.
    pub stretched: bool,
    /// When the last pass with rows ended.
    pub last_success: Option<Timestamp>,
    /// How long ago that was, by the monotonic clock.
    pub since_success: Option<Duration>,
    /// Passes with rows.
    pub success_count: u64,
    /// Passes that failed wholly or in part.
    pub error_count: u64,
    /// The last failure, and when; not cleared by success.
    pub last_error: Option<(Timestamp, String)>,
}

/// How a sink is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkState {
    /// Opening, or nothing was delivered yet.
    Starting,
    /// The last attempt succeeded.
    Delivering,
    /// The last attempt failed; it is tried again.
    Retrying,
    /// Stopped until a person acts; tried again every five minutes.
    Halted,
}

/// One sink, with its books: accepted = delivered + dead_lettered + dropped + lost + waiting (rows).
#[derive(Clone, Debug)]
pub struct SinkHealth {
    /// Its name in the file.
    pub name: String,
    /// Its `type:`.
    pub type_name: String,
    /// After the last attempt.
    pub state: SinkState,
    /// The last failure, and when; cleared by success.
    pub last_error: Option<(Timestamp, String)>,
    /// Rows owed to it since it joined the journal.
    pub accepted: u64,
    /// Rows durable in the target.
    pub delivered: u64,
    /// Rows set aside with a reason.
    pub dead_lettered: u64,
    /// Rows dropped by `on_full: drop_oldest`.
    pub dropped: u64,
    /// Rows a target lost by going back, or a damaged journal could not give.
    pub lost: u64,
    /// Rows still to deliver.
    pub waiting: u64,
    /// Batches still to deliver.
    pub waiting_batches: u64,
    /// Since when the oldest of them waits.
    pub waiting_since: Option<Timestamp>,
}

/// The journal.
#[derive(Clone, Debug, Default)]
pub struct JournalHealth {
    /// Whether the last append succeeded.
    pub writable: bool,
    /// Bytes in use.
    pub size_bytes: u64,
    /// `journal.max_size`.
    pub max_size_bytes: u64,
    /// Whether polls wait because it is full.
    pub full: bool,
}
