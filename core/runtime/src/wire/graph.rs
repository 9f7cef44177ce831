//! A wired pipeline for people: a line per stage, and a drawing.

use std::fmt::Write;
use std::time::Duration;

use arrow_schema::SchemaRef;
use smiles_config::{NodeId, StageDecl};
use smiles_stage::Delivery;

use crate::wire::wired::Wired;

/// Where a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Produces rows.
    Source,
    /// Maps rows to rows.
    Transform,
    /// Consumes batches.
    Sink,
}

/// A stage in one line.
#[derive(Clone, Debug)]
pub struct StageSummary {
    /// Where it stands.
    pub role: Role,
    /// Its name in the file.
    pub name: String,
    /// Its `type:`.
    pub type_name: String,
    /// For a source what it talks to; for a sink what it promises; else empty.
    pub about: String,
    /// A source's period.
    pub every: Option<Duration>,
    /// The sink whose store it reads.
    pub reads: Option<String>,
    /// The columns that leave a source (stamped) or transform, or enter a sink.
    pub schema: SchemaRef,
}

impl Wired {
    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.pipeline.name
    }

    /// The columns that are journalled and that every sink gets.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Every stage, in the order of the file.
    pub fn stages(&self) -> Vec<StageSummary> {
        let sources = self.pipeline.sources.iter().zip(&self.sources).map(|(decl, plan)| StageSummary {
            about: plan.address(),
            every: decl.every,
            ..summary(Role::Source, &decl.stage, &self.input)
        });
        let transforms = self.pipeline.transforms.iter().zip(&self.transforms);
        let transforms =
            transforms.map(|(decl, wired)| summary(Role::Transform, &decl.stage, &wired.transform.output()));
        let sinks = self.pipeline.sinks.iter().zip(&self.sinks).map(|(decl, sink)| StageSummary {
            about: promise(sink.delivery).to_owned(),
            reads: sink.store.map(|store| self.pipeline.sinks[store].stage.name.clone()),
            ..summary(Role::Sink, &decl.stage, &self.schema)
        });
        sources.chain(transforms).chain(sinks).collect()
    }

    /// The sinks that listen for clients: their nodes in the file, their names and addresses.
    pub fn listeners(&self) -> impl Iterator<Item = (NodeId, &str, String)> {
        let sinks = self.pipeline.sinks.iter().zip(&self.sinks);
        sinks.filter_map(|(decl, node)| {
            Some((decl.stage.node, decl.stage.name.as_str(), node.sink.listens()?))
        })
    }

    /// What one pass asks of each source: its name, its address and a line for each question; none where it does not say.
    pub fn explains(&self) -> impl Iterator<Item = (&str, String, Vec<String>)> {
        let sources = self.pipeline.sources.iter().zip(&self.sources);
        sources.map(|(decl, plan)| (decl.stage.name.as_str(), plan.address(), plan.explain()))
    }

    /// The pipeline as a Mermaid flowchart.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        let stages = self.stages();
        let of = |role| stages.iter().filter(move |stage| stage.role == role).enumerate();
        let transforms = of(Role::Transform).count();
        let entry = if transforms == 0 { "journal".to_owned() } else { "transform0".to_owned() };
        for (index, stage) in of(Role::Source) {
            let every = stage.every.map_or(String::new(), |every| format!("<br/>every {every:?}"));
            let label = format!("{}<br/>{}{every}", escape(&stage.name), escape(&stage.about));
            line(&mut text, &format!("source{index}[\"{label}\"] --> {entry}"));
        }
        for (index, stage) in of(Role::Transform) {
            let next =
                if index + 1 == transforms { "journal".into() } else { format!("transform{}", index + 1) };
            line(&mut text, &format!("transform{index}[\"{}\"] --> {next}", escape(&stage.name)));
        }
        line(&mut text, "journal[(\"journal\")]");
        for (index, stage) in of(Role::Sink) {
            let label = format!("{}<br/>{}, {}", escape(&stage.name), escape(&stage.type_name), stage.about);
            line(&mut text, &format!("journal --> sink{index}[\"{label}\"]"));
        }
        let named =
            |name: &String| of(Role::Sink).find(|(_, stage)| &stage.name == name).map(|(index, _)| index);
        for (index, stage) in of(Role::Sink) {
            if let Some(store) = stage.reads.as_ref().and_then(named) {
                line(&mut text, &format!("sink{index} -. reads .-> sink{store}"));
            }
        }
        text
    }
}

fn summary(role: Role, stage: &StageDecl, schema: &SchemaRef) -> StageSummary {
    StageSummary {
        role,
        name: stage.name.clone(),
        type_name: stage.type_name.clone(),
        about: String::new(),
        every: None,
        reads: None,
        schema: SchemaRef::clone(schema),
    }
}

fn promise(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Transactional => "exactly once",
        Delivery::AtLeastOnce => "at least once",
        Delivery::Live => "live",
    }
}

fn line(text: &mut String, content: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {content}");
}

/// Mermaid's entity for the one character that would end a label.
fn escape(text: &str) -> String {
    text.replace('"', "#quot;")
}
