//! `smiles check`: everything that can be known without a network.

mod explain;
mod remembered;
mod renamed;

use std::path::PathBuf;

use clap::Args;
use smiles_config::Environment;
use smiles_runtime::Role;

use crate::command::console::print;
use crate::exit::Failure;
use crate::project::{DataDir, Project};
use crate::{logging, project, registry};

pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let environment = Environment::from_process();
    let logging = logging::check(&environment);
    let opened =
        project::open_all(&project::entries(&args.files, &environment)?, &environment, &registry::built_in());
    let projects = match (logging, opened) {
        (Ok(()), opened) => opened?,
        // One mistake hides no other.
        (Err(Failure::Configuration(one)), Err(Failure::Configuration(others))) => {
            return Err(Failure::Configuration(format!("{one}{others}")));
        }
        (Err(failure), _) => return Err(failure),
    };
    let data_dir = project::data_dir(args.data.data_dir.as_deref(), &environment);
    for (index, project) in projects.iter().enumerate() {
        if let Some(warning) = renamed::warning(project, &data_dir) {
            project::warn(&warning);
        }
        remembered::warnings(project, &data_dir).iter().for_each(|warning| project::warn(warning));
        if args.resolved {
            let between = if index > 0 { "---\n" } else { "" };
            print(&format!("{between}{}", project.loaded.resolved_yaml()))?;
        } else {
            print(&summary(project))?;
            if args.explain {
                print(&explain::text(&project.wired))?;
            }
        }
    }
    Ok(())
}

/// That it is fine, and what it is: a line per stage.
fn summary(project: &Project) -> String {
    let wired = &project.wired;
    let off = if project.is_enabled() { "" } else { ", disabled: it does not run" };
    let mut text = format!("ok: {}: pipeline {}{off}\n", project.shown, wired.name());
    for stage in wired.stages() {
        let role = match stage.role {
            Role::Source => "source",
            Role::Transform => "transform",
            Role::Sink => "sink",
        };
        let columns = stage.schema.fields().len();
        let every = stage.every.map_or(String::new(), |every| format!(", every {every:?}"));
        let about = if stage.about.is_empty() { String::new() } else { format!(", {}", stage.about) };
        text.push_str(&format!(
            "  {role:<9} {} ({}{about}{every}): {columns} columns\n",
            stage.name, stage.type_name
        ));
    }
    text
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles check                                 the stock pipeline with the variables as they are set now
  smiles check my-meter.yaml                   a pipeline of your own
  smiles check --resolved my-meter.yaml        print it with every variable and include in place, secrets hidden
  smiles check --explain my-meter.yaml         say what one pass asks of each source

Where DATA_DIR has a journal of the pipeline, a sink that seems to have been renamed is pointed out, and so is a
transform whose memory there cannot be found again.
Exit code 0: fine (warnings may be printed); 2: errors.")]
pub(crate) struct CheckArgs {
    /// Pipeline files; none: the stock pipeline
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print the file as it is once variables and includes are in place; secrets are hidden
    #[arg(long)]
    pub(crate) resolved: bool,
    /// Say what one pass asks of each source, such as its requests
    #[arg(long, conflicts_with = "resolved")]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) data: DataDir,
}
