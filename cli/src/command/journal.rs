//! `smiles journal`: what the durable log holds, whether its books balance, and what an operator does about it.

mod ack;
mod dead_letter;
mod rename_sink;
mod replay;
mod status;
mod table;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use smiles_config::Environment;
use smiles_runtime::{Meters, RunOptions, SystemClock};
use smiles_stage::{Clock, prometheus};

use crate::args::{DataDir, JournalCommand};
use crate::exit::Failure;
use crate::project;

const EXTENSION: &str = "journal";

pub(super) fn run(command: &JournalCommand) -> Result<(), Failure> {
    match command {
        JournalCommand::Status(args) => status::run(args),
        JournalCommand::Verify(args) => verify::run(args),
        JournalCommand::Ack(args) => ack::run(args),
        JournalCommand::DeadLetter(command) => dead_letter::run(command),
        JournalCommand::RenameSink(args) => rename_sink::run(args),
    }
}

/// The journals of these pipelines, or all under the data folder: name and file.
fn journals(pipelines: &[String], data: &DataDir) -> Result<Vec<(String, PathBuf)>, Failure> {
    let folder = project::data_dir(data.data_dir.as_deref(), &Environment::from_process());
    if !pipelines.is_empty() {
        return pipelines.iter().map(|name| named(&folder, name)).collect();
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

/// The journal of a pipeline.
fn named(folder: &Path, name: &str) -> Result<(String, PathBuf), Failure> {
    let path = file(folder, name);
    if path.is_file() {
        return Ok((name.to_owned(), path));
    }
    Err(Failure::configuration(format!("no journal {}", path.display())))
}

/// Where the journal of a pipeline is, if there is one.
pub(super) fn file(folder: &Path, pipeline: &str) -> PathBuf {
    folder.join(format!("{pipeline}.{EXTENSION}"))
}

/// How the targets of a pipeline are opened for an errand.
fn errand(data_dir: &Path) -> Result<RunOptions, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let meters =
        Meters::new(prometheus::Registry::new(), Arc::clone(&clock)).context("cannot set up metrics")?;
    Ok(RunOptions { data_dir: data_dir.to_owned(), clock, meters, grace: Duration::ZERO })
}

/// `1 row`, `2 rows`.
fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn now() -> Timestamp {
    SystemClock::new().now()
}
