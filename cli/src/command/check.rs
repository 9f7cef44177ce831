//! `smiles check`: everything that can be known without a network.

mod remembered;
mod renamed;

use smiles_config::Environment;
use smiles_runtime::Role;

use crate::args::CheckArgs;
use crate::exit::Failure;
use crate::project::Project;
use crate::{logging, project, registry};

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
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
            super::print(&format!("{between}{}", project.loaded.resolved_yaml()))?;
        } else {
            super::print(&summary(project))?;
        }
    }
    Ok(())
}

/// That it is fine, and what it is: a line per stage.
fn summary(project: &Project) -> String {
    let wired = &project.wired;
    let off = if project.is_enabled() { "" } else { ", switched off: it does not run" };
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
