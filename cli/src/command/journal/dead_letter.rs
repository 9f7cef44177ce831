//! `smiles journal dead-letter list`, `show` and `drop`.

use anyhow::Context;
use std::fmt::Write as _;
use std::path::PathBuf;

use arrow_array::RecordBatch;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use smiles_journal::{DeadLetterName, OperatorAccess, StoredDeadLetter, dead_letter_row, transform_of};
use smiles_tables::row_objects;

use crate::command::confirm::confirm;
use crate::command::journal::files::{counted, journals, now};
use crate::command::journal::replay;
use crate::command::journal::replay::ReplayArgs;
use crate::command::journal::select::{Selected, found_all, of_pipeline, read};
use crate::command::journal::table::table;
use crate::exit::Failure;
use crate::project::DataDir;

pub(crate) fn run(command: &DeadLetterCommand) -> Result<(), Failure> {
    match command {
        DeadLetterCommand::List(args) => list(args),
        DeadLetterCommand::Show(args) => show(args),
        DeadLetterCommand::Replay(args) => replay::run(args),
        DeadLetterCommand::Drop(args) => drop_letters(args),
    }
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let selection = args.selected.of(&[]);
    let mut listed = Vec::new();
    let pipelines = [args.pipelines.clone(), args.files.clone()].concat();
    for (pipeline, path) in journals(&pipelines, &args.data)? {
        let found = read(&path, &selection)?;
        if args.json {
            listed.extend(found.iter().map(|letter| as_json(&pipeline, letter)));
        } else {
            crate::command::console::print(&as_table(&pipeline, &found))?;
        }
    }
    if args.json { crate::command::console::print(&format!("{}\n", Value::from(listed))) } else { Ok(()) }
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let selected = Selected { sinks: args.sinks.clone(), codes: Vec::new() };
    let mut shown = Vec::new();
    let mut unseen = args.names.clone();
    for (pipeline, path) in journals(&args.pipelines, &args.data)? {
        for letter in read(&path, &selected.of(&args.names))? {
            unseen.retain(|name| !name.means(letter.letter.id()));
            let row =
                dead_letter_row(&path, &letter).with_context(|| format!("cannot read {}", path.display()))?;
            let row = row.as_ref().map(object);
            if args.json {
                let mut letter = as_json(&pipeline, &letter);
                letter["row_values"] = row.map_or(Value::Null, Value::Object);
                shown.push(letter);
            } else {
                crate::command::console::print(&as_text(&pipeline, &letter, row.as_ref()))?;
            }
        }
    }
    if args.json {
        crate::command::console::print(&format!("{}\n", Value::from(shown)))?;
    }
    found_all(&unseen)
}

fn drop_letters(args: &DropArgs) -> Result<(), Failure> {
    let Selected { sinks, codes } = &args.selected;
    if args.names.is_empty() && sinks.is_empty() && codes.is_empty() && !args.all {
        return Err(Failure::configuration("say which dead letters: their ids, --sink, --code, or --all"));
    }
    let selection = args.selected.of(&args.names);
    let mut unseen = args.names.clone();
    let mut wanted = Vec::new();
    for (pipeline, path) in journals(&args.pipelines, &args.data)? {
        let found = read(&path, &selection)?;
        unseen.retain(|name| found.iter().all(|letter| !name.means(letter.letter.id())));
        if !found.is_empty() {
            wanted.push((pipeline, path, found));
        }
    }
    found_all(&unseen)?;
    if wanted.is_empty() {
        return crate::command::console::print("no dead letter is selected: nothing to drop\n");
    }
    if !args.yes {
        ask(&wanted)?;
    }
    for (pipeline, path, dead_letters) in wanted {
        let access = OperatorAccess::enter(&path, &pipeline, now());
        let dropped = access
            .and_then(|access| access.give_up(&dead_letters))
            .with_context(|| format!("cannot drop dead letters of {}", path.display()))?;
        let mut text = format!("{pipeline}: dropped {}\n", counted(dropped, "dead letter", "dead letters"));
        let doubtful =
            dead_letters.iter().filter(|letter| letter.in_replay && transform_of(&letter.sink).is_none());
        let doubtful = doubtful.count();
        if doubtful > 0 {
            _ = writeln!(text, "  {doubtful} of a replay that was interrupted: they may be in the target");
        }
        crate::command::console::print(&text)?;
    }
    Ok(())
}

/// Shows the letters, and asks.
fn ask(wanted: &[(String, PathBuf, Vec<StoredDeadLetter>)]) -> Result<(), Failure> {
    for (pipeline, _, dead_letters) in wanted {
        crate::command::console::print(&as_table(pipeline, dead_letters))?;
    }
    let number: usize = wanted.iter().map(|(_, _, dead_letters)| dead_letters.len()).sum();
    let rows = counted(u64::try_from(number).unwrap_or(u64::MAX), "row", "rows");
    confirm(&format!("Drop {rows} for good"), "dropping dead letters", "nothing was dropped")
}

fn as_table(pipeline: &str, dead_letters: &[StoredDeadLetter]) -> String {
    if dead_letters.is_empty() {
        return format!("{pipeline}: no dead letters\n");
    }
    let rows: Vec<_> = dead_letters.iter().map(cells).collect();
    let number = u64::try_from(dead_letters.len()).unwrap_or(u64::MAX);
    let counted = counted(number, "dead letter", "dead letters");
    format!("{pipeline}: {counted}\n{}", table(&["id", "sink", "refused", "code", "reason"], &rows))
}

fn cells(letter: &StoredDeadLetter) -> [String; 5] {
    let StoredDeadLetter { sink, letter, in_replay, has_row } = letter;
    let note = match (in_replay, has_row) {
        (true, _) if transform_of(sink).is_some() => " (being replayed)",
        (true, _) => " (a replay was interrupted)",
        (false, false) => " (its row could not be kept)",
        (false, true) => "",
    };
    [
        letter.id().short(),
        sink.clone(),
        second(letter),
        letter.code.clone(),
        format!("{}{note}", letter.reason),
    ]
}

/// When the row was refused, to the second.
fn second(letter: &smiles_journal::DeadLetter) -> String {
    letter.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn as_json(pipeline: &str, letter: &StoredDeadLetter) -> Value {
    let StoredDeadLetter { sink, letter, in_replay, has_row } = letter;
    json!({
        "id": letter.id().to_string(), "pipeline": pipeline, "sink": sink,
        "run": letter.position.run.to_string(), "seq": letter.position.seq, "row": letter.row,
        "code": letter.code, "reason": letter.reason, "at": letter.at.to_string(),
        "has_row": has_row, "in_replay": in_replay,
    })
}

fn as_text(pipeline: &str, letter: &StoredDeadLetter, row: Option<&Map<String, Value>>) -> String {
    let StoredDeadLetter { sink, letter, in_replay, .. } = letter;
    let mut text = format!("{} of `{sink}` in {pipeline}\n", letter.id());
    let mut line = |name: &str, value: &str| _ = writeln!(text, "  {name:<8} {value}");
    line("refused", &second(letter));
    line("code", &letter.code);
    line("reason", &letter.reason);
    if *in_replay && transform_of(sink).is_some() {
        line("replay", "returned: the running bridge replays it, or the next one that starts");
    } else if *in_replay {
        line("replay", "interrupted: the row may be in the target; the next replay finds out");
    }
    match row {
        Some(row) => {
            text.push_str("  row\n");
            let width = row.keys().map(|name| name.chars().count()).max().unwrap_or(0);
            for (name, value) in row {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                _ = writeln!(text, "    {name:<width$}  {value}");
            }
        }
        None => line("row", "could not be kept"),
    }
    text
}

/// The one row of a letter.
fn object(row: &RecordBatch) -> Map<String, Value> {
    let printed = row_objects(row);
    let first = printed.iter().next().flatten().unwrap_or_default();
    serde_json::from_str(first).unwrap_or_default()
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    /// List dead letters with their reasons
    List(ListArgs),
    /// Print dead letters with their rows
    Show(ShowArgs),
    /// Deliver dead letters again, after the cause of their rejection was fixed
    Replay(ReplayArgs),
    /// Discard dead letters: their rows are never delivered
    Drop(DropArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles journal dead-letter list
  smiles journal dead-letter list --sink store --code 23514
  smiles journal dead-letter list --json my-pipeline

The id of a letter, RUN-SEQ-ROW, is what the other commands take; the run may be shortened to its first digits.")]
pub(crate) struct ListArgs {
    /// Names or files of pipelines; none: all under DATA_DIR
    #[arg(value_name = "PIPELINE")]
    pub(crate) pipelines: Vec<String>,
    /// What `replay` calls it
    #[arg(long = "file", value_name = "FILE", hide = true)]
    pub(crate) files: Vec<String>,
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
    #[arg(value_name = "ID", required = true, value_parser = of_pipeline)]
    pub(crate) names: Vec<DeadLetterName>,
    /// Only of this pipeline (its name or its file); may be repeated
    #[arg(long = "pipeline", alias = "file", value_name = "PIPELINE")]
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
  smiles journal dead-letter drop 3f2a9c1b-17-0
  smiles journal dead-letter drop --sink store --code 23514
  smiles journal dead-letter drop --all --yes

Works beside a running bridge. The rows are counted as dropped. This cannot be undone.")]
pub(crate) struct DropArgs {
    /// Ids as `list` prints them
    #[arg(value_name = "ID", value_parser = of_pipeline)]
    pub(crate) names: Vec<DeadLetterName>,
    #[command(flatten)]
    pub(crate) selected: Selected,
    /// All dead letters (that the other options leave)
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// Only of this pipeline (its name or its file); may be repeated
    #[arg(long = "pipeline", alias = "file", value_name = "PIPELINE")]
    pub(crate) pipelines: Vec<String>,
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) data: DataDir,
}
