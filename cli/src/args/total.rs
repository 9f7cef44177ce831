//! `smiles total` and its commands.

use clap::{Args, Subcommand};

use super::DataDir;

#[derive(Debug, Subcommand)]
pub(crate) enum TotalCommand {
    /// List the lifetime totals that are published, and what the devices themselves say
    #[command(after_help = "Examples:
  smiles total list                            every total of every journal under DATA_DIR
  smiles total list --pipeline meters")]
    List(TotalListArgs),
    /// Correct a published total that is wrong for good
    Set(TotalSetArgs),
    /// Let the total of a replacement go on from where the total of what it replaces stood
    Move(TotalMoveArgs),
}

/// Which journals and which stage.
#[derive(Clone, Debug, Args)]
pub(crate) struct TotalPlace {
    /// Only of this pipeline; may be repeated
    #[arg(long = "pipeline", value_name = "PIPELINE")]
    pub(crate) pipelines: Vec<String>,
    /// Only of this stage, where several count for one key
    #[arg(long, value_name = "STAGE")]
    pub(crate) stage: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[derive(Debug, Args)]
pub(crate) struct TotalListArgs {
    #[command(flatten)]
    pub(crate) place: TotalPlace,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles total set 116182800001/1 1234567      in the unit of the column (Wh in the stock pipeline)
  smiles total set 116182800001/1 1234567 --yes

The correction is no production: sums over several devices do not change by it. It is written to the journal and lasts.
Works beside a running bridge, which takes it over with its next readings, or without one.")]
pub(crate) struct TotalSetArgs {
    /// Whose total, as `smiles total list` prints it
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
    /// What it is to be
    #[arg(value_name = "VALUE")]
    pub(crate) value: f64,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) place: TotalPlace,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  smiles total move 116182800001/1 116182809999/1

The replacement must have been heard once. What it published so far is added to the total of the old device, which
stays where it is: its rows are history. Sums over several devices do not change by it.")]
pub(crate) struct TotalMoveArgs {
    /// What was replaced
    #[arg(value_name = "OLD")]
    pub(crate) old: String,
    /// The replacement
    #[arg(value_name = "NEW")]
    pub(crate) new: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) place: TotalPlace,
}
