//! `smiles journal rename-sink`: the target first, then the journal; either may have been done before.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use smiles_config::Environment;
use smiles_journal::{JournalError, OperatorAccess, inspect};
use smiles_stage::{Delivery, did_you_mean};

use crate::command::journal::files::{named, now};
use crate::exit::Failure;
use crate::project::{self, DataDir, Project};
use crate::registry;

pub(crate) fn run(args: &RenameSinkArgs) -> Result<(), Failure> {
    let environment = Environment::from_process();
    let data_dir = project::data_dir(args.data.data_dir.as_deref(), &environment);
    let entry = match &args.file {
        Some(file) => project::entry(file)?,
        None => project::stock(&environment),
    };
    let project = project::open(&entry, &environment, &registry::built_in())?;
    names_fit(args, &project)?;
    let pipeline = project.wired.name().to_owned();
    let (_, path) = named(&data_dir, &pipeline)?;
    let access = OperatorAccess::alone(&path, &pipeline, now()).map_err(|error| in_use(error, &pipeline))?;
    has_a_place(args, &path)?;
    let options = crate::command::one_off::one_off_options(&data_dir)?;
    crate::command::one_off::block_on_until_signal(async {
        let wanted = |sink: &str, delivery| delivery != Delivery::Live && sink == args.new;
        let targets = project.wired.targets(options, wanted).await.context("cannot open the sink")?;
        for mut target in targets {
            target.rename(&args.old).await.map_err(|error| {
                anyhow!(
                    "cannot rename `{}` in its target: {}; nothing was changed, try again",
                    args.old,
                    error.chain()
                )
            })?;
        }
        Ok(())
    })?;
    let news = access.rename_sink(&args.old, &args.new).with_context(|| {
        format!("the target has the new name `{}`, the journal not yet; run this command again", args.new)
    })?;
    let RenameSinkArgs { old, new, .. } = args;
    let said = if news {
        format!("`{old}` is `{new}` now, in target and journal")
    } else {
        format!(
            "nothing to do: the journal has no cursor of `{old}` (renamed before, or never there), and has one of \
             `{new}`"
        )
    };
    crate::command::console::print(&format!("{pipeline}: {said}\n"))
}

/// The new name is in the file, the old one is not.
fn names_fit(args: &RenameSinkArgs, project: &Project) -> Result<(), Failure> {
    let names: Vec<&str> = project.wired.cursor_names().collect();
    let (old, new, file) = (&args.old, &args.new, &project.shown);
    if names.contains(&old.as_str()) {
        return Err(Failure::configuration(format!(
            "{file} still has a sink `{old}`: rename it in the file first, then run this command"
        )));
    }
    if !names.contains(&new.as_str()) {
        let help = did_you_mean(new, names).map_or(String::new(), |help| format!(" ({help})"));
        return Err(Failure::configuration(format!(
            "{file} has no sink `{new}` that keeps a cursor in the journal{help}"
        )));
    }
    Ok(())
}

/// The journal has a place for one of the names and not for both: asked before the target is changed.
fn has_a_place(args: &RenameSinkArgs, path: &std::path::Path) -> Result<(), Failure> {
    let status = inspect(path).with_context(|| format!("cannot read {}", path.display()))?;
    let place = |name: &str| status.row_counts.iter().find(|row_counts| row_counts.sink == name);
    let RenameSinkArgs { old, new, .. } = args;
    match (place(old), place(new)) {
        (Some(_), None) | (None, Some(_)) => Ok(()),
        (None, None) => Err(Failure::configuration(format!(
            "{} has a cursor neither of `{old}` nor of `{new}`: there is nothing to rename",
            path.display()
        ))),
        (Some(row_counts), Some(_)) => Err(anyhow!(
            "`{new}` has its own cursor in the journal since, and the two cursors cannot be merged; `{new}` \
             continues from its own, and {} rows that waited for `{old}` are not delivered",
            row_counts.waiting
        )
        .into()),
    }
}

fn in_use(error: JournalError, pipeline: &str) -> Failure {
    match error {
        JournalError::Locked { path } => Failure::Runtime(anyhow!(
            "a bridge is working with {}: stop it first, then rename the sink of `{pipeline}`, then start it",
            path.display()
        )),
        other => Failure::Runtime(anyhow::Error::new(other).context("cannot open the journal")),
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  smiles journal rename-sink store archive my-meter.yaml

Rename the sink in the pipeline file first, stop the bridge, then run this: the watermarks in the target and the
sink's cursor in the journal get the new name, so that nothing is delivered twice and nothing that waits is skipped.
It may be run again.")]
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
