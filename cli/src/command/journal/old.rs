//! `smiles journal old`: batches of a journal that may be an old copy, delivered or forgotten as a person says.

use std::path::Path;

use anyhow::{Context, anyhow};
use smiles_journal::{Guest, OldBatches, OldCopy};

use super::counted;
use crate::args::{OldArgs, OldDecision};
use crate::exit::Failure;

pub(super) fn run(args: &OldArgs) -> Result<(), Failure> {
    let mut concerned = 0;
    for (pipeline, path) in super::journals(&args.pipelines, &args.data)? {
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
        (None, 0) => crate::command::print("nothing is held back\n"),
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
            return crate::command::print(&format!("{pipeline}: `{sink}` holds back {what}\n"));
        }
        OldDecision::Deliver => OldBatches::Deliver,
        OldDecision::Forget => OldBatches::Forget,
    };
    let guest = Guest::enter(path, pipeline, super::now());
    guest
        .and_then(|guest| guest.decide(sink, decided))
        .with_context(|| format!("cannot note the decision in {}", path.display()))?;
    let done = match decided {
        OldBatches::Deliver => "will be delivered to",
        OldBatches::Forget => "are booked as lost to",
    };
    crate::command::print(&format!("{pipeline}: {what} {done} `{sink}`\n"))
}

fn held(path: &Path, pipeline: &str) -> Result<Vec<OldCopy>, Failure> {
    let guest = Guest::enter(path, pipeline, super::now());
    let held = guest.and_then(|guest| guest.old_copies());
    Ok(held.with_context(|| format!("cannot read {}", path.display()))?)
}
