//! `smiles total`: the lifetime totals that are published, and how a person corrects one.
//!
//! What a counter keeps of a key is an object with `published`; other stages that follow the published total of a key
//! keep the last they saw as `total`. A correction moves all of them by as much, so that it is no production to anyone. It
//! says what to add and not what to have: while a person thinks about it, the bridge goes on counting.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::{Map, Value};
use smiles_journal::{Guest, JournalError, StateChange};
use smiles_runtime::corrected;

use super::journal::{journals, now, table};
use crate::args::{TotalCommand, TotalMoveArgs, TotalPlace, TotalSetArgs};
use crate::exit::Failure;

/// Before the key of what a sum remembers of it.
const OF_SUM: &[u8] = b"key\0";
/// The stage under which the journal keeps what the state of each other one is about.
const INDEX: &str = "smiles:memory";
/// In the sentence of a total that was handed on, before the key it came from.
const GOES_ON: &str = " (goes on from ";
/// Beyond this not every whole number can be told from the next.
const VALUE_MAX: f64 = 9_007_199_254_740_992.0;

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

    /// What is to be added to everything that follows the total of the key; the counter's own first.
    fn moved(&self, total: &Total, by: f64) -> Result<Vec<StateChange>, Failure> {
        let of_sum = [OF_SUM, &total.key].concat();
        let follows = |change: &&StateChange| {
            (change.key == total.key || change.key == of_sum)
                && self.follows(&change.stage, &total.stage)
                && serde_json::from_slice::<Map<String, Value>>(&change.value)
                    .is_ok_and(|kept| kept.get("total").is_some_and(Value::is_number))
        };
        let followers = self.state.iter().filter(follows).map(|change| (&change.stage, &change.key, "total"));
        let all = std::iter::once((&total.stage, &total.key, "published")).chain(followers);
        let written = all.map(|(stage, key, name)| {
            let by = Map::from_iter([(name.to_owned(), Value::from(by))]);
            let value = serde_json::to_vec(&by).context("cannot write a correction")?;
            Ok(StateChange { stage: stage.clone(), key: key.clone(), value })
        });
        written.collect()
    }

    /// Whether a stage follows the column that the counter publishes. Where the journal does not say what they are about (it
    /// is of an earlier version), there is one counter, or a person named it.
    fn follows(&self, stage: &str, counter: &str) -> bool {
        let about = |stage: &str, part: &str| {
            let row = self.state.iter().find(|row| row.stage == INDEX && row.key == stage.as_bytes())?;
            let record: Value = serde_json::from_slice(&row.value).ok()?;
            record.pointer(&format!("/about/{part}"))?.as_str().map(str::to_owned)
        };
        match (about(stage, "total"), about(counter, "column")) {
            (Some(followed), Some(published)) => followed == published,
            _ => true,
        }
    }

    /// Whose histories were handed on to a key, directly or to one of those.
    fn goes_on_from(&self, key: &str) -> Vec<String> {
        let mut all = vec![key.to_owned()];
        let mut next = 0;
        while let Some(heir) = all.get(next) {
            let heir = format!("{heir} from ");
            for sentence in &self.corrections {
                let handed = sentence.strip_prefix(&heir).and_then(|rest| rest.split_once(GOES_ON));
                let old = handed.and_then(|(_, old)| old.strip_suffix(')'));
                all.extend(old.filter(|old| !all.iter().any(|known| known == old)).map(str::to_owned));
            }
            next += 1;
        }
        all.split_off(1)
    }

    /// Writes the correction; whether a bridge has to take it over first.
    fn correct(&self, by: &[StateChange], sentence: &str) -> Result<bool, Failure> {
        let guest = match Guest::alone(&self.path, &self.pipeline, now()) {
            Err(JournalError::Locked { .. }) => Guest::enter(&self.path, &self.pipeline, now()),
            alone => alone,
        };
        let done = guest.and_then(|guest| {
            // Alone with the journal the state is what it is; a bridge adds to what it has in memory.
            let changes = match guest.is_alone() {
                true => added(&guest.state()?, by),
                false => by.to_vec(),
            };
            guest.correct(&changes, sentence, now())?;
            Ok(!guest.is_alone())
        });
        Ok(done.with_context(|| format!("cannot correct a total in {}", self.path.display()))?)
    }
}

/// The states that come of adding to them, only those.
fn added(state: &[StateChange], by: &[StateChange]) -> Vec<StateChange> {
    let add = |by: &StateChange| {
        let own = state.iter().find(|own| own.stage == by.stage && own.key == by.key)?;
        Some(StateChange { value: corrected(&own.value, &by.value)?, ..by.clone() })
    };
    by.iter().filter_map(add).collect()
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
    let read = guest.and_then(|guest| {
        let mut state = guest.state()?;
        // What the bridge has not taken over yet counts: the next correction is made of it.
        for order in guest.orders()? {
            for changed in added(&state, std::slice::from_ref(&order.change)) {
                state.retain(|own| own.stage != changed.stage || own.key != changed.key);
                state.push(changed);
            }
        }
        Ok((state, guest.corrections()?))
    });
    Ok(read.with_context(|| format!("cannot read {}", path.display()))?)
}

fn list(place: &TotalPlace) -> Result<(), Failure> {
    for found in places(place)? {
        let cells = |total: Total| {
            let at = total.kept.get("at").and_then(Value::as_str).unwrap_or("").to_owned();
            let (published, own) = (total.published().to_string(), total.number("raw").to_string());
            [total.shown(), published, own, at, total.stage]
        };
        let mut rows: Vec<_> = found.totals(place).map(cells).collect();
        rows.sort();
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
    if !(0.0..=VALUE_MAX).contains(&args.value) {
        return Err(Failure::configuration(format!("VALUE must be a number from 0 to {VALUE_MAX}")));
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
    let advice = "its total is in there already; `smiles total set` undoes it";
    for (heir, from) in [(&new, &old), (&old, &new)] {
        if journal.goes_on_from(&heir.shown()).contains(&from.shown()) {
            return Err(anyhow!("{} goes on from {} already: {advice}", heir.shown(), from.shown()).into());
        }
    }
    let (own, by) = (new.published(), old.published());
    let sentence = format!("{} from {own} to {}{GOES_ON}{})", new.shown(), own + by, old.shown());
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
