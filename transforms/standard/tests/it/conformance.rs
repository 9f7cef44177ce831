//! The battery every transform must pass, on rows as the stock pipeline gives them to each.

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use smiles_runtime::StagedState;
use smiles_stage::{PassInfo, PlanContext, Registry, TransformPlan};
use smiles_testkit::transform_conformance::{Subject, all};
use smiles_testkit::{ManualClock, NoFiles, open_context};
use smiles_transform_standard::{Counter, DailyReset, Sum, UnitConversion, Validity};

use crate::chain::{Row, batch, stock};

fn plan(name: &str, options: &Value) -> Box<dyn TransformPlan> {
    let registry = Registry::new()
        .transform::<UnitConversion>()
        .transform::<Validity>()
        .transform::<Counter>()
        .transform::<DailyReset>()
        .transform::<Sum>();
    let factory = registry.find_transform(name).unwrap();
    factory.plan(options, PlanContext { stage: name, files: &NoFiles }).unwrap()
}

/// The evening of a port and the next morning: growth, a night, a fall that is held, a value that is impossible.
fn rows() -> Vec<RecordBatch> {
    let at = |minute: i64| {
        let begin: Timestamp = "2026-06-01T20:30:00Z".parse().unwrap();
        begin + SignedDuration::from_mins(minute)
    };
    let of = |minute, today, total| Row::heard(at(minute), today, total);
    let batches = [
        vec![of(0, 900, 100_000)],
        vec![of(1, 903, 100_003), of(2, 905, 100_005)],
        vec![Row::silent(at(40))],
        vec![of(60, 905, 100_005), of(61, 0, 0)],
        vec![of(62, 906, 100_006), of(63, 65_000, 9_000_000), of(64, 907, 100_007)],
        vec![of(600, 4, 100_011)],
    ];
    batches.iter().map(|rows| batch(rows)).collect()
}

/// What the stage makes of its rows.
fn through(plan: &dyn TransformPlan, batches: &[RecordBatch]) -> Vec<RecordBatch> {
    let wired = plan.wire(&batches[0].schema()).map_err(|problems| panic!("{problems:?}")).unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
    let mut open = wired.open(open_context(Path::new("unused"), clock)).unwrap();
    let (mut state, pass) = (StagedState::default(), PassInfo::new("DTU", Timestamp::UNIX_EPOCH, true));
    let mut apply = |batch: &RecordBatch| {
        let left = open.apply(batch.clone(), &pass, &mut state).unwrap();
        state.keep();
        left
    };
    batches.iter().map(&mut apply).collect()
}

#[test]
fn every_stage_of_the_stock_pipeline_conforms() {
    let mut batches = rows();
    for (name, options) in stock(23, "Europe/Berlin") {
        println!("{name}");
        all(&Subject { plan: plan(name, &options), batches: batches.clone() });
        batches = through(plan(name, &options).as_ref(), &batches);
    }
    // A sum is that of its whole batch: rows come one by one.
    let rows = |batch: &RecordBatch| (0..batch.num_rows()).map(|row| batch.slice(row, 1)).collect::<Vec<_>>();
    let batches: Vec<RecordBatch> = batches.iter().flat_map(rows).collect();
    let options = json!({
        "key": ["serial_number", "port_number"], "total": "total_production", "today": "today_production",
        "sums": { "plant": [] },
    });
    all(&Subject { plan: plan("sum", &options), batches });
}
