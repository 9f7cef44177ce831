//! Small stages with every kind of option, and a tree in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use smiles_config::{Environment, Loaded, Tree, load};
use smiles_stage::option::{Period, Size};
use smiles_stage::{
    Cadence, Delivery, Offer, OpenContext, PlanContext, Problems, Registry, SinkPlan, Source, SourcePlan,
    Stage, StageError, TransformPlan, WiredSink, WiredTransform,
};

/// A file system of texts.
pub(crate) struct Texts(pub(crate) Vec<(String, String)>);

impl Tree for Texts {
    fn read(&self, path: &str) -> io::Result<String> {
        let found = self.0.iter().find(|(name, _)| name == path);
        found.map(|(_, text)| text.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        Ok(self.0.iter().filter_map(|(name, _)| Some(name.strip_prefix(&prefix)?.to_owned())).collect())
    }

    fn shown(&self, path: &str) -> String {
        path.to_owned()
    }
}

/// Loads the first of the files.
pub(crate) fn load_texts(files: &[(&str, &str)], environment: &[(&str, &str)]) -> Loaded {
    load_file(files, files[0].0, environment)
}

/// Loads one of the files, or one that is not there.
pub(crate) fn load_file(files: &[(&str, &str)], file: &str, environment: &[(&str, &str)]) -> Loaded {
    let texts = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let environment: Environment = environment.iter().copied().collect();
    load(Arc::new(Texts(texts)), file, &environment, &registry())
}

pub(crate) fn registry() -> Registry {
    Registry::new().source::<Meter>().source::<Bus>().transform::<Scale>().sink::<Tables>().sink::<Api>()
}

/// A source.
struct Meter;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-renamed" = {"slave_id": "unit_id"}))]
#[expect(dead_code, reason = "read by the schema alone")]
struct MeterOptions {
    /// what to connect to
    address: String,
    #[serde(default)]
    unit_id: Option<u8>,
    #[serde(default)]
    min_delay: Period,
    #[serde(default)]
    password: String,
    #[serde(default)]
    device: Option<Device>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the schema alone")]
struct Device {
    #[serde(default)]
    fast: bool,
    /// what to read
    blocks: Vec<Block>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the schema alone")]
struct Block {
    #[schemars(extend("x-beyond" = "a manual counts from 40001: one of its numbers is no address"))]
    at: u16,
    #[serde(default)]
    serial: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, Field>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "read by the schema alone")]
enum Field {
    Number {
        #[schemars(extend("format" = "unit"))]
        unit: String,
        #[serde(default)]
        scale: Option<f64>,
    },
    Text {
        length: u32,
    },
}

impl Stage for Meter {
    type Plan = dyn SourcePlan;
    type Config = MeterOptions;
    const NAME: &'static str = "meter";
    const ABOUT: &'static str = "reads a meter";

    fn plan(_: MeterOptions, _: PlanContext<'_>) -> Result<Box<dyn SourcePlan>, Problems> {
        Ok(Box::new(Nothing))
    }
}

/// A source that may share a line.
struct Bus;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the schema alone")]
struct BusOptions {
    /// what to connect to
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "line"))]
    line: Option<BusLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only whether it can be read is looked at")]
struct BusLine {
    name: String,
    address: Option<String>,
    connect_delay: Option<Period>,
    min_delay: Option<Period>,
}

impl Stage for Bus {
    type Plan = dyn SourcePlan;
    type Config = BusOptions;
    const NAME: &'static str = "bus";
    const ABOUT: &'static str = "reads devices on a line";

    fn plan(_: BusOptions, _: PlanContext<'_>) -> Result<Box<dyn SourcePlan>, Problems> {
        Ok(Box::new(Nothing))
    }
}

/// A transform.
struct Scale;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the schema alone")]
struct ScaleOptions {
    #[serde(default)]
    factor: Option<Factor>,
    #[serde(default)]
    #[schemars(range(min = 0, max = 23))]
    hour: Option<u8>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by the schema alone")]
enum Factor {
    Same(f64),
    Each(BTreeMap<String, f64>),
}

impl Stage for Scale {
    type Plan = dyn TransformPlan;
    type Config = ScaleOptions;
    const NAME: &'static str = "scale";
    const ABOUT: &'static str = "multiplies";

    fn plan(_: ScaleOptions, _: PlanContext<'_>) -> Result<Box<dyn TransformPlan>, Problems> {
        Ok(Box::new(Nothing))
    }
}

/// A sink.
struct Tables;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the schema alone")]
struct TablesOptions {
    #[serde(default)]
    host: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    cache: Size,
    #[serde(default)]
    tables: BTreeMap<String, Table>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the schema alone")]
struct Table {
    mode: Mode,
    #[serde(default)]
    key: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-meant" = {"insert": "append", "merge": "nothing of the kind"}))]
enum Mode {
    /// adds
    Append,
    /// replaces
    Upsert,
}

impl Stage for Tables {
    type Plan = dyn SinkPlan;
    type Config = TablesOptions;
    const NAME: &'static str = "tables";
    const ABOUT: &'static str = "writes tables";

    fn plan(_: TablesOptions, _: PlanContext<'_>) -> Result<Box<dyn SinkPlan>, Problems> {
        Ok(Box::new(Nothing))
    }
}

/// Another sink.
struct Api;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the schema alone")]
struct ApiOptions {
    listen: String,
    #[serde(default)]
    store: Option<String>,
    #[serde(default)]
    token: Option<String>,
}

impl Stage for Api {
    type Plan = dyn SinkPlan;
    type Config = ApiOptions;
    const NAME: &'static str = "api";
    const ABOUT: &'static str = "serves";

    fn plan(_: ApiOptions, _: PlanContext<'_>) -> Result<Box<dyn SinkPlan>, Problems> {
        Ok(Box::new(Nothing))
    }
}

/// A plan of every role that opens nothing.
struct Nothing;

#[async_trait]
impl SourcePlan for Nothing {
    fn output(&self) -> SchemaRef {
        SchemaRef::new(arrow_schema::Schema::empty())
    }
    fn cadence(&self) -> Cadence {
        Cadence::Polled
    }
    fn address(&self) -> String {
        String::new()
    }
    async fn open(&self, _: OpenContext) -> Result<Box<dyn Source>, StageError> {
        Err(StageError::halt("never opened"))
    }
}

impl TransformPlan for Nothing {
    fn wire(&self, _: &SchemaRef) -> Result<Box<dyn WiredTransform>, Problems> {
        Err(Problems::new())
    }
}

impl SinkPlan for Nothing {
    fn delivery(&self) -> Delivery {
        Delivery::AtLeastOnce
    }
    fn wire(self: Box<Self>, _: &SchemaRef, _: Option<&Offer>) -> Result<Box<dyn WiredSink>, Problems> {
        Err(Problems::new())
    }
}
