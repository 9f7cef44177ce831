//! Wiring: every complaint of a pipeline at once, before anything runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use serde_json::{Value, json};
use smiles_runtime::Role;
use smiles_stage::{
    ColumnMeta, Delivery, Factory, Offer, OpenContext, OpenSink, Path, PlanContext, Problem, Problems,
    SinkPlan, StageError, Store, WiredSink,
};
use smiles_testkit::{CollectingSink, MemoryTarget, Script, TargetFaults, scripted_with};

use crate::bench::Bench;

/// A sink that may offer a store, or read one.
struct Shelf {
    name: &'static str,
    offers: bool,
}

struct ShelfPlan {
    reads: Option<String>,
    offers: bool,
}

struct WiredShelf {
    offers: bool,
    input: SchemaRef,
}

impl Factory<dyn SinkPlan> for Shelf {
    fn name(&self) -> &str {
        self.name
    }

    fn about(&self) -> &str {
        "a shelf"
    }

    fn schema(&self) -> Value {
        json!({ "type": "object", "additionalProperties": false, "properties": { "store": { "type": "string" } } })
    }

    fn plan(&self, options: &Value, _context: PlanContext<'_>) -> Result<Box<dyn SinkPlan>, Problems> {
        let reads = options.get("store").and_then(Value::as_str).map(str::to_owned);
        Ok(Box::new(ShelfPlan { reads, offers: self.offers }))
    }
}

impl SinkPlan for ShelfPlan {
    fn delivery(&self) -> Delivery {
        Delivery::Live
    }

    fn reads(&self) -> Option<&str> {
        self.reads.as_deref()
    }

    fn wire(
        self: Box<Self>,
        input: &SchemaRef,
        store: Option<&Offer>,
    ) -> Result<Box<dyn WiredSink>, Problems> {
        if input.field_with_name("id").is_err() {
            let at = Path::root().key("columns");
            return Err(vec![Problem::error(at, "no column `id`").help("the columns are: time, source, x")]);
        }
        let readable = self.reads.as_ref().is_some_and(|name| name != "off");
        assert_eq!(readable, store.is_some_and(|store| store.tables.contains_key("rows")));
        Ok(Box::new(WiredShelf { offers: self.offers, input: Arc::clone(input) }))
    }
}

#[async_trait]
impl WiredSink for WiredShelf {
    fn offer(&self) -> Option<Offer> {
        let tables = BTreeMap::from([("rows".to_owned(), Arc::clone(&self.input))]);
        self.offers.then(|| Offer { tables, ..Offer::default() })
    }

    async fn open(
        &self,
        _context: OpenContext,
        _store: Option<Arc<dyn Store>>,
    ) -> Result<OpenSink, StageError> {
        Err(StageError::halt("a shelf is only wired"))
    }
}

fn bench() -> Bench {
    let column = |name: &str, unit: &str| {
        Arc::new(Schema::new(vec![Field::new(name, DataType::Int64, true).with_unit(unit)]))
    };
    let script = Script::counting();
    let mut bench =
        Bench::new().polled("dtu", &script).target("target", &MemoryTarget::new(1), &TargetFaults::none());
    bench = bench.streamed("stream", &script);
    bench.registry = bench
        .registry
        .adopt_source(scripted_with("volts", &script, column("x", "V")))
        .adopt_source(scripted_with("amperes", &script, column("x", "A")))
        .adopt_sink(Arc::new(Shelf { name: "shelf", offers: true }))
        .adopt_sink(Arc::new(Shelf { name: "reader", offers: false }));
    bench
}

fn yaml(sources: &str, sinks: &str) -> String {
    format!("pipeline: test\njournal: memory\nsources: {{ {sources} }}\nsinks: {{ {sinks} }}\n")
}

#[test]
fn every_complaint_is_made_at_once() {
    let (a, b) = ("A: { type: dtu, every: 1s }", "B: { type: volts, every: 1s }");
    let rows: [(String, &[&str]); 10] = [
        (yaml(a, "api: { type: reader, store: shelf }, shelf: { type: shelf }"), &[]),
        (
            yaml("A: { type: dtu }", "s: { type: target }"),
            &["`A` is polled once per `every:`, which is missing (add, for instance, `every: 60s`)"],
        ),
        (yaml("A: { type: stream }", "s: { type: target }"), &[]),
        (yaml(a, "api: { type: reader, store: off }, off: { type: shelf, enabled: false }"), &[]),
        (
            yaml(&format!("{a}, {b}"), "s: { type: target }"),
            &[
                "`B` emits other columns than `A`: column `id` is missing, column `x` is additional (all sources of a \
             pipeline emit the same columns; give `B` a pipeline file of its own)",
            ],
        ),
        (
            yaml("A: { type: amperes, every: 1s }, B: { type: volts }", "s: { type: target }"),
            &[
                "`B` is polled once per `every:`, which is missing (add, for instance, `every: 60s`)",
                "`B` emits other columns than `A`: column `x` has `V` instead of `A` (all sources of a pipeline emit the \
             same columns; give `B` a pipeline file of its own)",
            ],
        ),
        (
            yaml(b, "one: { type: shelf }, two: { type: shelf }, api: { type: reader, store: one }"),
            &[
                "no column `id` (the columns are: time, source, x)",
                "no column `id` (the columns are: time, source, x)",
            ],
        ),
        (
            yaml(a, "api: { type: reader, store: stor }, store: { type: shelf }"),
            &["there is no sink named `stor` (did you mean `store`?)"],
        ),
        (
            yaml(a, "api: { type: reader, store: api }, x: { type: reader, store: s }, s: { type: target }"),
            &["`api` cannot read its own store", "`s` (type `target`) cannot be read from: it is no store"],
        ),
        (
            yaml(a, "x: { type: shelf, store: y }, y: { type: shelf, store: x }"),
            &["`x` and `y` read each other's store", "`y` and `x` read each other's store"],
        ),
    ];
    for (yaml, expected) in rows {
        let mut said = bench().wire(&yaml).err().unwrap_or_default();
        said.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(said, expected, "of\n{yaml}");
    }
}

#[test]
fn a_wired_pipeline_shows_itself() {
    let sinks = "api: { type: reader, store: shelf }, shelf: { type: shelf }, db: { type: target }";
    let wired = bench().wire(&yaml("roof: { type: dtu, every: 60s }", sinks)).ok().unwrap();
    let columns: Vec<&String> = wired.schema().fields().iter().map(|field| field.name()).collect();
    assert_eq!(columns, ["time", "source", "id"]);
    let stages = wired.stages();
    let lines: Vec<_> =
        stages.iter().map(|stage| (stage.role, stage.name.as_str(), stage.about.as_str())).collect();
    assert_eq!(
        lines,
        [
            (Role::Source, "roof", "script://dtu"),
            (Role::Sink, "api", "live"),
            (Role::Sink, "shelf", "live"),
            (Role::Sink, "db", "exactly once"),
        ]
    );
    assert_eq!(
        wired.mermaid(),
        "flowchart LR
  source0[\"roof<br/>script://dtu<br/>every 60s\"] --> journal
  journal[(\"journal\")]
  journal --> sink0[\"api<br/>reader, live\"]
  journal --> sink1[\"shelf<br/>shelf, live\"]
  journal --> sink2[\"db<br/>target, exactly once\"]
  sink0 -. reads .-> sink1
"
    );
}

#[test]
fn warnings_are_said_and_stop_nothing() {
    let bench = bench().collecting("loose", &CollectingSink::default(), Delivery::AtLeastOnce);
    let off = "l: { type: loose }, api: { type: reader, store: off }, off: { type: shelf, enabled: false }";
    let (wired, said) = bench.check(&yaml("A: { type: dtu, every: 1s }", off));
    assert!(wired.is_some());
    let expected = [
        "`l` keeps no watermark: after a crash some rows may arrive twice",
        "the store `off` is disabled: there is nothing to read",
    ];
    assert!(said.len() == 2 && expected.iter().all(|text| said.iter().any(|said| said == text)), "{said:?}");
}

#[test]
fn what_reaches_a_sink_as_the_device_counts_it_is_said() {
    let column = |name: &str, unit: &str| Field::new(name, DataType::Int64, true).with_unit(unit);
    let schema = Arc::new(Schema::new(vec![
        column("id", "1"),
        column("frequency", "0.01 Hz"),
        column("energy", "10 Wh"),
        column("voltage", "V"),
        column("raw_frequency", "0.01 Hz").copy_of("frequency"),
        Field::new("made", DataType::Int64, true).with_declared_unit("0.1 widget", "widget"),
        Field::new("broken", DataType::Int64, true).with_declared_unit("widget", "widget"),
    ]));
    let mut bench = bench();
    bench.registry = bench.registry.adopt_source(scripted_with("meter", &Script::counting(), schema));
    let sinks = "s: { type: shelf }, api: { type: reader, store: s }";
    let (wired, said) = bench.check(&yaml("A: { type: meter, every: 1s }", sinks));
    assert!(wired.is_some());
    let expected = "`frequency` enters `s` as 0.01 Hz: 49.98 Hz would be stored as 4998; also `energy` as 10 Wh, \
                    `made` as 0.1 widget \
                    (add `- type: unit_conversion` to `transforms:`; it makes base units of all scaled ones)";
    assert_eq!(said, [expected]);
}
