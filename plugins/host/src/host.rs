//! A plugin as the pipeline names it, and its stages as factories.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use smiles_stage::Registry;

use crate::file::{Examined, Metadata, Refusal, Role, StageMeta, examine};
use crate::library::{is_outdated, outdated};
use crate::probe::{Answer, Prober, Question, StageAnswer, real};
use crate::stage_type::{LIMIT, Plugin, StageType};
use crate::{sink, source, transform};

/// One of `plugins:`.
#[derive(Clone, Debug)]
pub struct PluginFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it must be, in hexadecimal.
    pub sha256: Option<String>,
    /// How long one call may take; default 30 s.
    pub timeout: Option<Duration>,
    /// Stands before each of its types, with a `_`.
    pub prefix: Option<String>,
}

/// Loads plugins.
#[derive(Clone, Debug)]
pub struct PluginHost {
    prober: Prober,
}

/// A plugin that a child process has loaded and asked.
#[derive(Clone, Debug)]
pub struct Probed {
    /// What it says of itself.
    pub metadata: Metadata,
    /// Of the file.
    pub sha256: String,
    /// What it adds.
    pub stages: Vec<ProbedStage>,
}

/// A stage type of a plugin.
#[derive(Clone, Debug)]
pub struct ProbedStage {
    /// As the metadata has it.
    pub meta: StageMeta,
    /// JSON Schema of its options.
    pub schema: Value,
    /// A sink that keeps a watermark: exactly once.
    pub transactional: bool,
    /// A source that waits by itself.
    pub streamed: bool,
}

/// Built-in types that those of a plugin stand in for: role and name.
pub type Replaced = Vec<(&'static str, String)>;

impl PluginHost {
    /// Children are started by `prober`.
    pub fn new(prober: Prober) -> Self {
        Self { prober }
    }

    /// Examines the file and asks a child process what it adds.
    ///
    /// # Errors
    /// It cannot be used, and why.
    pub fn probe(&self, file: &PluginFile) -> Result<Probed, Refusal> {
        let (examined, answers) = self.ask(file)?;
        let stages =
            examined.metadata.stages.iter().cloned().zip(answers).map(|(meta, answer)| ProbedStage {
                meta,
                schema: answer.schema,
                transactional: answer.transactional,
                streamed: answer.streamed,
            });
        Ok(Probed { stages: stages.collect(), metadata: examined.metadata.clone(), sha256: examined.sha256 })
    }

    /// The registry with the stages of this file, and which built-in types these stand in for, by role: a pipeline that
    /// named the plugin before there was such a type goes on to have the plugin's.
    ///
    /// # Errors
    /// It cannot be used, or it adds a type that another plugin has added.
    pub fn adopt(&self, file: &PluginFile, mut registry: Registry) -> Result<(Registry, Replaced), Refusal> {
        let (Examined { metadata, sha256, .. }, answers) = self.ask(file)?;
        let plugin = Arc::new(Plugin {
            path: real(&file.path),
            metadata,
            sha256,
            pinned: file.sha256.is_some(),
            limit: file.timeout.unwrap_or(LIMIT),
            prober: self.prober.clone(),
        });
        let mut replaced = Vec::new();
        for (index, answer) in answers.into_iter().enumerate() {
            let Some(mut meta) = plugin.metadata.stages.get(index).cloned() else { continue };
            if let Some(prefix) = &file.prefix {
                meta.type_name = format!("{prefix}_{}", meta.type_name);
            }
            let (word, name) = (meta.role.word(), meta.type_name.as_str());
            match owner(&registry, meta.role, name) {
                Some(Owner::Plugin) => {
                    let advice = "give one of the two plugins a `prefix:`";
                    return Err(refusal(
                        file,
                        format!(
                            "it adds the {word} `{name}`, and there is one of that type already: {advice}"
                        ),
                    ));
                }
                Some(Owner::BuiltIn) => replaced.push((word, name.to_owned())),
                None => {}
            }
            let stage = StageType { plugin: Arc::clone(&plugin), index, meta, answer };
            registry = match stage.meta.role {
                Role::Source => registry.adopt_source(Arc::new(source::PluginSource(stage))),
                Role::Transform => registry.adopt_transform(Arc::new(transform::PluginTransform(stage))),
                Role::Sink => registry.adopt_sink(Arc::new(sink::PluginSink(stage))),
            };
        }
        Ok((registry, replaced))
    }

    fn ask(&self, file: &PluginFile) -> Result<(Examined, Vec<StageAnswer>), Refusal> {
        let examined = examine(&file.path, file.sha256.as_deref())?;
        let path = real(&file.path);
        if is_outdated(&path, &examined.sha256) {
            return Err(refusal(file, outdated()));
        }
        let question =
            Question { path, metadata: examined.metadata.clone(), pinned: file.sha256.clone(), plan: None };
        match self.prober.ask(&question) {
            Ok(Answer::Stages(stages)) if stages.len() == examined.metadata.stages.len() => {
                Ok((examined, stages))
            }
            Ok(_) => Err(refusal(file, "it gives no sensible answer".to_owned())),
            Err(reason) => Err(refusal(file, reason)),
        }
    }
}

/// Whose a type is.
enum Owner {
    BuiltIn,
    Plugin,
}

fn owner(registry: &Registry, role: Role, name: &str) -> Option<Owner> {
    let of_plugin = match role {
        Role::Source => registry.find_source(name)?.plugin().is_some(),
        Role::Transform => registry.find_transform(name)?.plugin().is_some(),
        Role::Sink => registry.find_sink(name)?.plugin().is_some(),
    };
    Some(if of_plugin { Owner::Plugin } else { Owner::BuiltIn })
}

fn refusal(file: &PluginFile, reason: String) -> Refusal {
    Refusal { path: file.path.display().to_string(), reason, of_sum: false }
}
