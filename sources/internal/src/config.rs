//! `type: internal`: options and plan.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::{
    Cadence, OpenContext, Path, PlanContext, Problem, Problems, Source, SourcePlan, Stage, StageError,
};

use crate::pattern::Pattern;
use crate::rows::schema;
use crate::source::Reporter;

/// The stage type `internal`.
#[derive(Debug)]
pub struct Internal;

/// Options of `internal`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Config")]
pub struct InternalConfig {
    /// Which series become rows: names as on /metrics, `*` for any letters. A histogram has its `_count` and `_sum`.
    /// Series of the pipeline that reports are left out.
    #[serde(default = "all_of_the_runtime")]
    pub series: Vec<String>,
}

fn all_of_the_runtime() -> Vec<String> {
    vec!["smiles_*".to_owned()]
}

impl Stage for Internal {
    type Plan = dyn SourcePlan;
    type Config = InternalConfig;
    const NAME: &'static str = "internal";
    const ABOUT: &'static str =
        "what the process knows of itself: its meters each period, its configuration at start";

    fn plan(config: InternalConfig, _: PlanContext<'_>) -> Result<Box<dyn SourcePlan>, Problems> {
        let at = Path::root().key("series");
        let mut problems = Problems::new();
        let mut patterns = Vec::new();
        for (index, text) in config.series.iter().enumerate() {
            match Pattern::parse(text) {
                Some(pattern) => patterns.push(pattern),
                None => {
                    let message = format!("`{}` cannot be the name of a series", text.escape_debug());
                    let help = "write a name as /metrics prints it, such as `smiles_uptime_seconds` or `smiles_sink_*`";
                    problems.push(Problem::error(at.index(index), message).help(help));
                }
            }
        }
        if problems.is_empty() {
            Ok(Box::new(InternalPlan { patterns: patterns.into() }))
        } else {
            Err(problems)
        }
    }
}

struct InternalPlan {
    patterns: Arc<[Pattern]>,
}

#[async_trait]
impl SourcePlan for InternalPlan {
    fn output(&self) -> SchemaRef {
        schema()
    }

    fn cadence(&self) -> Cadence {
        Cadence::Polled
    }

    fn address(&self) -> String {
        "this process".to_owned()
    }

    async fn open(&self, context: OpenContext) -> Result<Box<dyn Source>, StageError> {
        Ok(Box::new(Reporter::new(Arc::clone(&self.patterns), context)))
    }
}
