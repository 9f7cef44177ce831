//! What the journal knows of its sinks: books, losses, repairs.

use jiff::Timestamp;
use smiles_stage::{RunId, Seq, TargetId};

/// A sink's books in rows: accepted = delivered + dead_lettered + dropped + lost + waiting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// The sink.
    pub sink: String,
    /// Whether the running file names it.
    pub in_use: bool,
    /// Rows owed since it joined.
    pub accepted: u64,
    /// Rows durable in the target.
    pub delivered: u64,
    /// Rows set aside.
    pub dead_lettered: u64,
    /// Rows dropped by `drop_oldest`, and dead letters given up.
    pub dropped: u64,
    /// Rows lost.
    pub lost: u64,
    /// Of the dropped, those a person knows of.
    pub noted: u64,
    /// Rows still to deliver.
    pub waiting: u64,
    /// Batches still to deliver.
    pub waiting_batches: u64,
    /// When the oldest of them was accepted.
    pub waiting_since: Option<Timestamp>,
    /// Delivered up to, per run still known, oldest first.
    pub watermarks: Vec<(RunId, Seq)>,
    /// The target it last spoke to.
    pub target: Option<TargetId>,
}

/// Rows that a sink will never get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The sink.
    pub sink: String,
    /// The run.
    pub run: RunId,
    /// First and last batch, inclusive.
    pub range: (Seq, Seq),
    /// How many rows they had.
    pub rows: u64,
    /// Why: `target went back`, `journal damaged`.
    pub reason: String,
    /// Whether `smiles journal ack` was said.
    pub acknowledged: bool,
}

/// What the journal holds.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Bytes in use (free pages not counted).
    pub size_bytes: u64,
    /// Of those, what dead letters take: they have a share of their own, a quarter of `max_size` beside it.
    pub dead_letter_bytes: u64,
    /// Batches retained.
    pub batches: u64,
    /// Rows retained.
    pub rows: u64,
    /// Runs known: id, first accepted, highest seq, highest seq deleted; oldest first.
    pub runs: Vec<(RunId, Timestamp, Seq, Seq)>,
    /// Per sink.
    pub row_counts: Vec<RowCounts>,
    /// Ranges lost.
    pub losses: Vec<Loss>,
    /// Per transform that ever rejected a row, by the name of its dead letters ([`transform_owner`](crate::api::dead_letter::transform_owner)):
    /// accepted are the rows it rejected, delivered those that went on after a repair.
    pub transforms: Vec<RowCounts>,
    /// Dead letters per sink and transform are in the books; this is their number in all.
    pub dead_letters: u64,
    /// Dead letters of transforms that a person handed back and that wait for their turn.
    pub replay_requests: u64,
    /// What was repaired at opening, as sentences; empty: nothing.
    pub repairs: Vec<String>,
}

/// What the target's word changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// The target is not the one the cursor remembered (or had none): what is retained is delivered to it.
    pub different_target: bool,
    /// Batches the journal thought delivered and the target does not have; they are delivered again.
    pub back: u64,
    /// Ranges the target lost that are deleted here.
    pub lost: Vec<Loss>,
    /// The journal is older than what it may speak for: every run it knows of was forgotten or is unknown
    /// to the target in a way that makes writing unsafe; a sentence for the operator. The sink halts.
    pub refused: Option<String>,
}

/// What an acknowledgement took note of; all zero: there was nothing new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Ranges lost.
    pub losses: u64,
    /// Rows dropped by `drop_oldest`.
    pub dropped_rows: u64,
    /// Sentences about repairs.
    pub repairs: u64,
}

/// What maintenance did.
#[derive(Clone, Debug, Default)]
pub struct Maintained {
    /// Batches deleted.
    pub deleted: u64,
    /// Runs forgotten for good: [`crate::Journal::unpruned`] remembers their watermark rows until every target was told.
    pub forgotten: Vec<RunId>,
}
