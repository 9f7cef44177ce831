//! Words for codes on their way through every transform: they stay with the codes, and with nothing that is made of them.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::{Value, json};
use smiles_stage::{ColumnMeta, Kind, Labels, PlanContext, Registry, source_field, time_field};
use smiles_testkit::NoFiles;
use smiles_transform_standard::{Counter, DailyReset, Sum, UnitConversion, Validity};

fn labels() -> Labels {
    Labels::Values([(0, "standby".to_owned()), (512, "on grid".to_owned())].into())
}

/// Everything has words here, also what is no code.
fn input() -> SchemaRef {
    let worded = |name: &str| Field::new(name, DataType::UInt16, true).with_labels(&labels());
    Arc::new(Schema::new(vec![
        time_field(),
        source_field(),
        worded("state").with_kind(Kind::State),
        worded("voltage").with_unit("0.1 V"),
        worded("today").with_unit("Wh"),
        worded("total").with_unit("Wh"),
    ]))
}

/// The columns that leave with words.
fn worded(name: &str, options: &Value) -> Vec<String> {
    let registry = Registry::new()
        .transform::<UnitConversion>()
        .transform::<Validity>()
        .transform::<Counter>()
        .transform::<DailyReset>()
        .transform::<Sum>();
    let factory = registry.find_transform(name).unwrap();
    let plan = factory.plan(options, PlanContext { stage: name, files: &NoFiles }).unwrap();
    let wired = plan.wire(&input()).map_err(|problems| panic!("{problems:?}")).unwrap();
    let output = wired.output();
    let kept = output.fields().iter().filter(|field| field.labels().is_some());
    kept.inspect(|field| assert_eq!(field.labels(), Some(labels())))
        .map(|field| field.name().clone())
        .collect()
}

#[test]
fn words_stay_with_codes_and_with_nothing_that_is_made_of_them() {
    let all = ["state", "voltage", "today", "total"];
    let with = |more: &[&'static str]| [&all[..], more].concat();
    let without = |gone: &str| all.iter().copied().filter(|name| *name != gone).collect::<Vec<_>>();
    let rows = [
        ("unit_conversion", json!({}), without("voltage")),
        (
            "validity",
            json!({"key": ["source"], "not_heard": {"any": [{"all_zero": ["voltage"]}]}, "raw": "raw_"}),
            with(&["raw_state", "raw_voltage", "raw_today", "raw_total"]),
        ),
        ("counter", json!({"key": ["source"], "column": "total", "max_rate": "9 Wh/h"}), without("total")),
        ("daily_reset", json!({"key": ["source"], "today": "today", "max_rate": "9 Wh/h"}), without("today")),
        (
            "sum",
            json!({"key": ["source"], "total": "total", "today": "today", "sums": {"plant": []}}),
            with(&[]),
        ),
    ];
    for (name, options, expected) in rows {
        assert_eq!(worded(name, &options), expected, "{name}");
    }
}
