//! `smiles journal`: what the durable log holds, whether its books balance, and what an operator does about it.

pub(crate) mod ack;
pub(crate) mod dead_letter;
pub(crate) mod files;
pub(crate) mod old;
pub(crate) mod rename_sink;
pub(crate) mod replay;
pub(crate) mod select;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod verify;

use clap::Subcommand;

use crate::command::journal::dead_letter::DeadLetterCommand;
use crate::command::journal::files::JournalArgs;
use crate::command::journal::old::OldArgs;
use crate::command::journal::rename_sink::RenameSinkArgs;
use crate::command::run::RunArgs;
use crate::exit::Failure;

pub(crate) fn run(command: &JournalCommand) -> Result<(), Failure> {
    match command {
        JournalCommand::Status(args) => status::run(args),
        JournalCommand::Verify(args) => verify::run(args),
        JournalCommand::Ack(args) => ack::run(args),
        JournalCommand::DeadLetter(command) => dead_letter::run(command),
        JournalCommand::Old(args) => old::run(args),
        JournalCommand::RenameSink(args) => rename_sink::run(args),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Print size, runs and the row counts of every sink
    #[command(after_help = "Examples:
  smiles journal status                        every journal under DATA_DIR
  smiles journal status --json my-pipeline")]
    Status(JournalArgs),
    /// Compare the row counts of every sink with what its target says
    #[command(after_help = "Examples:
  smiles journal verify                        the stock pipeline
  smiles journal verify my-meter.yaml

Exit code 0: the row counts add up and every target has what was delivered to it; 1: they do not.")]
    Verify(RunArgs),
    /// Acknowledge what was lost, dropped or repaired: /health stops warning of it
    #[command(after_help = "Examples:
  smiles journal ack                           every journal under DATA_DIR
  smiles journal ack my-pipeline
  docker compose exec SERVICE smiles journal ack

Works beside a running bridge, whose /health follows within seconds. The row counts keep what was lost.")]
    Ack(JournalArgs),
    /// Rows that a target refused: list, show, replay or drop them
    #[command(subcommand)]
    DeadLetter(DeadLetterCommand),
    /// Decide about batches that are held back because the journal may be an old copy
    Old(OldArgs),
    /// Rename a sink in journal and target, after it was renamed in the pipeline file
    RenameSink(RenameSinkArgs),
}
