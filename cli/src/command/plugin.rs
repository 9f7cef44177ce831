//! `smiles plugin`: what a library is, whether it keeps the rules, and the beginning of one.

pub(crate) mod built_in;
pub(crate) mod check;
pub(crate) mod new;

use anyhow::Context;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use smiles_plugin_host::{Metadata, PluginFile, Probed, answer_probe, read_metadata};

use crate::command::console::print;
use crate::command::plugin::check::PluginCheckArgs;
use crate::command::plugin::new::PluginNewArgs;
use crate::exit::Failure;
use crate::plugins;

pub(crate) fn run(command: &PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::List(args) => list(args),
        PluginCommand::Inspect(args) => inspect(args),
        PluginCommand::Check(args) => check::run(args),
        PluginCommand::New(args) => new::run(args),
        PluginCommand::Probe => Ok(answer_probe().context("cannot answer about the plugin")?),
    }
}

fn list(args: &PluginListArgs) -> Result<(), Failure> {
    let here = [PathBuf::from(".")];
    let paths = if args.paths.is_empty() { here.as_slice() } else { args.paths.as_slice() };
    let mut text = String::new();
    for path in paths {
        for library in libraries(path)? {
            match read_metadata(&library) {
                Ok(metadata) => _ = writeln!(text, "{}: {}", library.display(), one_line(&metadata)),
                Err(refusal) => _ = writeln!(text, "{}: not usable: {}", library.display(), refusal.reason),
            }
        }
    }
    print(&text)
}

/// The file itself, or every library directly in a folder.
fn libraries(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error: std::io::Error| {
        Failure::configuration(format!("cannot read the folder {}: {error}", path.display()))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.is_file() && file.extension().is_some_and(|extension| extension == "so") {
            found.push(file);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Failure::configuration(format!("no .so file in {}", path.display())));
    }
    Ok(found)
}

fn one_line(metadata: &Metadata) -> String {
    let Metadata { name, version, license, abi, stages, .. } = metadata;
    let stages: Vec<String> =
        stages.iter().map(|stage| format!("{} {}", stage.role.word(), stage.type_name)).collect();
    format!("{name} {version} ({license}, ABI {}.{}): {}", abi.major, abi.minor, stages.join(", "))
}

fn inspect(args: &PluginInspectArgs) -> Result<(), Failure> {
    let file = PluginFile { path: args.path.clone(), sha256: None, timeout: None, prefix: None };
    let probed = plugins::host()?.probe(&file).map_err(Failure::configuration)?;
    if args.json {
        let text = serde_json::to_string_pretty(&as_json(&probed)).context("cannot print the plugin")?;
        return print(&format!("{text}\n"));
    }
    print(&as_text(&probed))
}

fn as_json(probed: &Probed) -> Value {
    let stages: Vec<Value> = probed
        .stages
        .iter()
        .map(|stage| {
            json!({
                "role": stage.meta.role.word(), "type": stage.meta.type_name, "about": stage.meta.about,
                "metrics": stage.meta.metrics, "options": stage.schema,
                "transactional": stage.transactional, "streamed": stage.streamed
            })
        })
        .collect();
    let Metadata { name, version, license, abi, arch, os, libc, panic, .. } = &probed.metadata;
    json!({
        "name": name, "version": version, "license": license, "abi": abi, "arch": arch, "os": os, "libc": libc,
        "panic": panic, "sha256": probed.sha256, "stages": stages
    })
}

fn as_text(probed: &Probed) -> String {
    let Metadata { name, version, license, abi, arch, os, libc, panic, .. } = &probed.metadata;
    let mut text = format!(
        "{name} {version}\n  licence  {license}\n  ABI      {}.{}, needs {}.{}\n  built    {arch} {os} {libc}, panic {panic}\n  sha256   {}\n",
        abi.major, abi.minor, abi.major, abi.needs, probed.sha256
    );
    for stage in &probed.stages {
        let kind = match (stage.meta.role.word(), stage.transactional, stage.streamed) {
            ("sink", true, _) => ", exactly once",
            ("sink", false, _) => ", at least once",
            ("source", _, true) => ", streamed",
            _ => "",
        };
        let (role, type_name, about) = (stage.meta.role.word(), &stage.meta.type_name, &stage.meta.about);
        _ = writeln!(text, "\n{role} {type_name}{kind}: {about}");
        for metric in &stage.meta.metrics {
            _ = writeln!(text, "  metric smiles_plugin_{}_total: {}", metric.name, metric.help);
        }
        text.push_str(&options(&stage.schema));
    }
    text
}

fn options(schema: &Value) -> String {
    let mut text = String::new();
    let required = |name: &str| {
        schema["required"].as_array().is_some_and(|list| list.iter().any(|required| required == name))
    };
    for (name, option) in schema["properties"].as_object().into_iter().flatten() {
        let kind = option["type"].as_str().map_or_else(|| "see the schema".to_owned(), str::to_owned);
        let kind = option["format"].as_str().filter(|_| kind == "string").map_or(kind.clone(), str::to_owned);
        let rest = match (required(name), option.get("default")) {
            (true, _) => ", required".to_owned(),
            (false, Some(default)) => format!(", default {default}"),
            (false, None) => String::new(),
        };
        let about = option["description"].as_str().unwrap_or("");
        _ = writeln!(text, "  {name} ({kind}{rest}): {about}");
    }
    text
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List libraries, with the stages they add; runs none of their code
    #[command(after_help = "Examples:
  smiles plugin list                           every .so file here
  smiles plugin list /usr/lib/smiles")]
    List(PluginListArgs),
    /// Say what a plugin is: types, options, ABI, version, licence
    #[command(after_help = "Examples:
  smiles plugin inspect ./libcsv.so
  smiles plugin inspect --json ./libcsv.so

Exit code 0: a pipeline can use it; 2: it cannot, and why.")]
    Inspect(PluginInspectArgs),
    /// Try a plugin against every rule of the ABI
    #[command(after_help = "Examples:
  smiles plugin check ./libcsv.so
  smiles plugin check ./libinfluxdb.so --options '{\"url\": \"http://127.0.0.1:8086\", \"database\": \"test\"}'

Options come from --options, else from the first of the schema's `examples`; `${folder}` in them is a temporary folder.
Exit code 0: it keeps every rule; 1: it does not; 2: it cannot be loaded; 3: it breaks none of those that could be tried, and
some could not (its target or device cannot be reached from here).")]
    Check(PluginCheckArgs),
    /// Create a plugin: a project that builds and passes `check` at once
    #[command(after_help = "Examples:
  smiles plugin new my_sink
  smiles plugin new roof_sensor --lang c --kind source")]
    New(PluginNewArgs),
    /// Load a library and answer one question about it (what other commands start as a child process)
    #[command(hide = true, after_help = "Not for people: reads a question from standard input.")]
    Probe,
}

#[derive(Debug, Args)]
pub(crate) struct PluginListArgs {
    /// Libraries, or folders of them [default: .]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PluginInspectArgs {
    /// The library
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
