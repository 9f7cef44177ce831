//! From a `type:` in YAML to a planned stage.
//!
//! An author implements [`Stage`]; the host keeps [`Factory`] objects, and a loaded plugin is one more of them.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Path, PlanContext, Problem, Problems, Segment, SinkPlan, SourcePlan, TransformPlan};

/// What an author writes: a name, typed options, and how options become a plan.
pub trait Stage: Send + Sync + 'static {
    /// `dyn SourcePlan`, `dyn TransformPlan` or `dyn SinkPlan`.
    type Plan: ?Sized;
    /// The options; deny unknown fields.
    type Config: DeserializeOwned + JsonSchema;
    /// The `type:` it adds.
    const NAME: &'static str;
    /// One line for `smiles schema` and the reference.
    const ABOUT: &'static str;

    /// Checks the options. No effects beyond reading files through the context.
    ///
    /// # Errors
    /// Everything wrong with them, at once.
    fn plan(config: Self::Config, context: PlanContext<'_>) -> Result<Box<Self::Plan>, Problems>;
}

/// What the host sees of a stage type.
pub trait Factory<P: ?Sized>: Send + Sync {
    /// The `type:`.
    fn name(&self) -> &str;

    /// One line about it.
    fn about(&self) -> &str;

    /// JSON Schema of the options.
    fn schema(&self) -> Value;

    /// The plugin that it is of; `None`: it is built in.
    fn plugin(&self) -> Option<&str> {
        None
    }

    /// Options (already valid by [`Factory::schema`]) to a plan.
    ///
    /// # Errors
    /// Everything wrong with them, at once.
    fn plan(&self, options: &Value, context: PlanContext<'_>) -> Result<Box<P>, Problems>;
}

/// The one adapter from [`Stage`] to [`Factory`].
struct Typed<S>(PhantomData<fn() -> S>);

impl<S: Stage> Factory<S::Plan> for Typed<S> {
    fn name(&self) -> &str {
        S::NAME
    }

    fn about(&self) -> &str {
        S::ABOUT
    }

    fn schema(&self) -> Value {
        schemars::schema_for!(S::Config).to_value()
    }

    fn plan(&self, options: &Value, context: PlanContext<'_>) -> Result<Box<S::Plan>, Problems> {
        let config = serde_path_to_error::deserialize(options).map_err(|error| {
            let at = Path(error.path().iter().filter_map(segment).collect());
            vec![Problem::error(at, error.into_inner().to_string())]
        })?;
        S::plan(config, context)
    }
}

fn segment(step: &serde_path_to_error::Segment) -> Option<Segment> {
    match step {
        serde_path_to_error::Segment::Seq { index } => Some(Segment::Index(*index)),
        serde_path_to_error::Segment::Map { key } => Some(Segment::Key(key.clone())),
        serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => None,
    }
}

/// All stage types of this process, by role and name.
#[derive(Clone, Default)]
pub struct Registry {
    sources: BTreeMap<String, Arc<dyn Factory<dyn SourcePlan>>>,
    transforms: BTreeMap<String, Arc<dyn Factory<dyn TransformPlan>>>,
    sinks: BTreeMap<String, Arc<dyn Factory<dyn SinkPlan>>>,
    /// Another name of a type -> the type.
    others: BTreeMap<String, String>,
}

macro_rules! role {
    ($add:ident, $adopt:ident, $find:ident, $all:ident, $map:ident, $plan:ident, $word:literal) => {
        #[doc = concat!("Adds a built-in ", $word, ".")]
        #[must_use]
        pub fn $add<S: Stage<Plan = dyn $plan>>(self) -> Self {
            self.$adopt(Arc::new(Typed::<S>(PhantomData)))
        }

        #[doc = concat!("Adds a ", $word, " by its factory; one of the same name is replaced.")]
        #[must_use]
        pub fn $adopt(mut self, factory: Arc<dyn Factory<dyn $plan>>) -> Self {
            self.others.remove(factory.name());
            self.$map.insert(factory.name().to_owned(), factory);
            self
        }

        #[doc = concat!("The ", $word, " of this `type:`.")]
        pub fn $find(&self, name: &str) -> Option<&dyn Factory<dyn $plan>> {
            let own = self.others.get(name).map_or(name, String::as_str);
            self.$map.get(own).map(AsRef::as_ref)
        }

        #[doc = concat!("Every ", $word, ", by name.")]
        pub fn $all(&self) -> impl Iterator<Item = &dyn Factory<dyn $plan>> {
            self.$map.values().map(AsRef::as_ref)
        }
    };
}

impl Registry {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets files call a type by another name, too; the reference shows the type's own.
    #[must_use]
    pub fn also_called(mut self, other: &str, name: &str) -> Self {
        self.others.insert(other.to_owned(), name.to_owned());
        self
    }

    role!(source, adopt_source, find_source, all_sources, sources, SourcePlan, "source");
    role!(transform, adopt_transform, find_transform, all_transforms, transforms, TransformPlan, "transform");
    role!(sink, adopt_sink, find_sink, all_sinks, sinks, SinkPlan, "sink");
}
