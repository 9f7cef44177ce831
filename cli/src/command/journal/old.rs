//! `smiles journal old`: batches of a journal that may be an old copy, delivered or forgotten as a person says.

use std::path::Path;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use smiles_journal::{OldBatches, OldCopy, OperatorAccess};

use crate::command::journal::files::{counted, journals, now};
use crate::exit::Failure;
use crate::project::DataDir;

pub(crate) fn run(args: &OldArgs) -> Result<(), Failure> {
    let mut concerned = 0;
    for (pipeline, path) in journals(&args.pipelines, &args.data)? {
        let held = held(&path, &pipeline)?;
        let wanted = |held: &&OldCopy| args.sink.as_ref().is_none_or(|sink| *sink == held.sink);
        for held in held.iter().filter(wanted) {
            concerned += 1;
            one(args.decision, &path, &pipeline, held)?;
        }
    }
    match (&args.sink, concerned) {
        (Some(sink), 0) => {
            Err(anyhow!("nothing is held back for `{sink}`: `smiles journal old list` says what is").into())
        }
        (None, 0) => crate::command::console::print("nothing is held back\n"),
        _ => Ok(()),
    }
}

fn one(decision: OldDecision, path: &Path, pipeline: &str, held: &OldCopy) -> Result<(), Failure> {
    let what = format!(
        "{} ({}) of up to {}",
        counted(held.batches, "batch", "batches"),
        counted(held.rows, "row", "rows"),
        held.last.strftime("%Y-%m-%dT%H:%M:%SZ")
    );
    let sink = &held.sink;
    let decided = match decision {
        OldDecision::List => {
            return crate::command::console::print(&format!("{pipeline}: `{sink}` holds back {what}\n"));
        }
        OldDecision::Deliver => OldBatches::Deliver,
        OldDecision::Forget => OldBatches::Forget,
    };
    let access = OperatorAccess::enter(path, pipeline, now());
    access
        .and_then(|access| access.decide(sink, decided))
        .with_context(|| format!("cannot write the decision to {}", path.display()))?;
    let done = match decided {
        OldBatches::Deliver => "will be delivered to",
        OldBatches::Forget => "are booked as lost to",
    };
    crate::command::console::print(&format!("{pipeline}: {what} {done} `{sink}`\n"))
}

fn held(path: &Path, pipeline: &str) -> Result<Vec<OldCopy>, Failure> {
    let access = OperatorAccess::enter(path, pipeline, now());
    let held = access.and_then(|access| access.old_copies());
    Ok(held.with_context(|| format!("cannot read {}", path.display()))?)
}

/// What a person decides about batches that are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OldDecision {
    /// List what is held back, and change nothing
    List,
    /// The target does not have them: deliver them
    Deliver,
    /// The target has them: count them as lost to this sink, and acknowledge the loss
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
    /// Only of this pipeline (its name or its file); may be repeated
    #[arg(long = "pipeline", value_name = "PIPELINE")]
    pub(crate) pipelines: Vec<String>,
    #[command(flatten)]
    pub(crate) data: DataDir,
}
