//! What a mapping that does not fit is told, and what one that fits offers.

use arrow_schema::Schema;
use serde_json::{Value, json};

use super::{input, planned, table};
use crate::{ColumnType, Mode, Role, Tables};
use smiles_stage::{ColumnMeta, Kind, Labels};

/// One table's options, where the first complaint stands below `tables.t`, what it says, what helps.
#[test]
fn complaints_name_place_and_remedy() {
    let upsert = |more: Value| {
        let mut options = json!({ "mode": "upsert", "key": ["k"], "columns": { "k": "serial", "v": "voltage", "at": "time", "seen": "time" } });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        options
    };
    let plain = |column: Value| json!({ "columns": { "a": column } });
    let cases = [
        (plain(json!("volage")), ".columns.a", "no column `volage`", "did you mean `voltage`?"),
        (plain(json!({ "column": "volage" })), ".columns.a.column", "no column `volage`", "`voltage`"),
        (plain(json!({ "json": { "v": "volage" } })), ".columns.a.json.v", "no column `volage`", "`voltage`"),
        (plain(json!("blob")), ".columns.a", "is Binary and fits no table", "map a number"),
        (plain(json!({})), ".columns.a", "either `column`", "write `{column"),
        (plain(json!({ "column": "port", "json": {} })), ".columns.a", "either `column`", "write"),
        (
            plain(json!({ "column": "serial", "type": "float64" })),
            ".columns.a.type",
            "`serial` is text and cannot be stored as float64",
            "type: text",
        ),
        (
            plain(json!({ "column": "voltage", "type": "int64" })),
            ".columns.a.type",
            "is float64",
            "type: float64",
        ),
        (plain(json!({ "column": "time", "type": "text" })), ".columns.a.type", "is time", "type: time"),
        (json!({}), "", "has no `columns`", "map at least one"),
        (json!({ "mode": "read" }), "", "needs `reads`", "name the columns"),
        (
            json!({ "mode": "read", "reads": { "a": "text" }, "columns": { "b": "port" } }),
            ".columns",
            "`columns` needs",
            "remove",
        ),
        (
            json!({ "key": ["a"], "columns": { "a": "port" } }),
            ".key",
            "`key` needs `mode: upsert`",
            "remove `key`",
        ),
        (json!({ "newest": "a", "columns": { "a": "time" } }), ".newest", "`newest` needs", "remove"),
        (
            json!({ "mode": "upsert", "columns": { "a": "port" } }),
            "",
            "needs a `key`",
            "name the target columns",
        ),
        (
            upsert(json!({ "key": ["serial"] })),
            ".key[0]",
            "target column `serial` is not mapped",
            "known here",
        ),
        (upsert(json!({ "key": ["k", "k"] })), ".key[1]", "`k` stands here twice", "remove"),
        (
            upsert(json!({ "newest": "v" })),
            ".newest",
            "is float64 and cannot say what is newest",
            "time column",
        ),
        (
            upsert(json!({ "newest": "sen" })),
            ".newest",
            "target column `sen` is not mapped",
            "did you mean `seen`?",
        ),
        (upsert(json!({ "newest": "time" })), ".newest", "`time` is not mapped", "known here"),
        (upsert(json!({ "newest": "k" })), ".newest", "cannot be two of", "one of them"),
        (upsert(json!({ "first": ["at"], "newest": "at" })), ".newest", "cannot be two of", "one of them"),
        (upsert(json!({ "first": ["k"] })), ".first[0]", "cannot be two of", "one of them"),
        (
            json!({ "distinct": ["serail"], "columns": { "a": "port" } }),
            ".distinct[0]",
            "no column `serail`",
            "`serial`",
        ),
        (
            json!({ "where": { "prt": 1 }, "columns": { "a": "port" } }),
            ".where.prt",
            "no column `prt`",
            "`port`",
        ),
        (
            json!({ "where": { "port": "one" }, "columns": { "a": "port" } }),
            ".where.port",
            "never equals",
            "own type",
        ),
        (
            json!({ "where": { "serial": 5 }, "columns": { "a": "port" } }),
            ".where.serial",
            "never equals",
            "own type",
        ),
        (
            json!({ "reads": { "a": "int64" }, "columns": { "a": "port" } }),
            ".reads.a",
            "mapped already",
            "remove it",
        ),
        (json!({ "columns": { "": "port" } }), ".columns.", "needs a name", "character"),
    ];
    for (options, at, says, help) in cases {
        let problems = planned(json!({ "t": options.clone() }), &input()).unwrap_err();
        let first = &problems[0];
        assert_eq!(first.at.to_string(), format!("tables.t{at}"), "{options}: {first:?}");
        assert!(first.message.contains(says), "{options}: {first:?}");
        assert!(first.help.as_deref().is_some_and(|text| text.contains(help)), "{options}: {first:?}");
    }
}

#[test]
fn all_complaints_come_at_once() {
    let tables = json!({
        "smiles_own": { "columns": { "a": "port" } },
        "t": { "columns": { "a": "x", "b": "y" }, "distinct": ["z"] },
    });
    let places: Vec<String> =
        planned(tables, &input()).unwrap_err().iter().map(|problem| problem.at.to_string()).collect();
    assert_eq!(
        places,
        ["tables.smiles_own", "tables.t.columns.a", "tables.t.columns.b", "tables.t.distinct[0]"]
    );
    assert_eq!(planned(json!({}), &input()).unwrap_err()[0].message, "no table is mapped");
}

#[test]
fn newest_may_name_the_pipeline_column_where_it_is_plain_which_target_is_meant() {
    for newest in ["last", "time"] {
        let plan = table(json!({
            "mode": "upsert", "key": ["k"], "first": ["first"], "newest": newest,
            "columns": { "k": "serial", "first": "time", "last": "time", "v": "voltage" },
        }));
        let roles: Vec<Role> = plan.columns.iter().map(|column| column.role).collect();
        assert_eq!(roles, [Role::Key, Role::First, Role::Newest, Role::Value], "newest: {newest}");
    }
}

#[test]
fn a_store_offers_mapped_and_read_columns_with_their_units() {
    let tables = json!({
        "t": { "mode": "upsert", "key": ["k"], "columns": {
                 "k": "serial", "v": "voltage", "wh": "total", "n": "notes",
                 "p": { "column": "port", "type": "float64" }, "raw": { "json": { "v": "voltage" } } },
               "reads": { "id": "int64", "more": "json" } },
        "only": { "mode": "read", "reads": { "at": "time" } },
    });
    let plan = planned(tables, &input()).unwrap();
    assert_eq!(plan.tables[1].mode, Mode::Read);
    let schema = plan.tables[0].readable();
    let types: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| (field.name().as_str(), ColumnType::of(field).unwrap(), field.is_nullable()))
        .collect();
    assert_eq!(
        types,
        [
            ("k", ColumnType::Text, false),
            ("v", ColumnType::Float64, true),
            ("wh", ColumnType::Int64, true),
            ("n", ColumnType::Json, true),
            ("p", ColumnType::Float64, true),
            ("raw", ColumnType::Json, true),
            ("id", ColumnType::Int64, true),
            ("more", ColumnType::Json, true),
        ]
    );
    assert_eq!(schema.field(1).unit(), Some("V"));
    assert_eq!(schema.field(2).kind(), Some(Kind::Counter));
    assert!(schema.field(5).is_json());
    assert_eq!(plan.tables[1].readable().field(0).name(), "at");
}

#[test]
fn a_column_keeps_its_words_under_any_name() {
    let labels = Labels::Values([(0, "standby".to_owned()), (512, "on grid".to_owned())].into());
    let mut fields: Vec<_> = input().fields().iter().map(|field| field.as_ref().clone()).collect();
    let status = fields.iter_mut().find(|field| field.name() == "status").unwrap();
    *status = status.clone().with_labels(&labels);
    let tables = json!({ "t": { "columns": {
        "state": "status", "as_double": { "column": "status", "type": "float64" }, "p": "port",
        "raw": { "json": { "status": "status" } },
    } } });
    let schema = planned(tables, &Schema::new(fields)).unwrap().tables[0].readable();
    let kept: Vec<_> = schema.fields().iter().map(|field| field.labels().is_some()).collect();
    assert_eq!(kept, [true, true, false, false]);
    assert_eq!(schema.field(0).labels(), Some(labels));
}

#[test]
fn tables_and_columns_keep_the_order_of_the_file() {
    let tables: Tables = serde_json::from_str(
        r#"{"z": {"columns": {"b": "x", "a": {"json": {"y": "y", "x": "x"}}}}, "a": {"columns": {"c": "x"}}}"#,
    )
    .unwrap();
    assert_eq!(tables.0.keys().collect::<Vec<_>>(), ["z", "a"]);
    assert_eq!(tables.0[0].columns.keys().collect::<Vec<_>>(), ["b", "a"]);
    let schema = schemars::schema_for!(Tables).to_value().to_string();
    assert!(schema.contains("additionalProperties") && schema.contains("upsert"), "{schema}");
}

#[test]
fn what_no_table_can_compare_with_is_refused_when_it_is_read() {
    for (condition, says) in [("[1]", "a value to compare with"), ("18446744073709551615", "fits no table")] {
        let text = format!(r#"{{"t": {{"where": {{"port": {condition}}}}}}}"#);
        let error = serde_json::from_str::<Tables>(&text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
