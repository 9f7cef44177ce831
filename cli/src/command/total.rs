//! `smiles total`: the lifetime totals that are published, and how a person corrects one.
//!
//! What a counter keeps of a key is an object with `published`; other stages that follow the published total of a key
//! keep the last they saw as `total`. A correction moves all of them by as much, so that it is no production to anyone.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::{Map, Value};
use smiles_journal::{Guest, JournalError, StateChange};

use super::journal::{journals, now, table};
use crate::args::{TotalCommand, TotalMoveArgs, TotalPlace, TotalSetArgs};
use crate::exit::Failure;

/// Before the key of what a sum remembers of it.
const OF_SUM: &[u8] = b"key\0";

pub(super) fn run(command: &TotalCommand) -> Result<(), Failure> {
    match command {
        TotalCommand::List(args) => list(&args.place),
        TotalCommand::Set(args) => set(args),
        TotalCommand::Move(args) => hand_on(args),
    }
}

/// The total of one key.
struct Total {
    stage: String,
    key: Vec<u8>,
    kept: Map<String, Value>,
}

impl Total {
    fn of(change: &StateChange) -> Option<Self> {
        let kept: Map<String, Value> = serde_json::from_slice(&change.value).ok()?;
        kept.get("published")?.as_f64()?;
        Some(Self { stage: change.stage.clone(), key: change.key.clone(), kept })
    }

    fn number(&self, name: &str) -> f64 {
        self.kept.get(name).and_then(Value::as_f64).unwrap_or(0.0)
    }

    fn published(&self) -> f64 {
        self.number("published")
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.key).replace('\0', "/")
    }
}

/// A journal and all state in it.
struct Place {
    pipeline: String,
    path: PathBuf,
    state: Vec<StateChange>,
    corrections: Vec<String>,
}

impl Place {
    fn totals<'a>(&'a self, place: &'a TotalPlace) -> impl Iterator<Item = Total> + 'a {
        let wanted = |total: &Total| place.stage.as_ref().is_none_or(|stage| *stage == total.stage);
        self.state.iter().filter_map(Total::of).filter(wanted)
    }

    /// Everything that follows the total of the key, moved by as much; the counter's own first.
    fn moved(&self, total: &Total, by: f64) -> Result<Vec<StateChange>, Failure> {
        let mut kept = total.kept.clone();
        kept.insert("published".to_owned(), Value::from(total.published() + by));
        let mut changes = vec![(total.stage.clone(), total.key.clone(), kept)];
        let of_sum = [OF_SUM, &total.key].concat();
        for change in self.state.iter().filter(|change| change.key == total.key || change.key == of_sum) {
            let Ok(mut kept) = serde_json::from_slice::<Map<String, Value>>(&change.value) else { continue };
            let Some(last) = kept.get("total").and_then(Value::as_f64) else { continue };
            kept.insert("total".to_owned(), Value::from(last + by));
            changes.push((change.stage.clone(), change.key.clone(), kept));
        }
        let written = changes.into_iter().map(|(stage, key, kept)| {
            let value = serde_json::to_vec(&kept).context("cannot write a total")?;
            Ok(StateChange { stage, key, value })
        });
        written.collect()
    }

    /// Writes the correction; whether a bridge has to take it over first.
    fn correct(&self, changes: &[StateChange], sentence: &str) -> Result<bool, Failure> {
        let (guest, beside) = match Guest::alone(&self.path, &self.pipeline, now()) {
            Err(JournalError::Locked { .. }) => (Guest::enter(&self.path, &self.pipeline, now()), true),
            alone => (alone, false),
        };
        let done = guest.and_then(|guest| guest.correct(changes, sentence, now()));
        done.with_context(|| format!("cannot correct a total in {}", self.path.display()))?;
        Ok(beside)
    }
}

fn places(place: &TotalPlace) -> Result<Vec<Place>, Failure> {
    let read = |(pipeline, path): (String, PathBuf)| {
        let (state, corrections) = read(&path, &pipeline)?;
        Ok(Place { pipeline, path, state, corrections })
    };
    journals(&place.pipelines, &place.data)?.into_iter().map(read).collect()
}

fn read(path: &Path, pipeline: &str) -> Result<(Vec<StateChange>, Vec<String>), Failure> {
    let guest = Guest::enter(path, pipeline, now());
    let read = guest.and_then(|guest| Ok((guest.state()?, guest.corrections()?)));
    Ok(read.with_context(|| format!("cannot read {}", path.display()))?)
}

fn list(place: &TotalPlace) -> Result<(), Failure> {
    for found in places(place)? {
        let cells = |total: Total| {
            let at = total.kept.get("at").and_then(Value::as_str).unwrap_or("").to_owned();
            let (published, own) = (total.published().to_string(), total.number("raw").to_string());
            [total.shown(), published, own, at, total.stage]
        };
        let rows: Vec<_> = found.totals(place).map(cells).collect();
        let text = if rows.is_empty() {
            format!("{}: no totals\n", found.pipeline)
        } else {
            format!("{}\n{}", found.pipeline, table(&["key", "published", "device", "read", "stage"], &rows))
        };
        crate::command::print(&text)?;
        for sentence in &found.corrections {
            crate::command::print(&format!("  corrected {sentence}\n"))?;
        }
    }
    Ok(())
}

/// The one total of a key.
fn find(places: Vec<Place>, key: &str, place: &TotalPlace) -> Result<(Place, Total), Failure> {
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
    if !args.value.is_finite() || args.value < 0.0 {
        return Err(Failure::configuration("VALUE must be a number that is not negative"));
    }
    let (journal, total) = find(places(&args.place)?, &args.key, &args.place)?;
    let (old, new) = (total.published(), args.value);
    let sentence = format!("{} from {old} to {new} (set by hand)", total.shown());
    confirm(&sentence, args.yes)?;
    finish(&journal, &total, new - old, &sentence)
}

fn hand_on(args: &TotalMoveArgs) -> Result<(), Failure> {
    if args.old == args.new {
        return Err(Failure::configuration("OLD and NEW are the same"));
    }
    let (from, old) = find(places(&args.place)?, &args.old, &args.place)?;
    let (journal, new) = find(places(&args.place)?, &args.new, &args.place).map_err(|_| {
        anyhow!("there is no total of `{}`: a replacement must have been heard once", args.new)
    })?;
    if from.path != journal.path || old.stage != new.stage {
        return Err(Failure::configuration("OLD and NEW are counted by different stages"));
    }
    let what = format!("(goes on from {})", old.shown());
    if journal.corrections.iter().any(|known| known.starts_with(&new.shown()) && known.ends_with(&what)) {
        return Err(anyhow!("{} goes on from {} already", new.shown(), old.shown()).into());
    }
    let (own, by) = (new.published(), old.published());
    let sentence = format!("{} from {own} to {} {what}", new.shown(), own + by);
    confirm(&sentence, args.yes)?;
    finish(&journal, &new, by, &sentence)
}

fn finish(journal: &Place, total: &Total, by: f64, sentence: &str) -> Result<(), Failure> {
    let beside = journal.correct(&journal.moved(total, by)?, sentence)?;
    let when = if beside { "; the running bridge takes it over with its next readings" } else { "" };
    crate::command::print(&format!("{}: {sentence}{when}\n", journal.pipeline))
}

/// Asks on the terminal; nobody to ask is an error.
fn confirm(sentence: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        let message = "correcting a total asks first, and standard input is no terminal: say --yes";
        return Err(Failure::configuration(format!("{sentence}: {message}")));
    }
    crate::command::print(&format!("{sentence}? [y/N] "))?;
    std::io::stdout().flush().context("cannot write to standard output")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(anyhow!("nothing was changed").into())
}
