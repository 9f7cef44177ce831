//! Which dead letters a person means.

use std::path::Path;

use anyhow::{Context, anyhow};
use clap::Args;
use smiles_journal::{DeadLetterName, Selection, StoredDeadLetter, dead_letters};

use crate::exit::Failure;

/// Which dead letters; every option given must hold.
#[derive(Clone, Debug, Args)]
pub(crate) struct Selected {
    /// Only of this sink; may be repeated
    #[arg(long = "sink", value_name = "SINK")]
    pub(crate) sinks: Vec<String>,
    /// Only with this code of the target (an SQLSTATE, a constraint); may be repeated
    #[arg(long = "code", value_name = "CODE")]
    pub(crate) codes: Vec<String>,
}

impl Selected {
    /// The selection, of these names.
    pub(crate) fn of(&self, names: &[DeadLetterName]) -> Selection {
        Selection { sinks: self.sinks.clone(), codes: self.codes.clone(), names: names.to_vec() }
    }
}

/// The id of a letter where `--pipeline` says of which pipeline.
pub(crate) fn of_pipeline(text: &str) -> Result<DeadLetterName, String> {
    id(text, "--pipeline PIPELINE")
}

/// The id of a letter where `--file` says it: its sinks are needed, and not its journal alone.
pub(crate) fn of_file(text: &str) -> Result<DeadLetterName, String> {
    id(text, "--file FILE")
}

fn id(text: &str, option: &str) -> Result<DeadLetterName, String> {
    text.parse().map_err(|error| format!("{error}; a pipeline is named by `{option}`"))
}

pub(crate) fn read(path: &Path, selection: &Selection) -> Result<Vec<StoredDeadLetter>, Failure> {
    Ok(dead_letters(path, selection).with_context(|| format!("cannot read {}", path.display()))?)
}

/// An id that names nothing is a mistake worth a word.
pub(crate) fn found_all(unseen: &[DeadLetterName]) -> Result<(), Failure> {
    if unseen.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = unseen.iter().map(|name| format!("`{name}`")).collect();
    let advice = "`smiles journal dead-letter list` prints the ids";
    Err(anyhow!("there is no dead letter {}; {advice}", names.join(", ")).into())
}
