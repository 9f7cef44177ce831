//! The journals that a command is about.

use anyhow::Context;
use smiles_stage::{Clock, did_you_mean};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use smiles_config::{Environment, Folder, load_file};
use smiles_runtime::SystemClock;

use crate::exit::Failure;
use crate::project::{self, DataDir, Project};
use crate::registry;

#[derive(Debug, Args)]
pub(crate) struct JournalArgs {
    /// Names or files of pipelines; none: all under DATA_DIR
    #[arg(value_name = "PIPELINE")]
    pub(crate) pipelines: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) data: DataDir,
}

const EXTENSION: &str = "journal";

/// The journals of these pipelines, or all under the data folder: name and file.
pub(crate) fn journals(pipelines: &[String], data: &DataDir) -> Result<Vec<(String, PathBuf)>, Failure> {
    let folder = project::data_dir(data.data_dir.as_deref(), &Environment::from_process());
    if !pipelines.is_empty() {
        return pipelines.iter().map(|name| named(&folder, name)).collect();
    }
    let entries = std::fs::read_dir(&folder).map_err(|error| {
        let advice = "name the bridge's with --data-dir or DATA_DIR";
        Failure::configuration(format!("cannot read the data folder {}: {error}; {advice}", folder.display()))
    })?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.context("cannot read the data folder")?.path();
        found.extend(name_of(&path).map(|name| (name, path)));
    }
    found.sort();
    if found.is_empty() {
        let demo = folder.join("demo");
        let advice = match has_journal(&demo) {
            true => format!("those of `smiles demo` are in {0}: --data-dir {0}", demo.display()),
            false => "name another folder with --data-dir or DATA_DIR".to_owned(),
        };
        return Err(Failure::configuration(format!("no journal in {}; {advice}", folder.display())));
    }
    Ok(found)
}

fn has_journal(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|name| name == EXTENSION))
}

/// The journal of a pipeline, which a person names by its name or by its file.
pub(crate) fn named(folder: &Path, name: &str) -> Result<(String, PathBuf), Failure> {
    let path = file(folder, name);
    if path.is_file() {
        return Ok((name.to_owned(), path));
    }
    if let Some(declared) = declared(Path::new(name)) {
        let path = file(folder, &declared);
        if path.is_file() {
            return Ok((declared, path));
        }
        return Err(Failure::configuration(format!("{name}: no journal {}", path.display())));
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let known: Vec<String> = entries.filter_map(|entry| name_of(&entry.path())).collect();
    let help = did_you_mean(name, known.iter().map(String::as_str));
    let help = help.map(|help| format!("; {help}")).unwrap_or_default();
    Err(Failure::configuration(format!("no journal {}{help}", path.display())))
}

/// The name in a pipeline file: where the bridge is started one names the file, and so a person does here.
fn declared(path: &Path) -> Option<String> {
    path.extension().filter(|extension| *extension == "yaml" || *extension == "yml")?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = load_file(&Folder::new(folder), path.file_name()?.to_str()?, &true.into());
    Some(file.value.get("pipeline")?.as_str()?.to_owned())
}

/// The pipeline of a journal.
fn name_of(path: &Path) -> Option<String> {
    let is_journal = path.extension().is_some_and(|extension| extension == EXTENSION);
    Some(path.file_stem().filter(|_| is_journal)?.to_str()?.to_owned())
}

/// The pipelines with their journals. One that does not run needs none, and neither does one that nobody named.
pub(crate) fn with_journals(
    files: &[PathBuf],
    environment: &Environment,
    data_dir: &Path,
) -> Result<Vec<(Project, PathBuf)>, Failure> {
    let entries = project::entries(files, environment)?;
    let projects = project::open_all(&entries, environment, &registry::built_in())?;
    let (mut found, mut missing) = (Vec::new(), None);
    for project in projects.into_iter().filter(Project::is_enabled) {
        match named(data_dir, project.wired.name()) {
            Ok((_, path)) => found.push((project, path)),
            Err(failure) if !files.is_empty() => return Err(failure),
            Err(failure) => missing = missing.or(Some(failure)),
        }
    }
    match missing {
        Some(failure) if found.is_empty() => Err(failure),
        _ => Ok(found),
    }
}

/// Where the journal of a pipeline is, if there is one.
pub(crate) fn file(folder: &Path, pipeline: &str) -> PathBuf {
    folder.join(format!("{pipeline}.{EXTENSION}"))
}

/// `1 row`, `2 rows`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

pub(crate) fn now() -> Timestamp {
    SystemClock::new().now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_found_by_the_name_or_the_file_of_its_pipeline() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("meter.journal"), "").unwrap();
        for (file, pipeline) in [("my-meter.yaml", "meter"), ("other.yml", "roof"), ("part.yaml", "[")] {
            std::fs::write(at(file), format!("pipeline: {pipeline}\nsources: !include s.yaml\n")).unwrap();
        }
        let found = |name: &str| named(folder.path(), name).map(|(name, _)| name);
        let path = |name: &str| at(name).display().to_string();
        for name in ["meter".to_owned(), path("my-meter.yaml")] {
            assert_eq!(found(&name).unwrap_or_default(), "meter", "{name}");
        }
        for (name, said) in [
            ("metre".to_owned(), "metre.journal; did you mean `meter`?"),
            ("house".to_owned(), "house.journal; known here: meter"),
            (path("other.yml"), "roof.journal"),
            (path("part.yaml"), "known here: meter"),
            (path("none.yaml"), "known here: meter"),
        ] {
            match found(&name) {
                Err(Failure::Configuration(text)) => assert!(text.contains(said), "{text}"),
                _ => panic!("{name} is no pipeline here"),
            }
        }
    }
}
