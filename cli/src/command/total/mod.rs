//! `smiles total`: the lifetime totals that are published, and how a person corrects one.

mod kept;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use kept::{Kept, Total, handed_on, set_by_hand};
use smiles_journal::{Correction, JournalError, OperatorAccess, StateChange};

use crate::command::confirm::confirm;
use crate::command::console::print;
use crate::command::journal::files::{journals, now};
use crate::command::journal::table::table;
use crate::exit::Failure;
use crate::project::DataDir;

/// Beyond this not every whole number can be told from the next.
const VALUE_MAX: f64 = 9_007_199_254_740_992.0;

pub(crate) fn run(command: &TotalCommand) -> Result<(), Failure> {
    match command {
        TotalCommand::List(args) => list(&args.place),
        TotalCommand::Set(args) => set(args),
        TotalCommand::Move(args) => hand_on(args),
    }
}

/// The journal of a pipeline, and what it keeps of totals.
struct JournalTotals {
    pipeline: String,
    path: PathBuf,
    kept: Kept,
}

impl JournalTotals {
    fn totals<'a>(&'a self, place: &'a TotalPlace) -> impl Iterator<Item = Total> + 'a {
        let wanted = |total: &Total| place.stage.as_ref().is_none_or(|stage| *stage == total.stage);
        self.kept.totals().filter(wanted)
    }

    /// Decides by what the journal holds once nobody else writes, and corrects. `decide` says what to add, and the sentence.
    fn correct(
        &self,
        decide: impl FnOnce(&Kept) -> Result<(Vec<StateChange>, String), String>,
    ) -> Result<(), Failure> {
        let access = match OperatorAccess::alone(&self.path, &self.pipeline, now()) {
            Err(JournalError::Locked { .. }) => OperatorAccess::enter(&self.path, &self.pipeline, now()),
            alone => alone,
        };
        let done = access.and_then(|access| {
            // Alone with the journal the state is what it is; a bridge adds to what it has in memory.
            let alone = access.is_alone();
            let corrected = access.correct(now(), |held| {
                let kept = Kept::new(held);
                let (by, sentence) = decide(&kept)?;
                let changes = if alone { kept.added(&by) } else { by };
                Ok(Correction { changes, sentence })
            });
            Ok((corrected?.sentence, alone))
        });
        let (sentence, alone) =
            done.with_context(|| format!("cannot correct a total in {}", self.path.display()))?;
        let when = if alone { "" } else { "; the running bridge applies it with its next readings" };
        print(&format!("{}: {sentence}{when}\n", self.pipeline))
    }
}

fn places(place: &TotalPlace) -> Result<Vec<JournalTotals>, Failure> {
    let read = |(pipeline, path): (String, PathBuf)| {
        let kept = read(&path, &pipeline)?;
        Ok(JournalTotals { pipeline, path, kept })
    };
    journals(&place.pipelines, &place.data)?.into_iter().map(read).collect()
}

fn read(path: &Path, pipeline: &str) -> Result<Kept, Failure> {
    let read = OperatorAccess::enter(path, pipeline, now()).and_then(|access| access.correctable_state());
    Ok(Kept::new(read.with_context(|| format!("cannot read {}", path.display()))?))
}

fn list(place: &TotalPlace) -> Result<(), Failure> {
    for found in places(place)? {
        let mut held = Vec::new();
        let cells = |total: Total| {
            held.extend(total.held().map(|(value, since)| {
                format!(
                    "  {}: the device says {value} since {since}, held until it is confirmed\n",
                    total.shown()
                )
            }));
            let (published, own) = (total.published().to_string(), total.raw().to_string());
            [total.shown(), published, own, total.read_at().to_owned(), total.stage]
        };
        let mut rows: Vec<_> = found.totals(place).map(cells).collect();
        rows.sort();
        held.sort();
        let text = if rows.is_empty() {
            format!("{}: no totals\n", found.pipeline)
        } else {
            format!("{}\n{}", found.pipeline, table(&["key", "published", "device", "read", "stage"], &rows))
        };
        print(&text)?;
        let corrected = found.kept.corrections.iter().map(|sentence| format!("  corrected {sentence}\n"));
        for line in held.into_iter().chain(corrected) {
            print(&line)?;
        }
    }
    Ok(())
}

/// The one total of a key.
fn find(
    places: Vec<JournalTotals>,
    key: &str,
    place: &TotalPlace,
) -> Result<(JournalTotals, Total), Failure> {
    let wanted = key.replace('/', "\0").into_bytes();
    let mut found = Vec::new();
    for journal in places {
        let totals: Vec<Total> = journal.totals(place).filter(|total| total.key == wanted).collect();
        if totals.len() > 1 {
            let stages: Vec<&str> = totals.iter().map(|total| total.stage.as_str()).collect();
            let advice = "say which with --stage";
            return Err(Failure::configuration(format!(
                "several stages count for `{key}`: {}; {advice}",
                stages.join(", ")
            )));
        }
        found.extend(totals.into_iter().next().map(|total| (journal, total)));
    }
    match found.len() {
        1 => found.pop().ok_or_else(|| anyhow!("the total is gone").into()),
        0 => Err(anyhow!("there is no total of `{key}`: `smiles total list` prints the keys").into()),
        _ => Err(Failure::configuration(format!(
            "several pipelines have a total of `{key}`: say which with --pipeline"
        ))),
    }
}

fn set(args: &TotalSetArgs) -> Result<(), Failure> {
    let value = args.value;
    if !(0.0..=VALUE_MAX).contains(&value) {
        return Err(Failure::configuration(format!("VALUE must be a number from 0 to {VALUE_MAX}")));
    }
    let (journal, total) = find(places(&args.place)?, &args.key, &args.place)?;
    if value.fract() != 0.0 && total.published().fract() == 0.0 && total.raw().fract() == 0.0 {
        return Err(Failure::configuration(format!(
            "`{}` counts in whole units: VALUE has a fraction",
            args.key
        )));
    }
    ask(&set_by_hand(&total, value), args.yes)?;
    journal.correct(|kept| {
        let total = kept.now(&total)?;
        Ok((kept.moved(&total, value - total.published()), set_by_hand(&total, value)))
    })
}

fn hand_on(args: &TotalMoveArgs) -> Result<(), Failure> {
    if args.old == args.new {
        return Err(Failure::configuration("OLD and NEW are the same"));
    }
    let (from, old) = find(places(&args.place)?, &args.old, &args.place)?;
    let (journal, new) = find(places(&args.place)?, &args.new, &args.place).map_err(|_| {
        anyhow!("there is no total of `{}`: a replacement must have been read once", args.new)
    })?;
    if from.path != journal.path || old.stage != new.stage {
        return Err(Failure::configuration("OLD and NEW are counted by different stages"));
    }
    apart(&journal.kept, &new, &old).map_err(|message| anyhow!(message))?;
    ask(&handed_on(&new, &old), args.yes)?;
    journal.correct(|kept| {
        apart(kept, &new, &old)?;
        let (new, old) = (kept.now(&new)?, kept.now(&old)?);
        Ok((kept.moved(&new, old.published()), handed_on(&new, &old)))
    })
}

/// Neither has the history of the other yet.
fn apart(kept: &Kept, new: &Total, old: &Total) -> Result<(), String> {
    for (heir, from) in [(new, old), (old, new)] {
        if kept.goes_on_from(&heir.shown()).contains(&from.shown()) {
            let advice = "its total is in there already; `smiles total set` undoes it";
            return Err(format!("{} goes on from {} already: {advice}", heir.shown(), from.shown()));
        }
    }
    Ok(())
}

fn ask(sentence: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        Ok(())
    } else {
        confirm(sentence, &format!("{sentence}: correcting a total"), "nothing was changed")
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum TotalCommand {
    /// List the lifetime totals that are published, and what the devices themselves say
    #[command(after_help = "Examples:
  smiles total list                            every total of every journal under DATA_DIR
  smiles total list --pipeline meters")]
    List(TotalListArgs),
    /// Correct a published total that stays wrong
    Set(TotalSetArgs),
    /// Let the total of a replacement go on from where the total of what it replaces stood
    Move(TotalMoveArgs),
}

/// Which journals and which stage.
#[derive(Clone, Debug, Args)]
pub(crate) struct TotalPlace {
    /// Only of this pipeline (its name or its file); may be repeated
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
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) place: TotalPlace,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  smiles total move 116182800001/1 116182809999/1

The replacement must have been read once. What it published so far is added to the total of the old device, which
stays where it is: its rows are history. Sums over several devices do not change by it.")]
pub(crate) struct TotalMoveArgs {
    /// What was replaced
    #[arg(value_name = "OLD")]
    pub(crate) old: String,
    /// The replacement
    #[arg(value_name = "NEW")]
    pub(crate) new: String,
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) place: TotalPlace,
}
