//! `smiles journal dead-letter replay`: rows that were refused, to their targets once more.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use smiles_config::Environment;
use smiles_journal::{
    DeadLetterId, DeadLetterName, OperatorAccess, Selection, StoredDeadLetter, transform_of,
};
use smiles_runtime::{Replayed, SystemClock, replay};
use smiles_stage::Delivery;

use crate::command::journal::files::{counted, now, with_journals};
use crate::command::journal::select::{Selected, found_all, of_file, read};
use crate::exit::Failure;
use crate::project::{self, DataDir, Project};

pub(crate) fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let environment = Environment::from_process();
    let data_dir = project::data_dir(args.data.data_dir.as_deref(), &environment);
    let mut unseen = args.names.clone();
    let mut left = 0;
    for (project, path) in with_journals(&args.files, &environment, &data_dir)? {
        left += one(args, &data_dir, project, &path, &mut unseen)?;
    }
    found_all(&unseen)?;
    if left == 0 { Ok(()) } else { Err(anyhow!("{left} of the rows are not in their targets").into()) }
}

/// Replays the letters of one pipeline; how many did not arrive.
fn one(
    args: &ReplayArgs,
    data_dir: &Path,
    project: Project,
    path: &Path,
    unseen: &mut Vec<DeadLetterName>,
) -> Result<u64, Failure> {
    let pipeline = project.wired.name().to_owned();
    let found = read(path, &args.selected.of(&args.names))?;
    unseen.retain(|name| found.iter().all(|letter| !name.means(letter.letter.id())));
    let opened = OperatorAccess::enter(path, &pipeline, now());
    let access = opened.with_context(|| format!("cannot open {}", path.display()))?;
    let begun = access.in_replay().with_context(|| format!("cannot read {}", path.display()))?;
    let asked = &args.selected.sinks;
    let begun = begun.into_iter().filter(|sink| asked.is_empty() || asked.contains(sink));
    let sinks: BTreeSet<String> = found.iter().map(|letter| letter.sink.clone()).chain(begun).collect();
    if sinks.is_empty() {
        crate::command::console::print(&format!(
            "{pipeline}: no dead letter is selected: nothing to replay\n"
        ))?;
        return Ok(0);
    }
    let mut left = hand_back(&access, &project, &found)?;
    let options = crate::command::one_off::one_off_options(data_dir)?;
    crate::command::one_off::block_on_until_signal(async {
        let wanted = |sink: &str, delivery| delivery != Delivery::Live && sinks.contains(sink);
        let shown = project.shown;
        let mut targets = project.wired.targets(options, wanted).await.context("cannot open the sinks")?;
        for sink in sinks.iter().filter(|sink| transform_of(sink).is_none()) {
            let own = found.iter().filter(|letter| letter.sink == *sink);
            let dead_letters: Vec<DeadLetterId> = own.map(|letter| letter.letter.id()).collect();
            let told = match targets.iter_mut().find(|target| target.name == *sink) {
                Some(target) => replay(&access, target, &dead_letters, &SystemClock::new())
                    .await
                    .with_context(|| format!("{pipeline}: the replay was interrupted; run it again"))?,
                None => {
                    let said = format!("{pipeline}: {shown} has no sink `{sink}`; its dead letters stay\n");
                    crate::command::console::print(&said)?;
                    Replayed::default()
                }
            };
            let still = read(path, &Selection { sinks: vec![sink.clone()], ..Selection::default() })?;
            let still = still.iter().filter(|letter| dead_letters.contains(&letter.letter.id())).count();
            let still = u64::try_from(still).unwrap_or(u64::MAX);
            crate::command::console::print(&summary(&pipeline, sink, told, still))?;
            left += still;
        }
        Ok(left)
    })
}

/// Letters of transforms go to whoever runs the transforms, since these remember; how many the file has no transform for.
fn hand_back(access: &OperatorAccess, project: &Project, found: &[StoredDeadLetter]) -> Result<u64, Failure> {
    let (pipeline, shown) = (project.wired.name(), &project.shown);
    let transforms: BTreeSet<&str> = found.iter().filter_map(|letter| transform_of(&letter.sink)).collect();
    let named = project.loaded.pipeline.iter().flat_map(|pipeline| &pipeline.transforms);
    let named: Vec<&str> = named.map(|transform| transform.stage.name.as_str()).collect();
    let mut left = 0;
    for transform in transforms {
        let own = found.iter().filter(|letter| transform_of(&letter.sink) == Some(transform));
        let dead_letters: Vec<DeadLetterId> = own.map(|letter| letter.letter.id()).collect();
        let rows = counted(u64::try_from(dead_letters.len()).unwrap_or(u64::MAX), "row", "rows");
        if !named.contains(&transform) {
            let said = format!("{pipeline}: {shown} has no transform `{transform}`; its dead letters stay\n");
            crate::command::console::print(&said)?;
            left += u64::try_from(dead_letters.len()).unwrap_or(u64::MAX);
            continue;
        }
        access.hand_back(transform, &dead_letters).with_context(|| {
            format!("{pipeline}: the rows could not be returned to `{transform}`; try again")
        })?;
        crate::command::console::print(&format!(
            "{pipeline}: {rows} returned to the transform `{transform}`: the running bridge replays them within \
             seconds, else the next one that starts; `smiles journal dead-letter list` shows what is rejected \
             again\n"
        ))?;
    }
    Ok(left)
}

/// What became of the letters of a sink; `left` did not arrive.
fn summary(pipeline: &str, sink: &str, told: Replayed, left: u64) -> String {
    let Replayed { delivered, earlier, refused, unpruned } = told;
    let mut text = format!("{pipeline}: {} replayed to `{sink}`", counted(delivered, "row", "rows"));
    let mut more = |number: u64, what: &str| {
        if number > 0 {
            _ = write!(text, ", {number} {what}");
        }
    };
    more(earlier, "of them of a replay that was interrupted");
    more(refused, "refused again");
    more(
        left.saturating_sub(refused),
        "not replayed: their batch is still to be delivered, or their row was not kept",
    );
    more(unpruned, "watermarks of replays left in the target: the next replay deletes them");
    text.push('\n');
    text
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
    #[arg(value_name = "ID", value_parser = of_file)]
    pub(crate) names: Vec<DeadLetterName>,
    #[command(flatten)]
    pub(crate) selected: Selected,
    /// Pipeline file whose sinks are written to; may be repeated; none: the stock pipeline
    #[arg(long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_the_letters_is_one_line() {
        let told = Replayed { delivered: 3, earlier: 1, refused: 2, unpruned: 0 };
        assert_eq!(
            summary("p", "store", told, 2),
            "p: 3 rows replayed to `store`, 1 of them of a replay that was interrupted, 2 refused again\n"
        );
        let told = Replayed { delivered: 1, ..Replayed::default() };
        assert_eq!(summary("p", "store", told, 0), "p: 1 row replayed to `store`\n");
        assert!(summary("p", "store", told, 4).contains("4 not replayed"));
    }
}
