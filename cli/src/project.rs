//! From the files named on the command line to wired pipelines, or to every complaint at once.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::Value;
use smiles_config::{Embedded, Environment, Folder, Layered, Loaded, Tree, load_with};
use smiles_runtime::{Wired, wire};
use smiles_stage::{Configured, Registry};

use crate::clash::Claimant;
use crate::exit::Failure;
use crate::{clash, logging, plugins, stock};

/// A pipeline file and where its includes are looked for.
pub(crate) struct Entry {
    /// What a person calls it.
    pub(crate) shown: String,
    /// Why this one.
    pub(crate) reason: &'static str,
    tree: Arc<dyn Tree>,
    file: String,
    /// Where it is; `None` for a stock file.
    path: Option<PathBuf>,
}

impl Entry {
    /// Where its includes are looked for.
    pub(crate) fn tree(&self) -> &Arc<dyn Tree> {
        &self.tree
    }

    /// Its path there.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// A file that it names: from its own folder on, else the stock file of that name.
    pub(crate) fn beside(&self, name: &str) -> Self {
        const REASON: &str = "named by another file";
        match &self.path {
            Some(path) => {
                let named = path.with_file_name(name);
                if !named.exists() && stock::has(name) {
                    embedded(name, REASON)
                } else {
                    on_disk(&named, REASON)
                }
            }
            None => embedded(&smiles_config::beside(&self.file, name), REASON),
        }
    }
}

/// A pipeline that could run.
pub(crate) struct Project {
    /// What a person calls its file.
    pub(crate) shown: String,
    /// The file as loaded.
    pub(crate) loaded: Loaded,
    /// Its graph.
    pub(crate) wired: Wired,
}

impl Project {
    /// Whether it runs.
    pub(crate) fn is_enabled(&self) -> bool {
        self.loaded.pipeline.as_ref().is_none_or(|pipeline| pipeline.enabled)
    }

    /// What it was configured with, without secrets.
    pub(crate) fn configured(&self) -> Configured {
        Configured {
            pipeline: self.wired.name().to_owned(),
            file: self.shown.clone(),
            fingerprint: self.loaded.fingerprint(),
            settings: Value::Object(self.loaded.settings().clone()),
        }
    }
}

/// The files to use: those named, else the stock pipeline for what is configured, with its companion.
pub(crate) fn entries(files: &[PathBuf], environment: &Environment) -> Result<Vec<Entry>, Failure> {
    if files.is_empty() {
        return Ok(with_companion(stock(environment)));
    }
    files.iter().map(|path| entry(path)).collect()
}

/// As [`entries`], the companion left out.
pub(crate) fn entries_alone(files: &[PathBuf], environment: &Environment) -> Result<Vec<Entry>, Failure> {
    if files.is_empty() { Ok(vec![stock(environment)]) } else { entries(files, environment) }
}

/// A stock pipeline, and the one beside it that keeps what the process knows of itself.
pub(crate) fn with_companion(entry: Entry) -> Vec<Entry> {
    let companion = stock::companion(&entry.file).map(|file| embedded(&file, "runs with the stock pipeline"));
    std::iter::once(entry).chain(companion).collect()
}

/// The stock pipeline for what is configured.
pub(crate) fn stock(environment: &Environment) -> Entry {
    match environment.get("DB_HOST").is_some_and(|host| !host.trim().is_empty()) {
        true => embedded(stock::SERVER, "no FILE was given, and DB_HOST is set"),
        false => embedded(stock::EMBEDDED, "no FILE was given, and DB_HOST is not set"),
    }
}

/// A stock file.
pub(crate) fn embedded(file: &str, reason: &'static str) -> Entry {
    let tree = Embedded::new(stock::FILES);
    Entry { shown: tree.shown(file), reason, tree: Arc::new(tree), file: file.to_owned(), path: None }
}

/// A file on disk, or a stock file where there is none of that name.
pub(crate) fn entry(path: &Path) -> Result<Entry, Failure> {
    let name = path.to_string_lossy().into_owned();
    if !path.exists() && stock::has(&name) {
        return Ok(embedded(&name, "named on the command line; the built-in file of that name"));
    }
    if path.file_name().is_none() {
        return Err(Failure::configuration(format!("`{name}` is not a file")));
    }
    Ok(on_disk(path, "named on the command line"))
}

/// A file on disk; what it includes may be a stock file.
fn on_disk(path: &Path, reason: &'static str) -> Entry {
    let folder = path.parent().unwrap_or(Path::new(""));
    let tree = Layered::new(Folder::new(folder), Embedded::new(stock::FILES));
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let shown = path.to_string_lossy().into_owned();
    Entry { shown, reason, tree: Arc::new(tree), file, path: Some(path.to_owned()) }
}

/// Loads and wires; warnings go to the terminal, errors are the failure.
pub(crate) fn open(
    entry: &Entry,
    environment: &Environment,
    registry: &Registry,
) -> Result<Project, Failure> {
    open_beside(entry, environment, registry, &mut Vec::new())
}

/// The same, without the complaints that were `said` already.
fn open_beside(
    entry: &Entry,
    environment: &Environment,
    registry: &Registry,
    said: &mut Vec<String>,
) -> Result<Project, Failure> {
    let plugins = plugins::loader()?;
    let mut loaded = load_with(Arc::clone(&entry.tree), &entry.file, environment, registry, &plugins);
    let wired = loaded
        .pipeline
        .as_ref()
        .and_then(|pipeline| wire(pipeline, &loaded.registry, &loaded.files, &mut loaded.diagnostics));
    let text = unsaid(&loaded.diagnostics.render(std::io::stderr().is_terminal()), said);
    match wired {
        Some(wired) if !loaded.diagnostics.has_errors() => {
            warn(&text);
            Ok(Project { shown: entry.shown.clone(), loaded, wired })
        }
        _ => Err(Failure::Configuration(text)),
    }
}

/// All of them, or the complaints about all of them.
pub(crate) fn open_all(
    entries: &[Entry],
    environment: &Environment,
    registry: &Registry,
) -> Result<Vec<Project>, Failure> {
    open_all_but(entries, environment, registry, &mut Vec::new())
}

/// The same, without the complaints that were `said` already.
pub(crate) fn open_all_but(
    entries: &[Entry],
    environment: &Environment,
    registry: &Registry,
    said: &mut Vec<String>,
) -> Result<Vec<Project>, Failure> {
    let (mut complaints, mut failed) = (String::new(), false);
    let mut projects = Vec::new();
    for entry in entries {
        match open_beside(entry, environment, registry, said) {
            Ok(project) => projects.push(project),
            Err(Failure::Configuration(text)) => {
                failed = true;
                complaints.push_str(&text);
            }
            Err(other) => return Err(other),
        }
    }
    if failed {
        return Err(Failure::Configuration(complaints));
    }
    let claimants = projects.iter_mut().map(|Project { loaded, wired, .. }| Claimant { loaded, wired });
    clash::find(&mut claimants.collect::<Vec<_>>());
    let color = std::io::stderr().is_terminal();
    let clashing = projects.iter().map(|project| &project.loaded.diagnostics);
    let clashing: Vec<_> = clashing.filter(|diagnostics| diagnostics.has_errors()).collect();
    if clashing.is_empty() {
        return Ok(projects);
    }
    let text = clashing.iter().map(|diagnostics| unsaid(&diagnostics.render(color), said)).collect();
    Err(Failure::Configuration(text))
}

/// Files that share a part or a variable complain of it in the same words; once is enough.
fn unsaid(text: &str, said: &mut Vec<String>) -> String {
    let new = |piece: &&str| {
        let piece = mistake(piece);
        let is_new = !said.contains(&piece);
        said.push(piece);
        is_new
    };
    text.split_inclusive("\n\n").filter(new).collect()
}

/// What tells one mistake from another: that of a variable is the same in whatever file.
fn mistake(piece: &str) -> String {
    let notes: Vec<&str> = piece.lines().filter(|line| line.trim_start().starts_with("= ")).collect();
    match notes.iter().any(|note| note.trim_start().starts_with("= note: `")) {
        true => piece.lines().take(1).chain(notes).collect::<Vec<_>>().join("\n"),
        false => piece.trim_end().to_owned(),
    }
}

pub(crate) fn warn(text: &str) {
    if !text.is_empty() {
        logging::show(text);
    }
}

/// `--data-dir`, else DATA_DIR, else `./data`.
pub(crate) fn data_dir(option: Option<&Path>, environment: &Environment) -> PathBuf {
    let variable = environment.get("DATA_DIR").filter(|text| !text.is_empty());
    option
        .map(Path::to_owned)
        .or_else(|| variable.map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("data"))
}

/// Where journals and the embedded store live.
#[derive(Clone, Debug, Args)]
pub(crate) struct DataDir {
    /// Folder of journals and the SQLite store [env: DATA_DIR] [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}
