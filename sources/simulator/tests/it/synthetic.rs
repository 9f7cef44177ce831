//! The synthetic source through its plan, as the runtime uses it.

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use serde_json::{Value, json};
use smiles_source_simulator::Synthetic;
use smiles_stage::{Cadence, ColumnMeta, Kind, PlanContext, Problems, Registry, SourcePlan, TIME};
use smiles_testkit::NoFiles;
use smiles_testkit::{ManualClock, open_context};

fn plan(options: &Value) -> Result<Box<dyn SourcePlan>, Problems> {
    let registry = Registry::new().source::<Synthetic>();
    let Some(factory) = registry.find_source("synthetic") else { panic!("no such source") };
    factory.plan(options, PlanContext { stage: "numbers", files: &NoFiles })
}

async fn batches(options: &Value, most: usize) -> Vec<RecordBatch> {
    let plan = plan(options).unwrap_or_else(|problems| panic!("{problems:?}"));
    let context = open_context(Path::new("."), Arc::new(ManualClock::new()));
    let mut source = plan.open(context).await.unwrap();
    let mut batches = Vec::new();
    while batches.len() < most {
        let Some(pass) = source.next().await.unwrap() else { break };
        assert!(pass.complete && pass.faults.is_empty() && pass.rows.schema() == plan.output());
        batches.push(pass.rows);
    }
    batches
}

fn all_patterns() -> Value {
    json!({
        "rows": 6, "passes": 2, "seed": 3, "time_step": "1s", "start": "2026-06-21T12:00:00Z",
        "columns": {
            "serial": {"type": "text", "pattern": "index", "each": 2, "value": "unit-"},
            "port": {"type": "int", "pattern": "index", "of": 2, "value": 1, "kind": "state"},
            "total": {"type": "int", "pattern": "counter", "step": 5, "value": 100, "unit": "Wh", "kind": "counter"},
            "number": {"type": "int", "pattern": "sequence"},
            "power": {"type": "float", "pattern": "random", "min": 10, "max": 20, "unit": "0.1 W"},
            "model": {"type": "text", "pattern": "constant", "value": "x"},
            "odd": {"type": "bool", "pattern": "sequence"},
        }
    })
}

#[tokio::test]
async fn patterns_make_the_rows_they_promise() {
    let batches = batches(&all_patterns(), 10).await;
    assert_eq!(batches.len(), 2, "two passes, then no more");
    let ints = |pass: usize, name: &str| {
        batches[pass].column_by_name(name).unwrap().as_primitive::<Int64Type>().values().to_vec()
    };
    let texts = |pass: usize, name: &str| {
        let column = batches[pass].column_by_name(name).unwrap().as_string::<i32>();
        column.iter().flatten().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(texts(1, "serial"), "unit-0 unit-0 unit-1 unit-1 unit-2 unit-2");
    assert_eq!(texts(0, "model"), "x x x x x x");
    assert_eq!(ints(1, "port"), [1, 2, 1, 2, 1, 2]);
    assert_eq!((ints(0, "total"), ints(1, "total")), (vec![100; 6], vec![105; 6]));
    assert_eq!((ints(0, "number"), ints(1, "number")), ((0..6).collect(), (6..12).collect()));
    let odd = batches[0].column_by_name("odd").unwrap().as_boolean();
    assert_eq!(odd.values().iter().collect::<Vec<_>>(), [false, true, false, true, false, true]);
    let power = batches[0].column_by_name("power").unwrap().as_primitive::<Float64Type>();
    assert!(power.values().iter().all(|watts| (10.0..20.0).contains(watts)));
    let times = |pass: usize| {
        let column = batches[pass].column_by_name(TIME).unwrap();
        column.as_primitive::<TimestampMicrosecondType>().values().to_vec()
    };
    let noon = 1_782_043_200_000_000;
    assert_eq!(times(0)[..2], [noon, noon + 1_000_000]);
    assert_eq!(times(1)[0], noon + 6_000_000, "time goes on from pass to pass");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_rows() {
    let mut other = all_patterns();
    other["seed"] = json!(4);
    let (one, two, three) =
        (batches(&all_patterns(), 9).await, batches(&all_patterns(), 9).await, batches(&other, 9).await);
    assert_eq!(one, two);
    assert_ne!(one, three);
}

#[tokio::test]
async fn without_passes_there_is_no_end_and_nulls_come_as_often_as_asked() {
    let options = json!({"rows": 1000, "columns": {
        "a": {"type": "int", "pattern": "random", "nulls": 0.2},
    }});
    let batches = batches(&options, 20).await;
    let nulls: usize = batches.iter().map(|rows| rows.column(0).null_count()).sum();
    assert_eq!(batches.len(), 20);
    assert!((3_600..4_400).contains(&nulls), "{nulls} of 20000");
    assert!(batches[0].column_by_name(TIME).is_none(), "the runtime stamps them");
}

#[test]
fn the_plan_says_what_it_emits() {
    let plan = plan(&all_patterns()).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(plan.cadence(), Cadence::Streamed);
    let schema = plan.output();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(
        names,
        ["time", "serial", "port", "total", "number", "power", "model", "odd"],
        "in file order"
    );
    let total = schema.field_with_name("total").unwrap();
    assert_eq!((total.unit(), total.kind()), (Some("Wh"), Some(Kind::Counter)));
}

#[test]
fn options_that_cannot_be_are_named() {
    let column = |column: Value| json!({"rows": 1, "columns": {"a": column}});
    let rows = [
        (json!({"rows": 0, "columns": {"a": {"type": "int", "pattern": "index"}}}), "rows", "1 to 10000000"),
        (json!({"rows": 1, "columns": {}}), "columns", "at least one column"),
        (
            json!({"rows": 1, "start": "noon", "columns": {"a": {"type": "int", "pattern": "index"}}}),
            "start",
            "not a time",
        ),
        (column(json!({"type": "int", "pattern": "constant"})), "columns.a", "a constant needs a `value`"),
        (column(json!({"type": "int", "pattern": "index", "unit": "zz"})), "columns.a.unit", "unknown unit"),
        (column(json!({"type": "int", "pattern": "index", "value": "x"})), "columns.a.value", "of type int"),
        (column(json!({"type": "int", "pattern": "index", "of": 0})), "columns.a.of", "at least 1"),
        (
            column(json!({"type": "int", "pattern": "random", "min": 2, "max": 1})),
            "columns.a.min",
            "`min` 2 is above `max` 1",
        ),
        (column(json!({"type": "int", "pattern": "guess"})), "columns.a.pattern", "unknown variant `guess`"),
        (
            column(json!({"type": "int", "pattern": "index", "cols": 1})),
            "columns.a.cols",
            "unknown field `cols`",
        ),
    ];
    for (options, at, message) in rows {
        let Err(problems) = plan(&options) else { panic!("{options} is accepted") };
        assert!(
            problems.iter().any(|problem| problem.at.to_string() == at && problem.message.contains(message)),
            "{options}: {problems:?}"
        );
    }
}
