//! The binary form of every type, with PostgreSQL as the oracle: what is copied equals what is inserted as literals.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use smiles_stage::{Comparison, Filter, Order, Query, Value, json_field};
use smiles_testkit::store_conformance::ask;

use crate::fixture::Fixture;

/// Target columns: name, the type in the table, the column of the pipeline.
const COLUMNS: [(&str, &str, &str); 23] = [
    ("i2", "smallint", "small"),
    ("i4", "integer", "medium"),
    ("i8", "bigint", "whole"),
    ("i8f8", "double precision", "whole"),
    ("i2f4", "real", "small"),
    ("i8n", "numeric", "whole"),
    ("u8", "bigint", "unsigned"),
    ("f4", "real", "single"),
    ("f4f8", "double precision", "single"),
    ("f4n", "numeric", "single"),
    ("f8", "double precision", "number"),
    ("f8n", "numeric", "number"),
    ("s4n", "numeric(12, 3)", "cents"),
    ("t", "text", "text"),
    ("v", "varchar(200)", "text"),
    ("c", "character(200)", "text"),
    ("word", "mood", "mood"),
    ("dom", "positive", "medium"),
    ("flag", "boolean", "flag"),
    ("at", "timestamptz", "time"),
    ("naive", "timestamp", "time"),
    ("j", "jsonb", "document"),
    ("jt", "json", "document"),
];

#[derive(Clone, Debug)]
struct Row {
    small: Option<i16>,
    medium: Option<i32>,
    whole: Option<i64>,
    unsigned: Option<u64>,
    single: Option<f32>,
    number: Option<f64>,
    cents: Option<i32>,
    text: Option<String>,
    mood: Option<&'static str>,
    flag: Option<bool>,
    time: Option<i64>,
    document: Option<String>,
}

fn extreme<T: Copy + std::fmt::Debug + 'static>(
    extremes: &'static [T],
    any: BoxedStrategy<T>,
) -> BoxedStrategy<Option<T>> {
    weighted(0.85, prop_oneof![1 => proptest::sample::select(extremes), 2 => any]).boxed()
}

fn any_row() -> impl Strategy<Value = Row> {
    let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
    let numbers = (
        extreme(&[i16::MIN, i16::MAX, 0, -1], any::<i16>().boxed()),
        extreme(&[0, i32::MAX, 1], (0..i32::MAX).boxed()),
        extreme(&[i64::MIN, i64::MAX, 0, 10_000, 9_999, -10_000, 100_000_000], any::<i64>().boxed()),
        extreme(&[0, 9_223_372_036_854_775_807], (0..9_223_372_036_854_775_807_u64).boxed()),
        extreme(
            &[0.0, -0.0, 230.1, f32::MAX, f32::MIN_POSITIVE, f32::MIN],
            any::<f32>().prop_map(|value| if value.is_finite() { value } else { 0.0 }).boxed(),
        ),
        extreme(
            &[0.0, 0.1, -0.1, 1e15, 123_456_789.000_1, 1e-7, f64::EPSILON, 12_345.678_9],
            any::<f64>().prop_map(finite).boxed(),
        ),
    );
    let others = (
        extreme(&[0, -1, 999_999_999], any::<i32>().prop_map(|value| value % 1_000_000_000).boxed()),
        weighted(0.85, "[a-zA-Zäß€\u{1F31E}'\"\\\\\t\n :]{0,40}"),
        weighted(0.85, proptest::sample::select(&["sad", "it's \"fine\""][..])),
        weighted(0.85, any::<bool>()),
        extreme(
            // The first and the last instant of the calendar of both, 2000, the second before and a leap day.
            &[
                -210_866_803_200_000_000,
                0,
                946_684_800_000_000,
                946_684_799_999_999,
                1_709_164_800_000_001,
                253_402_207_199_999_999,
            ],
            (-62_135_596_800_000_000_i64..253_402_207_200_000_000).boxed(),
        ),
        weighted(
            0.85,
            prop_oneof![Just("{}"), Just("[1,2.50,null]"), Just(r#"{"a":{"ü":"\"x\""}}"#), Just("\"text\"")]
                .prop_map(str::to_owned),
        ),
    );
    (numbers, others).prop_map(|(a, b)| Row {
        small: a.0,
        medium: a.1,
        whole: a.2,
        unsigned: a.3,
        single: a.4,
        number: a.5,
        cents: b.0,
        text: b.1,
        mood: b.2,
        flag: b.3,
        time: b.4,
        document: b.5,
    })
}

fn input() -> SchemaRef {
    let plain = |name: &str, data_type| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![
        plain("small", DataType::Int64),
        plain("medium", DataType::Int64),
        plain("whole", DataType::Int64),
        plain("unsigned", DataType::UInt64),
        plain("single", DataType::Float32),
        plain("number", DataType::Float64),
        plain("cents", DataType::Float64),
        plain("text", DataType::Utf8),
        plain("mood", DataType::Utf8),
        plain("flag", DataType::Boolean),
        plain("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        json_field("document"),
        plain("row", DataType::Int64),
    ]))
}

fn records(rows: &[Row]) -> RecordBatch {
    let times: TimestampMicrosecondArray = rows.iter().map(|row| row.time).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.small.map(i64::from)).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.medium.map(i64::from)).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.whole).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.unsigned).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| row.single).collect::<Float32Array>()),
        Arc::new(rows.iter().map(|row| row.number).collect::<Float64Array>()),
        Arc::new(
            rows.iter().map(|row| row.cents.map(|cents| f64::from(cents) / 1000.0)).collect::<Float64Array>(),
        ),
        Arc::new(rows.iter().map(|row| row.text.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.mood).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()),
        Arc::new(times.with_timezone("UTC")),
        Arc::new(rows.iter().map(|row| row.document.as_deref()).collect::<StringArray>()),
        Arc::new((0_i64..).take(rows.len()).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(input(), columns).unwrap()
}

/// The pipeline column of a row as a literal of PostgreSQL.
fn literal(row: &Row, column: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let cell = match column {
        "small" => row.small.map(|value| value.to_string()),
        "medium" => row.medium.map(|value| value.to_string()),
        "whole" => row.whole.map(|value| quoted(&value.to_string())),
        "unsigned" => row.unsigned.map(|value| value.to_string()),
        "single" => row.single.map(|value| quoted(&value.to_string())),
        "number" => row.number.map(|value| quoted(&value.to_string())),
        "cents" => row.cents.map(|cents| quoted(&(f64::from(cents) / 1000.0).to_string())),
        "text" => row.text.as_deref().map(quoted),
        "mood" => row.mood.map(quoted),
        "flag" => row.flag.map(|value| value.to_string()),
        "document" => row.document.as_deref().map(quoted),
        _ => row.time.map(instant),
    };
    cell.unwrap_or_else(|| "NULL".to_owned())
}

fn instant(micros: i64) -> String {
    let at = Timestamp::from_microsecond(micros).unwrap().to_string();
    match at.strip_prefix('-') {
        // The year 0 is the first before Christ.
        Some(rest) => {
            let year = 1 + rest.trim_start_matches('0').split_once('-').unwrap().0.parse::<i32>().unwrap();
            format!("'{year:04}-{} BC'", rest.split_once('-').unwrap().1)
        }
        None if at.starts_with("0000") => format!("'0001{} BC'", &at[4..]),
        None => format!("'{at}'"),
    }
}

fn fixture() -> Fixture {
    let columns: serde_json::Map<_, _> =
        COLUMNS.iter().map(|(name, _, from)| ((*name).to_owned(), json!(from))).collect();
    let mut upserted = columns.clone();
    upserted.insert("k".to_owned(), json!("row"));
    let tables = json!({
        "copied": { "columns": columns },
        "upserted": { "mode": "upsert", "key": ["k"], "columns": upserted },
    });
    let declared: Vec<String> = COLUMNS.iter().map(|(name, of, _)| format!("{name} {of}")).collect();
    let declared = declared.join(", ");
    let sql = format!(
        "CREATE TYPE mood AS ENUM ('sad', 'it''s \"fine\"');
         CREATE DOMAIN positive AS integer CHECK (VALUE >= 0);
         CREATE TABLE copied ({declared});
         CREATE TABLE inserted ({declared});
         CREATE TABLE upserted (k bigint PRIMARY KEY, {declared});"
    );
    Fixture::new(tables, input()).with_migration("001_tables.sql", &sql)
}

#[test]
fn what_is_copied_and_upserted_equals_what_is_inserted() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fixture = fixture();
    runtime.block_on(fixture.connected());
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let case = (vec(any_row(), 1..40), 0..4_usize, 0..4_usize);
    let names = COLUMNS.map(|(name, _, _)| name).join(", ");
    // Neither `json` nor what floating point shows is compared by value: both as text.
    let compared = names.replace(", jt", ", jt::text");
    let checked = TestRunner::new(config).run(&case, |(rows, from, cut)| {
        let from = from.min(rows.len());
        let to = rows.len().saturating_sub(cut).max(from);
        fixture.database.sql("TRUNCATE copied, inserted, upserted, smiles_watermarks");
        runtime.block_on(fixture.deliver(1, &records(&rows).slice(from, to - from)));
        let values: Vec<String> = rows[from..to]
            .iter()
            .map(|row| {
                let cells: Vec<String> = COLUMNS.iter().map(|(_, _, column)| literal(row, column)).collect();
                format!("({})", cells.join(", "))
            })
            .collect();
        if !values.is_empty() {
            fixture.database.sql(&format!("INSERT INTO inserted ({names}) VALUES {}", values.join(",\n")));
        }
        let difference = fixture.rows(&format!(
            "SELECT 'only copied', {compared} FROM copied EXCEPT ALL SELECT 'only copied', {compared} FROM inserted;
             SELECT 'only inserted', {compared} FROM inserted EXCEPT ALL SELECT 'only inserted', {compared} FROM copied;
             SELECT 'upserted', {compared} FROM upserted EXCEPT SELECT 'upserted', {compared} FROM inserted"
        ));
        prop_assert_eq!(difference, Vec::<String>::new());
        prop_assert_eq!(fixture.rows("SELECT count(*) FROM upserted"), vec![(to - from).to_string()]);
        Ok(())
    });
    checked.unwrap();
}

#[tokio::test]
async fn any_single_is_read_and_found_as_the_decimal_it_was_said_as() {
    let singles = smiles_testkit::singles(500);
    let columns = json!({ "f4": "single", "f8": "single", "n": "single", "o": "row" });
    let tables =
        json!({ "t": { "columns": columns }, "u": { "mode": "upsert", "key": ["o"], "columns": columns } });
    let declared = "(o bigint PRIMARY KEY, f4 real, f8 double precision, n numeric)";
    let sql = format!("CREATE TABLE t {declared}; CREATE TABLE u {declared}");
    let fixture = Fixture::new(tables, input()).with_migration("001_t.sql", &sql);
    fixture.connected().await;
    let row = |single: f32| Row {
        small: None,
        medium: None,
        whole: None,
        unsigned: None,
        single: Some(single),
        number: None,
        cents: None,
        text: None,
        mood: None,
        flag: None,
        time: None,
        document: None,
    };
    let rows: Vec<Row> = singles.iter().map(|single| row(*single)).collect();
    fixture.deliver(1, &records(&rows)).await;
    let store = fixture.open().await.store.unwrap();
    for table in ["t", "u"] {
        let query = Query {
            table: table.into(),
            columns: ["f4", "f8", "n", "o"].map(str::to_owned).to_vec(),
            order: vec![Order { column: "o".into(), descending: false }],
            ..Query::default()
        };
        let answers = ask(store.as_ref(), &query).await;
        for column in 0..3 {
            let read = answers.iter().flat_map(|batch| {
                batch.column(column).as_any().downcast_ref::<Float64Array>().unwrap().values().to_vec()
            });
            let read: Vec<String> = read.map(|read| read.to_string()).collect();
            assert_eq!(read, singles.iter().map(f32::to_string).collect::<Vec<_>>(), "{table} {column}");
        }
        for (place, single) in singles.iter().enumerate().take(50) {
            let filter = Filter {
                column: "f4".into(),
                comparison: Comparison::Eq,
                value: Value::Float(smiles_stage::widened(*single)),
            };
            let query = Query { filters: vec![filter], ..query.clone() };
            let found = ask(store.as_ref(), &query).await;
            let places: Vec<i64> = found
                .iter()
                .flat_map(|batch| {
                    batch.column(3).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec()
                })
                .collect();
            assert_eq!(places, [i64::try_from(place).unwrap()], "{single} in {table}");
        }
    }
}

#[tokio::test]
async fn what_a_column_cannot_hold_names_its_row_before_the_database_is_asked() {
    let tables =
        json!({ "t": { "columns": { "small": "small", "f": "number", "text": "text", "at": "time" } } });
    let sql = "CREATE TABLE t (n bigserial, small smallint, f real, text text, at timestamptz)";
    let fixture = Fixture::new(tables, input()).with_migration("001_t.sql", sql);
    let mut sink = fixture.connected().await;
    let healthy = Row {
        small: Some(1),
        medium: None,
        whole: None,
        unsigned: None,
        single: None,
        number: Some(1.5),
        cents: None,
        text: Some("fine".into()),
        mood: None,
        flag: None,
        time: Some(0),
        document: None,
    };
    let mut columns = records(&vec![healthy; 5]).columns().to_vec();
    columns[0] = Arc::new(Int64Array::from(vec![1, 40_000, 3, 4, 5]));
    columns[5] = Arc::new(Float64Array::from(vec![1.0, 1.0, 1e300, 1.0, 1.0]));
    columns[7] = Arc::new(StringArray::from(vec!["a", "b", "c", "d\0d", "e"]));
    let times =
        TimestampMicrosecondArray::from(vec![0, 0, 0, 0, -210_866_803_200_000_000 - 86_400_000_000 * 400]);
    columns[10] = Arc::new(times.with_timezone("UTC"));
    let records = RecordBatch::try_new(input(), columns).unwrap();
    sink.write(&crate::fixture::batch(1, &records)).await.unwrap();
    let error = sink.flush().await.unwrap_err();
    let smiles_stage::Action::Reject { rows } = error.action() else { panic!("{}", error.chain()) };
    let named: Vec<(usize, &str)> = rows.iter().map(|row| (row.row, row.code.as_str())).collect();
    assert_eq!(named, [(1, "22003"), (2, "22003"), (3, "22021"), (4, "22008")]);
    assert!(rows[0].reason.contains("column `small` of table `t`"), "{}", rows[0].reason);
    assert!(error.chain().contains("holds 40000, and its type goes from -32768"), "{}", error.chain());
    sink.write(&crate::fixture::batch(1, &records.slice(0, 1))).await.unwrap();
    sink.flush().await.unwrap();
    assert_eq!(fixture.rows("SELECT small, f, text FROM t"), ["1|1|a"]);
}
