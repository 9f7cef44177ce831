//! `smiles journal status`: size, runs and books, as text or JSON.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};
use smiles_journal::{RowCounts, Status, inspect, transform_of};

use crate::command::journal::files::{JournalArgs, journals};
use crate::command::journal::table::table;
use crate::exit::Failure;

pub(crate) fn run(args: &JournalArgs) -> Result<(), Failure> {
    for (name, path) in journals(&args.pipelines, &args.data)? {
        let status = inspect(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = if args.json { format!("{}\n", as_json(&name, &status)) } else { as_text(&path, &status) };
        crate::command::console::print(&text)?;
    }
    Ok(())
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
    text.push_str(&table(
        &header,
        &status.row_counts.iter().chain(&status.transforms).map(row).collect::<Vec<_>>(),
    ));
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

fn row(row_counts: &RowCounts) -> [String; 8] {
    let number = |value: u64| value.to_string();
    let note = match transform_of(&row_counts.sink) {
        Some(_) => "rows that a transform rejected",
        None if row_counts.in_use => "",
        None => "not in the pipeline file; delays no deletion",
    };
    [
        row_counts.sink.clone(),
        number(row_counts.accepted),
        number(row_counts.delivered),
        number(row_counts.dead_lettered),
        number(row_counts.dropped),
        number(row_counts.lost),
        number(row_counts.waiting),
        note.to_owned(),
    ]
}

fn as_json(name: &str, status: &Status) -> Value {
    let transforms = status.transforms.iter().map(|row_counts| {
        json!({
            "transform": transform_of(&row_counts.sink), "rejected": row_counts.accepted, "went_on": row_counts.delivered,
            "dead_lettered": row_counts.dead_lettered, "dropped": row_counts.dropped,
        })
    });
    let row_counts = status.row_counts.iter().map(|row_counts| {
        json!({
            "sink": row_counts.sink, "in_use": row_counts.in_use, "accepted": row_counts.accepted, "delivered": row_counts.delivered,
            "dead_lettered": row_counts.dead_lettered, "dropped": row_counts.dropped, "noted": row_counts.noted,
            "lost": row_counts.lost, "waiting": row_counts.waiting,
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
        "sinks": row_counts.collect::<Vec<_>>(), "transforms": transforms.collect::<Vec<_>>(),
        "losses": losses.collect::<Vec<_>>(), "repairs": status.repairs,
    })
}
