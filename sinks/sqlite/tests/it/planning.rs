//! What `check` says of options that do not fit, before anything is opened.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use serde_json::{Value, json};
use smiles_stage::{Delivery, source_field, time_field};
use smiles_testkit::MemoryFiles;

use crate::fixture::{Fixture, plan};

fn fixture(tables: Value) -> Fixture {
    let power = Field::new("power", DataType::Float64, true);
    Fixture::new(tables, Arc::new(Schema::new(vec![time_field(), source_field(), power])))
}

#[test]
fn options_are_checked_where_they_stand() {
    let good = json!({ "t": { "columns": { "power": "power" } } });
    let cases = [
        (json!({ "tables": good, "pth": "a.db" }), "", "unknown field `pth`"),
        (json!({ "tables": good, "path": "" }), "path", "the path is empty"),
        (json!({ "tables": good, "readers": 0 }), "readers", "at least one query"),
        (json!({ "tables": good, "synchronous": "off" }), "synchronous", "unknown variant `off`"),
        (json!({ "tables": good, "busy_timeout": "5" }), "busy_timeout", "not a duration"),
        (json!({ "tables": { "t": { "colums": {} } } }), "tables.t", "unknown field `colums`"),
        (
            json!({ "tables": { "t": { "columns": { "a": { "json": {}, "x": 1 } } } } }),
            "tables.t.columns.a",
            "unknown field `x`",
        ),
        (
            json!({ "tables": { "t": { "columns": { "a": 5 } } } }),
            "tables.t.columns.a",
            "the name of a pipeline column",
        ),
        (json!({}), "", "missing field `tables`"),
    ];
    for (options, at, says) in cases {
        let problems = plan(&options, &MemoryFiles::default()).err().expect("a complaint");
        assert!(problems[0].message.contains(says), "{says}: {problems:?}");
        assert!(problems[0].at.to_string().starts_with(at), "{says}: {}", problems[0].at);
    }
}

#[test]
fn the_mapping_is_checked_against_what_enters() {
    let fixture = fixture(json!({ "t": { "columns": { "power": "powr" } } }));
    let plan = plan(&fixture.options, &fixture.files).unwrap();
    let problems = plan.wire(&fixture.input, None).err().expect("a complaint");
    assert_eq!(problems[0].at.to_string(), "tables.t.columns.power");
    assert_eq!(problems[0].help.as_deref(), Some("did you mean `power`?"));
}

#[test]
fn a_sound_plan_offers_its_tables() {
    let tables =
        json!({ "t": { "columns": { "at": "time", "power": "power" }, "reads": { "id": "int64" } } });
    let fixture = fixture(tables);
    let plan = plan(&fixture.options, &fixture.files).unwrap();
    assert_eq!(plan.delivery(), Delivery::Transactional);
    let wired = plan.wire(&fixture.input, None).unwrap();
    let names: Vec<String> =
        wired.offer().unwrap().tables["t"].fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["at", "power", "id"]);
}

#[tokio::test]
async fn without_a_path_the_pipeline_names_the_file_and_folders_are_made() {
    let mut fixture = fixture(json!({ "t": { "create": true, "columns": { "power": "power" } } }));
    fixture.options.as_object_mut().unwrap().remove("path");
    fixture.connected().await;
    assert!(fixture.folder.path().join("test.db").exists());
    fixture.options["path"] = json!("deep/down/store.db");
    fixture.connected().await;
    assert!(fixture.folder.path().join("deep/down/store.db").exists());
}
