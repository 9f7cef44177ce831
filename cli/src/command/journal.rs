//! `smiles journal`: what the durable log holds, and whether its books balance.

mod verify;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};
use smiles_config::Environment;
use smiles_journal::{Books, Status, inspect};

use crate::args::{JournalArgs, JournalCommand};
use crate::exit::Failure;
use crate::project;

const EXTENSION: &str = "journal";

pub(super) fn run(command: &JournalCommand) -> Result<(), Failure> {
    match command {
        JournalCommand::Status(args) => status(args),
        JournalCommand::Verify(args) => verify::run(args),
    }
}

fn status(args: &JournalArgs) -> Result<(), Failure> {
    for (name, path) in journals(args)? {
        let status = inspect(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = if args.json { format!("{}\n", as_json(&name, &status)) } else { as_text(&path, &status) };
        super::print(&text)?;
    }
    Ok(())
}

/// The journals asked for: by name, or all under the data folder.
fn journals(args: &JournalArgs) -> Result<Vec<(String, PathBuf)>, Failure> {
    let folder = project::data_dir(args.data.data_dir.as_deref(), &Environment::from_process());
    if !args.pipelines.is_empty() {
        return args.pipelines.iter().map(|name| named(&folder, name)).collect();
    }
    let entries = std::fs::read_dir(&folder).map_err(|error| {
        Failure::configuration(format!("cannot read the data folder {}: {error}", folder.display()))
    })?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.context("cannot read the data folder")?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION)
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            found.push((name.to_owned(), path));
        }
    }
    found.sort();
    if found.is_empty() {
        let advice = "name another folder with --data-dir or DATA_DIR";
        return Err(Failure::configuration(format!("no journal in {}; {advice}", folder.display())));
    }
    Ok(found)
}

fn named(folder: &Path, name: &str) -> Result<(String, PathBuf), Failure> {
    let path = folder.join(format!("{name}.{EXTENSION}"));
    if path.is_file() {
        return Ok((name.to_owned(), path));
    }
    Err(Failure::configuration(format!("no journal {}", path.display())))
}

fn as_text(path: &Path, status: &Status) -> String {
    let mut text = format!(
        "{}\n  {} batches, {} rows, {} bytes in use, {} runs\n",
        path.display(),
        status.batches,
        status.rows,
        status.size_bytes,
        status.runs.len()
    );
    let header = ["sink", "accepted", "delivered", "dead letters", "dropped", "lost", "waiting", ""];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(status.books.iter().map(row));
    let widths: Vec<usize> = (0..header.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a String cannot fail.
            _ = write!(line, " {cell:<width$}", width = *width + 1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for loss in &status.losses {
        let (first, last) = loss.range;
        let said = if loss.acknowledged { "" } else { ", not acknowledged" };
        _ = writeln!(
            text,
            "  lost to {}: {} rows of run {} ({first} to {last}): {}{said}",
            loss.sink, loss.rows, loss.run, loss.reason
        );
    }
    for repair in &status.repairs {
        _ = writeln!(text, "  repaired: {repair}");
    }
    text
}

fn row(books: &Books) -> [String; 8] {
    let number = |value: u64| value.to_string();
    let note = if books.in_use { "" } else { "not in the running file; pins nothing" };
    [
        books.sink.clone(),
        number(books.accepted),
        number(books.delivered),
        number(books.dead_lettered),
        number(books.dropped),
        number(books.lost),
        number(books.waiting),
        note.to_owned(),
    ]
}

fn as_json(name: &str, status: &Status) -> Value {
    let books = status.books.iter().map(|books| {
        json!({
            "sink": books.sink, "in_use": books.in_use, "accepted": books.accepted, "delivered": books.delivered,
            "dead_lettered": books.dead_lettered, "dropped": books.dropped, "lost": books.lost,
            "waiting": books.waiting,
        })
    });
    let losses = status.losses.iter().map(|loss| {
        json!({
            "sink": loss.sink, "run": loss.run.to_string(), "first": loss.range.0, "last": loss.range.1,
            "rows": loss.rows, "reason": loss.reason, "acknowledged": loss.acknowledged,
        })
    });
    json!({
        "pipeline": name, "size_bytes": status.size_bytes, "batches": status.batches, "rows": status.rows,
        "runs": status.runs.iter().map(|(run, ..)| run.to_string()).collect::<Vec<_>>(),
        "sinks": books.collect::<Vec<_>>(), "losses": losses.collect::<Vec<_>>(), "repairs": status.repairs,
    })
}
