//! What becomes null, what stays, what is copied, and what is refused.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt8Type, UInt16Type};
use arrow_array::{Array, ArrayRef, Float64Array, StringArray, UInt8Array, UInt16Array};
use arrow_schema::DataType;
use smiles_stage::{ColumnMeta, Kind};
use smiles_testkit::NoFiles;

use super::*;

const STOCK: &str = r#"{"key": ["serial"], "raw": "raw_", "keep": ["link"],
    "not_heard": {"any": [{"link": 0}, {"all_zero": ["voltage", "total"]}]}}"#;

fn plan(options: &str) -> Result<Box<dyn TransformPlan>, Problems> {
    Validity::plan(serde_json::from_str(options).unwrap(), PlanContext { stage: "validity", files: &NoFiles })
}

fn input() -> SchemaRef {
    let field = |name: &str, data_type: DataType| Field::new(name, data_type, false);
    Arc::new(Schema::new(vec![
        field("serial", DataType::Utf8),
        field("dtu", DataType::Utf8),
        field("voltage", DataType::Float64).with_unit("V").with_kind(Kind::Gauge),
        field("total", DataType::UInt16).with_unit("Wh").with_kind(Kind::Counter),
        field("alarms", DataType::UInt8).with_kind(Kind::State),
        field("link", DataType::UInt8).with_kind(Kind::State),
    ]))
}

struct NoState;

impl State for NoState {
    fn get(&self, _key: &[u8]) -> Option<Vec<u8>> {
        panic!("asked for state")
    }
    fn put(&mut self, _key: &[u8], _value: Vec<u8>) {
        panic!("put state")
    }
}

fn pass() -> PassInfo {
    PassInfo::new("DTU", jiff::Timestamp::UNIX_EPOCH, true)
}

/// Rows of voltage, total and link, through the stage.
fn through(rows: &[(f64, u16, u8)]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["a"; rows.len()])),
        Arc::new(StringArray::from(vec!["10f8"; rows.len()])),
        Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.1)).collect::<UInt16Array>()),
        Arc::new(UInt8Array::from(vec![3; rows.len()])),
        Arc::new(rows.iter().map(|row| Some(row.2)).collect::<UInt8Array>()),
    ];
    let ValidityPlan(options) = ValidityPlan(serde_json::from_str(STOCK).unwrap());
    let Ok(columns_of) = ValidityPlan(options).columns(&input()) else { panic!("refused") };
    ValidityTransform(Arc::new(columns_of))
        .apply(RecordBatch::try_new(input(), columns).unwrap(), &pass(), &mut NoState)
        .unwrap()
}

#[test]
fn a_row_is_heard_or_not() {
    for (case, row, heard) in [
        ("by day", (230.1, 500, 1), true),
        ("link down", (230.1, 500, 0), false),
        ("all zero", (0.0, 0, 1), false),
        ("a blackout has a total", (0.0, 500, 1), true),
        ("a brand-new inverter has a grid", (230.1, 0, 1), true),
    ] {
        let rows = through(&[row]);
        let nulls = |name: &str| rows.column_by_name(name).unwrap().null_count() > 0;
        for measured in ["voltage", "total", "alarms"] {
            assert_eq!(nulls(measured), !heard, "{case}: {measured}");
        }
        for kept in ["serial", "dtu", "link", "raw_voltage", "raw_total", "raw_alarms", "raw_link"] {
            assert!(!nulls(kept), "{case}: {kept}");
        }
    }
}

#[test]
fn each_row_stands_alone_and_what_was_read_is_kept() {
    let rows = through(&[(230.1, 500, 1), (0.0, 0, 0), (231.0, 501, 1)]);
    let float = |name: &str| {
        rows.column_by_name(name).unwrap().as_primitive::<Float64Type>().iter().collect::<Vec<_>>()
    };
    assert_eq!(float("voltage"), [Some(230.1), None, Some(231.0)]);
    assert_eq!(float("raw_voltage"), [Some(230.1), Some(0.0), Some(231.0)]);
    let total = rows.column_by_name("total").unwrap().as_primitive::<UInt16Type>();
    assert_eq!(total.iter().collect::<Vec<_>>(), [Some(500), None, Some(501)]);
    let link = rows.column_by_name("link").unwrap().as_primitive::<UInt8Type>();
    assert_eq!(link.iter().collect::<Vec<_>>(), [Some(1), Some(0), Some(1)]);
    assert_eq!(through(&[]).num_rows(), 0);
}

#[test]
fn copies_keep_their_unit_and_are_copied_and_treated_no_more() {
    let output = plan(STOCK).unwrap().wire(&input()).map(|wired| wired.output()).unwrap();
    let names: Vec<_> = output.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names[6..], ["raw_voltage", "raw_total", "raw_alarms", "raw_link"]);
    let raw = output.field_with_name("raw_total").unwrap();
    assert_eq!((raw.unit(), raw.kind(), raw.is_nullable()), (Some("Wh"), None, false));
    let nullable: Vec<_> =
        output.fields().iter().filter(|field| field.is_nullable()).map(|f| f.name()).collect();
    assert_eq!(nullable, ["voltage", "total", "alarms"], "what may become null says so");

    let again = STOCK.replace("raw_", "second_");
    let twice = plan(&again).unwrap().wire(&output).map(|wired| wired.output()).unwrap();
    let added: Vec<_> = twice.fields()[10..].iter().map(|field| field.name().as_str()).collect();
    assert_eq!(added, ["second_voltage", "second_total", "second_alarms", "second_link"]);
    assert!(!twice.field_with_name("raw_total").unwrap().is_nullable());
}

#[test]
fn all_that_does_not_fit_is_said_at_once_where_it_stands() {
    let options = r#"{"key": ["serail", "voltage"], "raw": "r", "keep": ["link", "lnk"],
        "not_heard": {"any": [{"link": "down", "voltag": 0}, {"all_zero": ["total", "dtu"]}]}}"#;
    let Err(problems) = plan(options).unwrap().wire(&input()).map(|wired| wired.output()) else {
        panic!("accepted")
    };
    let mut said: Vec<_> =
        problems.iter().map(|problem| format!("{}: {}", problem.at, problem.message)).collect();
    said.sort();
    assert_eq!(
        said,
        [
            "keep[1]: no column `lnk` here",
            "key[0]: no column `serail` here",
            "key[1]: column `voltage` holds Float64; a key is text or whole numbers",
            "not_heard.any[0].link: column `link` holds UInt8 and never equals a text",
            "not_heard.any[0].voltag: no column `voltag` here",
            "not_heard.any[1].all_zero[1]: column `dtu` holds Utf8, not numbers",
        ]
    );
    let help = |at: &str| problems.iter().find(|problem| problem.at.to_string() == at).unwrap().help.clone();
    assert_eq!(help("keep[1]").unwrap(), "did you mean `link`?");
    assert_eq!(help("not_heard.any[0].voltag").unwrap(), "did you mean `voltage`?");
}

#[test]
fn what_never_holds_or_cannot_be_named_is_refused() {
    let refused = |options: &str| match plan(options)
        .and_then(|plan| plan.wire(&input()).map(|wired| wired.output()))
    {
        Ok(_) => panic!("{options} was accepted"),
        Err(problems) => problems.iter().map(|p| format!("{}: {}", p.at, p.message)).collect::<Vec<_>>(),
    };
    assert_eq!(
        refused(r#"{"key": ["serial"], "raw": "", "not_heard": {"any": [{}, {"all_zero": []}]}}"#),
        [
            "not_heard.any[0]: no column is named",
            "not_heard.any[1].all_zero: no column is named",
            "raw: a copy needs another name than its column"
        ]
    );
    assert_eq!(refused(r#"{"key": [], "not_heard": {"any": []}}"#), ["not_heard.any: no condition is given"]);
    assert_eq!(refused(r#"{"key": [], "not_heard": {"any": [{"link": 0}]}}"#), ["key: no column is named"]);
    let with = |options: &str, schema: Schema| {
        plan(options).unwrap().wire(&Arc::new(schema)).map(|wired| wired.output()).unwrap_err()
    };
    let mut fields: Vec<_> = input().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.push(Field::new("raw_total", DataType::Int64, true));
    assert_eq!(with(STOCK, Schema::new(fields))[0].message, "there is a column `raw_total` already");
    let unmeasured = Schema::new(vec![
        Field::new("serial", DataType::Utf8, false),
        Field::new("link", DataType::UInt8, false),
    ]);
    let options = r#"{"key": ["serial"], "not_heard": {"any": [{"link": 0}]}}"#;
    assert_eq!(with(options, unmeasured)[0].message, "no column here is measured: none has a unit or a kind");
}
