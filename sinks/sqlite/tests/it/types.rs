//! Every type a pipeline can have, written and read back, from whole and from sliced columns.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    LargeStringArray, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_schema::{Field, Schema};
use serde_json::json;
use smiles_stage::{ColumnMeta, Query, json_field};

use crate::fixture::{Fixture, ask};

/// A column as it enters and as it comes back: the extremes, a null, the ordinary.
fn columns() -> Vec<(&'static str, ArrayRef, ArrayRef)> {
    fn column(array: impl Array + 'static) -> ArrayRef {
        Arc::new(array)
    }
    let ints = |values: [Option<i64>; 4]| column(Int64Array::from(values.to_vec()));
    let texts = [Some(""), None, Some("it's \"ö\" \u{0} 🌞"), Some("x")];
    let text = column(StringArray::from(texts.to_vec()));
    let times = [Some(0), None, Some(-62_167_219_200_000_000), Some(1_795_462_992_314_023)];
    let time = column(TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC"));
    let floats = [Some(-0.1), None, Some(f64::MAX), Some(f64::MIN_POSITIVE)];
    let bools = column(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]));
    vec![
        (
            "i8",
            column(Int8Array::from(vec![Some(-128), None, Some(127), Some(0)])),
            ints([Some(-128), None, Some(127), Some(0)]),
        ),
        (
            "i16",
            column(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX), Some(1)])),
            ints([Some(-32_768), None, Some(32_767), Some(1)]),
        ),
        (
            "i32",
            column(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX), Some(1)])),
            ints([Some(i32::MIN.into()), None, Some(i32::MAX.into()), Some(1)]),
        ),
        (
            "i64",
            ints([Some(i64::MIN), None, Some(i64::MAX), Some(1)]),
            ints([Some(i64::MIN), None, Some(i64::MAX), Some(1)]),
        ),
        (
            "u8",
            column(UInt8Array::from(vec![Some(255), None, Some(0), Some(1)])),
            ints([Some(255), None, Some(0), Some(1)]),
        ),
        (
            "u16",
            column(UInt16Array::from(vec![Some(u16::MAX), None, Some(0), Some(1)])),
            ints([Some(65_535), None, Some(0), Some(1)]),
        ),
        (
            "u32",
            column(UInt32Array::from(vec![Some(u32::MAX), None, Some(0), Some(1)])),
            ints([Some(4_294_967_295), None, Some(0), Some(1)]),
        ),
        (
            "u64",
            column(UInt64Array::from(vec![Some(9_223_372_036_854_775_807), None, Some(0), Some(1)])),
            ints([Some(i64::MAX), None, Some(0), Some(1)]),
        ),
        (
            "f32",
            column(Float32Array::from(vec![Some(230.1), None, Some(f32::NAN), Some(f32::MAX)])),
            column(Float64Array::from(vec![Some(230.1), None, None, Some(3.402_823_5e38)])),
        ),
        ("f64", column(Float64Array::from(floats.to_vec())), column(Float64Array::from(floats.to_vec()))),
        (
            "not_finite",
            column(Float64Array::from(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0])),
            column(Float64Array::from(vec![None, None, None, Some(1.0)])),
        ),
        ("utf8", Arc::clone(&text), Arc::clone(&text)),
        ("large", column(LargeStringArray::from(texts.to_vec())), Arc::clone(&text)),
        ("view", column(StringViewArray::from(texts.to_vec())), text),
        ("bool", Arc::clone(&bools), bools),
        ("time", Arc::clone(&time), Arc::clone(&time)),
        (
            "millis",
            column(TimestampMillisecondArray::from(vec![Some(0), None, Some(-62_167_219_200_000), Some(5)])),
            column(
                TimestampMicrosecondArray::from(vec![
                    Some(0),
                    None,
                    Some(-62_167_219_200_000_000),
                    Some(5_000),
                ])
                .with_timezone("UTC"),
            ),
        ),
    ]
}

/// A fixture with one table of all these columns, each under its own name.
fn fixture(fields: Vec<Field>) -> Fixture {
    let columns: serde_json::Map<_, _> =
        fields.iter().map(|field| (field.name().clone(), json!(field.name()))).collect();
    Fixture::new(json!({ "t": { "create": true, "columns": columns } }), Arc::new(Schema::new(fields)))
}

#[tokio::test]
async fn every_type_comes_back_as_it_went() {
    let columns = columns();
    let fields = columns.iter().map(|(name, array, _)| Field::new(*name, array.data_type().clone(), true));
    let fixture = fixture(fields.collect());
    let arrays = columns.iter().map(|(_, array, _)| Arc::clone(array)).collect();
    let records = RecordBatch::try_new(Arc::clone(&fixture.input), arrays).unwrap();
    fixture.deliver(1, &records).await;
    fixture.deliver(2, &records.slice(1, 2)).await;
    let store = fixture.open().await.store.unwrap();
    let query = |limit| Query { table: "t".into(), limit: Some(limit), ..Query::default() };
    let whole = &ask(store.as_ref(), &query(4)).await[0];
    let all = &ask(store.as_ref(), &query(9)).await[0];
    for (index, (name, _, expected)) in columns.iter().enumerate() {
        assert_eq!(whole.column(index), expected, "{name}");
        assert_eq!(&all.column(index).slice(4, 2), &expected.slice(1, 2), "{name}, sliced");
    }
}

#[tokio::test]
async fn any_single_is_stored_as_the_decimal_it_was_said_as() {
    let singles = smiles_testkit::singles(4000);
    let fixture = fixture(vec![
        Field::new("v", arrow_schema::DataType::Float32, true),
        Field::new("row", arrow_schema::DataType::Int64, true),
    ]);
    let rows: Int64Array = (0..4000_i64).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(Float32Array::from(singles.clone())), Arc::new(rows)];
    fixture.deliver(1, &RecordBatch::try_new(Arc::clone(&fixture.input), columns).unwrap()).await;
    let store = fixture.open().await.store.unwrap();
    let query = Query {
        table: "t".into(),
        columns: vec!["v".into(), "row".into()],
        order: vec![smiles_stage::Order { column: "row".into(), descending: false }],
        ..Query::default()
    };
    let answers = ask(store.as_ref(), &query).await;
    let read: Vec<f64> = answers
        .iter()
        .flat_map(|batch| batch.column(0).as_any().downcast_ref::<Float64Array>().unwrap().values().to_vec())
        .collect();
    assert_eq!(read.len(), singles.len());
    for (single, read) in singles.iter().zip(read) {
        assert_eq!(read.to_string(), single.to_string());
        assert_eq!((read as f32).to_bits(), single.to_bits(), "{single}");
    }
    assert_eq!(
        fixture.rows("SELECT v FROM t WHERE v = 230.1 OR v = 1234.567 ORDER BY v"),
        ["230.1", "1234.567"]
    );
}

#[tokio::test]
async fn cells_are_what_people_expect_to_read() {
    let columns = columns();
    let wanted = ["bool", "time", "f64", "i64"];
    let chosen: Vec<_> = columns.iter().filter(|(name, _, _)| wanted.contains(name)).collect();
    let fields =
        chosen.iter().map(|(name, array, _)| Field::new(*name, array.data_type().clone(), true)).collect();
    let fixture = fixture(fields);
    let arrays = chosen.iter().map(|(_, array, _)| Arc::clone(array)).collect();
    fixture.deliver(1, &RecordBatch::try_new(Arc::clone(&fixture.input), arrays).unwrap()).await;
    assert_eq!(
        fixture.rows("SELECT i64, f64, bool, time, typeof(bool), typeof(time) FROM t LIMIT 2"),
        ["-9223372036854775808|-0.1|1|1970-01-01T00:00:00.000000+00:00|integer|text", "-|-|-|-|null|null"]
    );
}

#[tokio::test]
async fn json_and_units_come_back_as_such() {
    let volts = Field::new("v", arrow_schema::DataType::Float64, true).with_unit("V");
    let fixture = fixture(vec![volts.clone(), json_field("j")]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Float64Array::from(vec![1.5])), Arc::new(StringArray::from(vec!["{\"a\":[1]}"]))];
    fixture.deliver(1, &RecordBatch::try_new(Arc::clone(&fixture.input), columns).unwrap()).await;
    let store = fixture.open().await.store.unwrap();
    let query = Query { table: "t".into(), columns: vec!["j".into(), "v".into()], ..Query::default() };
    let answer = &ask(store.as_ref(), &query).await[0];
    assert_eq!(answer.schema().fields()[..], [Arc::new(json_field("j")), Arc::new(volts)]);
}

#[tokio::test]
async fn cells_others_wrote_are_read_or_named() {
    let fixture = fixture(vec![
        Field::new("n", arrow_schema::DataType::Int64, true),
        smiles_stage::time_field().with_nullable(true),
    ]);
    fixture.connected().await;
    let store = fixture.open().await.store.unwrap();
    let query = Query { table: "t".into(), ..Query::default() };
    fixture.database().execute("INSERT INTO t VALUES (1, '2026-11-23 19:43:30.5')", []).unwrap();
    let answer = &ask(store.as_ref(), &query).await[0];
    let time = TimestampMicrosecondArray::from(vec![1_795_463_010_500_000]).with_timezone("UTC");
    assert_eq!(answer.column(1).as_ref(), &time as &dyn Array);
    for odd in ["UPDATE t SET n = 'one'", "UPDATE t SET n = 1, time = 'noon'"] {
        fixture.database().execute(odd, []).unwrap();
        let error = store.query(&query).await.err().expect("an odd cell");
        assert!(error.to_string().contains("of table `t` holds a value of another type"), "{error}");
    }
}
