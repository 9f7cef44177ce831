//! `smiles journal` and its commands.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use smiles_journal::{LetterName, Selection};

use super::{DataDir, RunArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Print size, runs and the books of every sink
    #[command(after_help = "Examples:
  smiles journal status                        every journal under DATA_DIR
  smiles journal status --json my-pipeline")]
    Status(JournalArgs),
    /// Reconcile the books of every sink with what its target says
    #[command(after_help = "Examples:
  smiles journal verify                        the stock pipeline
  smiles journal verify my-meter.yaml

Exit code 0: the books balance and every target has what the journal thinks it has; 1: not so.")]
    Verify(RunArgs),
    /// Take note of what was lost, dropped or repaired: /health stops warning of it
    #[command(after_help = "Examples:
  smiles journal ack                           every journal under DATA_DIR
  smiles journal ack my-pipeline
  docker compose exec SERVICE smiles journal ack

Works beside a running bridge, whose /health follows within seconds. The books keep what was lost.")]
    Ack(JournalArgs),
    /// Rows that a target refused: list, show, replay or drop them
    #[command(subcommand)]
    DeadLetter(DeadLetterCommand),
    /// Decide about batches that are held back because the journal may be an old copy
    Old(OldArgs),
    /// Tell journal and target that a sink of a pipeline file has a new name
    RenameSink(RenameSinkArgs),
}

/// What a person decides about batches that are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OldDecision {
    /// Say what is held back, and change nothing
    List,
    /// The target does not have them: deliver them
    Deliver,
    /// The target has them: book them as lost to this sink, and take note of it
    Forget,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles journal old list                      what is held back, in every journal under DATA_DIR
  smiles journal old deliver store             the target does not have it
  smiles journal old forget store              the target has it

A sink holds batches back where the target knows none of the runs up to them and more than 400 days lie between them
and the readings of today: then the file may be a copy from long ago, and its original may have delivered them. Look
whether the target has readings of that time, then say so. Works beside a running bridge, which looks every five
minutes; `kill -HUP` or a restart makes it look at once.")]
pub(crate) struct OldArgs {
    /// What to do
    #[arg(value_name = "DECISION")]
    pub(crate) decision: OldDecision,
    /// The sink that holds batches back
    #[arg(value_name = "SINK", required_if_eq_any([("decision", "deliver"), ("decision", "forget")]))]
    pub(crate) sink: Option<String>,
    /// Only of this pipeline; may be repeated
    #[arg(long = "pipeline", value_name = "PIPELINE")]
    pub(crate) pipelines: Vec<String>,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
pub(crate) struct JournalArgs {
    /// Names of pipelines; none: all under DATA_DIR
    #[arg(value_name = "PIPELINE")]
    pub(crate) pipelines: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    /// List dead letters with their reasons
    List(ListArgs),
    /// Print dead letters with their rows
    Show(ShowArgs),
    /// Bring dead letters to their targets once more, after what refused them was repaired
    Replay(ReplayArgs),
    /// Give dead letters up: their rows are never delivered
    Drop(DropArgs),
}

/// Which dead letters; every option given must hold.
#[derive(Clone, Debug, Args)]
pub(crate) struct Selected {
    /// Only of this sink; may be repeated
    #[arg(long = "sink", value_name = "SINK")]
    pub(crate) sinks: Vec<String>,
    /// Only with this code of the target (an SQLSTATE, a constraint); may be repeated
    #[arg(long = "code", value_name = "CODE")]
    pub(crate) codes: Vec<String>,
}

impl Selected {
    /// The selection, of these names.
    pub(crate) fn of(&self, names: &[LetterName]) -> Selection {
        Selection { sinks: self.sinks.clone(), codes: self.codes.clone(), names: names.to_vec() }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles journal dead-letter list
  smiles journal dead-letter list --sink store --code 23514
  smiles journal dead-letter list --json my-pipeline

The id of a letter, RUN-SEQ-ROW, is what the other commands take; the run may be shortened to its first digits.")]
pub(crate) struct ListArgs {
    /// Names of pipelines; none: all under DATA_DIR
    #[arg(value_name = "PIPELINE")]
    pub(crate) pipelines: Vec<String>,
    #[command(flatten)]
    pub(crate) selected: Selected,
    /// Print a JSON array
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles journal dead-letter show 3f2a9c1b-17-0
  smiles journal dead-letter show --json 3f2a9c1b-17-0 3f2a9c1b-17-3")]
pub(crate) struct ShowArgs {
    /// Ids as `list` prints them
    #[arg(value_name = "ID", required = true)]
    pub(crate) names: Vec<LetterName>,
    /// Only of this pipeline; may be repeated
    #[arg(long = "pipeline", value_name = "PIPELINE")]
    pub(crate) pipelines: Vec<String>,
    /// Only of this sink; may be repeated
    #[arg(long = "sink", value_name = "SINK")]
    pub(crate) sinks: Vec<String>,
    /// Print a JSON array
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles journal dead-letter replay            all dead letters of the stock pipeline
  smiles journal dead-letter replay 3f2a9c1b-17-0
  smiles journal dead-letter replay --file my-meter.yaml --sink store

Works beside a running bridge. A row is stored exactly once however often this is interrupted and repeated (by a
target that keeps watermarks; by others at least once). What is refused again stays a dead letter, with its new
reason. Exit code 0: all are in their targets; 1: some are not.")]
pub(crate) struct ReplayArgs {
    /// Ids as `list` prints them; none: all
    #[arg(value_name = "ID")]
    pub(crate) names: Vec<LetterName>,
    #[command(flatten)]
    pub(crate) selected: Selected,
    /// Pipeline file whose sinks are written to; may be repeated; none: the stock pipeline
    #[arg(long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles journal dead-letter drop 3f2a9c1b-17-0
  smiles journal dead-letter drop --sink store --code 23514
  smiles journal dead-letter drop --all --yes

Works beside a running bridge. The rows are booked as dropped. There is no way back.")]
pub(crate) struct DropArgs {
    /// Ids as `list` prints them
    #[arg(value_name = "ID")]
    pub(crate) names: Vec<LetterName>,
    #[command(flatten)]
    pub(crate) selected: Selected,
    /// All dead letters (that the other options leave)
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// Only of this pipeline; may be repeated
    #[arg(long = "pipeline", value_name = "PIPELINE")]
    pub(crate) pipelines: Vec<String>,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  smiles journal rename-sink store archive my-meter.yaml

Rename the sink in the pipeline file first, stop the bridge, then run this: the watermarks in the target and the
sink's place in the journal get the new name, so that nothing is delivered twice and nothing that waited is skipped.
It may be repeated.")]
pub(crate) struct RenameSinkArgs {
    /// The name it had
    #[arg(value_name = "OLD")]
    pub(crate) old: String,
    /// The name it has in the file now
    #[arg(value_name = "NEW")]
    pub(crate) new: String,
    /// The pipeline file; none: the stock pipeline
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataDir,
}
