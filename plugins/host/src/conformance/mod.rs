//! What `smiles plugin check` runs: the rules of the ABI, tried on a library. Runs its code in this process.

mod batches;
mod count;
mod sink;
mod source;
mod subject;
mod transform;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use smiles_stage::Clock;

use crate::conformance::subject::{Check, Subject, Verdict};
use crate::file::{Refusal, Role, read_metadata};
use crate::library::Library;
use crate::probe::{describe, plan, real};

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Cannot be tried here, and why.
    Skipped(String),
    /// Not so, and what instead.
    Failed(String),
}

/// Hears of each check before it begins, so that a crash is known to be in it, and after.
pub trait Listener {
    /// It begins.
    fn begins(&mut self, stage: &str, check: &str);
    /// It has ended.
    fn ended(&mut self, outcome: &Outcome);
}

/// Where options for the check come from, and the services it needs.
pub struct Setup {
    /// Options for the stage, or for all; else the first of the schema's `examples`, else none.
    pub options: Option<Value>,
    /// Put in the place of `${folder}` in the options.
    pub folder: String,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
}

/// Runs every check on every stage of the library; whether all passed.
///
/// # Errors
/// It cannot be loaded at all.
pub fn run(path: &Path, setup: &Setup, listener: &mut dyn Listener) -> Result<bool, Refusal> {
    let refuse = |reason: String| Refusal { path: path.display().to_string(), reason, of_sum: false };
    let metadata = read_metadata(path)?;
    let library = Library::load(&real(path), &metadata).map_err(refuse)?;
    let mut sound = true;
    for (index, meta) in metadata.stages.iter().enumerate() {
        let Some(table) = library.table(index) else { continue };
        let described = describe(&table.0, &meta.type_name).map_err(refuse)?;
        let options = options(&described.schema, setup);
        let subject = Subject {
            stage: table.0,
            meta: meta.clone(),
            plugin: metadata.name.clone(),
            schema: described.schema,
            options,
            clock: Arc::clone(&setup.clock),
        };
        let own = match meta.role {
            Role::Source => source::CHECKS,
            Role::Transform => transform::CHECKS,
            Role::Sink => sink::CHECKS,
        };
        for (name, check) in COMMON.iter().chain(own) {
            listener.begins(&meta.type_name, name);
            let outcome = match check(&subject) {
                Ok(()) => Outcome::Passed,
                Err(Verdict::Skip(reason)) => Outcome::Skipped(reason),
                Err(Verdict::Fail(reason)) => Outcome::Failed(reason),
            };
            sound &= !matches!(outcome, Outcome::Failed(_));
            listener.ended(&outcome);
        }
    }
    Ok(sound)
}

/// The options to try a stage with.
fn options(schema: &Value, setup: &Setup) -> Value {
    let example = schema.get("examples").and_then(|examples| examples.get(0)).cloned();
    let mut options = setup.options.clone().or(example).unwrap_or_else(|| Value::Object(Map::new()));
    place(&mut options, &setup.folder);
    options
}

fn place(value: &mut Value, folder: &str) {
    match value {
        Value::String(text) => *text = text.replace("${folder}", folder),
        Value::Array(list) => list.iter_mut().for_each(|value| place(value, folder)),
        Value::Object(map) => map.values_mut().for_each(|value| place(value, folder)),
        _ => {}
    }
}

const COMMON: &[Check] = &[
    ("the schema describes every option", schema_describes),
    ("nonsense in place of options is an error", nonsense_is_an_error),
    ("an instance that was never used closes, also twice", closes_unused),
    ("two instances live side by side", two_instances),
];

fn schema_describes(subject: &Subject) -> Result<(), Verdict> {
    let Some(Value::Object(properties)) = subject.schema.get("properties") else { return Ok(()) };
    let silent = properties.iter().find(|(_, option)| option.get("description").is_none());
    if let Some((name, _)) = silent {
        return Err(Verdict::Fail(format!("option `{name}` has no description")));
    }
    if subject.schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        let text = "`additionalProperties` is not false: a misspelt option would pass unseen";
        return Err(Verdict::Fail(text.to_owned()));
    }
    Ok(())
}

fn nonsense_is_an_error(subject: &Subject) -> Result<(), Verdict> {
    for nonsense in ["", "{", "[]", "7", "null", "{\"\u{0}\": 1}", "\u{fffd}"] {
        if subject.stage.plan.is_some() {
            let input = subject.input();
            let wanted = subject.meta.role != Role::Sink;
            if plan(&subject.stage, nonsense, input.as_deref(), wanted).is_ok() {
                return Err(Verdict::Fail(format!("`plan` takes {nonsense:?} for options")));
            }
        }
        if let Ok((mut handle, _)) = subject.open_named("nonsense", nonsense) {
            handle.close();
            return Err(Verdict::Fail(format!("`open` takes {nonsense:?} for options")));
        }
    }
    Ok(())
}

fn closes_unused(subject: &Subject) -> Result<(), Verdict> {
    let (mut handle, cancel) = subject.open_named("unused", &subject.options.to_string())?;
    cancel.ask();
    handle.close();
    if !handle.is_closed() {
        return Err(Verdict::Fail("`close` does not leave NULL behind".to_owned()));
    }
    handle.close();
    Ok(())
}

fn two_instances(subject: &Subject) -> Result<(), Verdict> {
    let (mut one, _) = subject.bound("first")?;
    let (mut two, _) = subject.bound("second")?;
    one.close();
    two.close();
    Ok(())
}
