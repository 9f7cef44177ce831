//! A batch as rows of a table.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
    UInt8Array, UInt16Array, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{input, lines, planned, table};
use crate::{row_objects, write_time};

type Row = (
    i64,
    &'static str,
    Option<&'static str>,
    Option<u8>,
    Option<f64>,
    Option<u64>,
    Option<u16>,
    Option<bool>,
);

const MINUTE: i64 = 60_000_000;

/// Three ports of two inverters; the first port of the first was not heard.
fn rows() -> Vec<Row> {
    vec![
        (MINUTE, "dtu", Some("a"), Some(1), None, None, Some(0), Some(false)),
        (MINUTE, "dtu", Some("a"), Some(2), Some(230.5), Some(7), Some(3), Some(true)),
        (MINUTE, "dtu", Some("b"), Some(1), Some(-0.25), Some(0), Some(3), None),
        (2 * MINUTE, "barn", Some("a"), None, Some(f64::NAN), Some(9), None, Some(true)),
    ]
}

fn batch(rows: &[Row]) -> RecordBatch {
    let notes = rows.iter().map(|row| row.2.map(|serial| format!("[\"{serial}\", 1]")));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.0)).with_timezone("UTC"),
        ),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(rows.iter().map(|row| row.2).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.3).collect::<UInt8Array>()),
        Arc::new(rows.iter().map(|row| row.4).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.5).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| row.6).collect::<UInt16Array>()),
        Arc::new(rows.iter().map(|row| row.7).collect::<BooleanArray>()),
        Arc::new(notes.collect::<StringArray>()),
        Arc::new(BinaryArray::from_vec(vec![b"x"; rows.len()])),
    ];
    RecordBatch::try_new(input(), columns).unwrap()
}

#[test]
fn a_row_prints_as_an_object_of_all_its_columns() {
    let printed = row_objects(&batch(&rows()[1..3]));
    let names: Vec<String> = input().fields().iter().map(|field| field.name().clone()).collect();
    for (row, cells) in [
        r#""1970-01-01T00:01:00.000000+00:00","dtu","a",2,230.5,7,3,true,["a", 1],null"#,
        r#""1970-01-01T00:01:00.000000+00:00","dtu","b",1,-0.25,0,3,null,["b", 1],null"#,
    ]
    .into_iter()
    .enumerate()
    {
        let object: serde_json::Map<String, Value> = serde_json::from_str(printed.value(row)).unwrap();
        assert_eq!(object.keys().cloned().collect::<Vec<_>>(), names);
        let expected: Value = serde_json::from_str(&format!("[{cells}]")).unwrap();
        assert_eq!(Value::Array(object.into_values().collect()), expected);
    }
}

/// Rows of a clock in doubt say so in their object; a table of current values gets the better time, a history the one
/// that was read.
#[test]
fn what_is_dated_wrongly_is_marked_and_dated_better_where_current_values_are() {
    let history = json!({
        "columns": { "at": "time", "raw": { "json": { "v": "voltage" }, "misdated": "time_distrusted" } },
    });
    let current = json!({
        "mode": "upsert", "key": ["s"], "newest": "last", "first": ["seen"],
        "columns": { "s": "serial", "seen": "time", "last": "time" },
    });
    let heard = batch(&rows()[1..2]);
    let marked = |known: bool| smiles_stage::mark_misdated(heard.clone(), known);
    let accepted = |records: RecordBatch| smiles_stage::Batch {
        position: smiles_stage::Position { run: smiles_stage::RunId([1; 16]), seq: smiles_stage::Seq(1) },
        complete: true,
        accepted_at: jiff::Timestamp::from_microsecond(7 * MINUTE).unwrap(),
        records,
    };
    let cases = [
        (heard.clone(), r#"@60000000|{"v":230.5}"#, "a|@60000000|@60000000"),
        (marked(true), r#"@60000000|{"v":230.5,"time_distrusted":true}"#, "a|@420000000|@420000000"),
        (marked(false), r#"@60000000|{"v":230.5,"time_distrusted":true}"#, "a|@0|@60000000"),
    ];
    for (records, past, now) in cases {
        let rows = accepted(records).rows();
        let of = |options: &Value| lines(&table(options.clone()).project(&rows).unwrap().records);
        assert_eq!((of(&history), of(&current)), (vec![past.to_owned()], vec![now.to_owned()]));
    }
}

#[test]
fn a_table_gets_its_columns_and_rows() {
    let cases: [(Value, &[&str]); 12] = [
        (
            json!({ "columns": { "at": "time", "p": "port", "v": "voltage" } }),
            &["@60000000|1|-", "@60000000|2|230.5", "@60000000|1|-0.25", "@120000000|-|-"],
        ),
        (
            json!({ "columns": { "p": { "column": "port", "type": "float64" }, "up": { "column": "up", "type": "int64" } } }),
            &["1.0|0", "2.0|1", "1.0|-", "-|1"],
        ),
        (json!({ "columns": { "p": "port" }, "where": { "serial": "a" } }), &["1", "2", "-"]),
        (json!({ "columns": { "p": "port" }, "where": { "port": "not_null", "serial": "a" } }), &["1", "2"]),
        (json!({ "columns": { "p": "port" }, "where": { "up": true, "status": 3 } }), &["2"]),
        (json!({ "columns": { "p": "port" }, "where": { "voltage": -0.25 } }), &["1"]),
        (json!({ "columns": { "p": "port" }, "where": { "source": "nobody" } }), &[]),
        // The first row that was heard, else the first: states do not count, null keys agree.
        (
            json!({ "columns": { "s": "serial", "p": "port", "v": "voltage", "st": "status" }, "distinct": ["source", "serial"] }),
            &["a|2|230.5|3", "b|1|-0.25|3", "a|-|-|-"],
        ),
        (json!({ "columns": { "p": "port", "st": "status" }, "distinct": ["serial"] }), &["1|0", "1|3"]),
        (
            json!({ "columns": { "p": "port", "v": "voltage" }, "distinct": ["port"] }),
            &["2|230.5", "1|-0.25", "-|-"],
        ),
        (
            json!({ "columns": { "raw": { "json": { "v": "voltage", "s": "serial", "up": "up", "n": "notes", "at": "time", "wh": "total" } } }, "where": { "status": "not_null" } }),
            &[
                r#"{"v":null,"s":"a","up":false,"n":["a", 1],"at":"1970-01-01T00:01:00.000000+00:00","wh":null}"#,
                r#"{"v":230.5,"s":"a","up":true,"n":["a", 1],"at":"1970-01-01T00:01:00.000000+00:00","wh":7}"#,
                r#"{"v":-0.25,"s":"b","up":null,"n":["b", 1],"at":"1970-01-01T00:01:00.000000+00:00","wh":0}"#,
            ],
        ),
        (json!({ "mode": "read", "reads": { "id": "int64" } }), &["", "", "", ""]),
    ];
    for (options, expected) in cases {
        assert_eq!(
            lines(&table(options.clone()).project(&batch(&rows())).unwrap().records),
            expected,
            "{options}"
        );
    }
}

#[test]
fn rows_remember_where_they_came_from_also_in_a_slice() {
    let plan = table(json!({ "columns": { "p": "port" }, "where": { "serial": "a" } }));
    let whole = batch(&rows());
    assert_eq!(plan.project(&whole).unwrap().origin, [0, 1, 3]);
    let slice = plan.project(&whole.slice(1, 3)).unwrap();
    assert_eq!((lines(&slice.records), slice.origin), (vec!["2".to_owned(), "-".to_owned()], vec![0, 2]));
}

#[test]
fn what_does_not_fit_is_named_with_column_and_table() {
    let mut rows = rows();
    rows[1].5 = Some(u64::MAX);
    rows[2].2 = None;
    let options = json!({ "mode": "upsert", "key": ["s", "p"], "columns": { "s": "serial", "p": "port", "wh": "total" } });
    let misfits = table(options).project(&batch(&rows)).unwrap_err();
    let said: Vec<_> =
        misfits.iter().map(|misfit| (misfit.place.1, misfit.code, misfit.reason.as_str())).collect();
    assert_eq!(
        said,
        [
            (2, "null_key", "column `s` of table `t` is part of the key and null"),
            (3, "null_key", "column `p` of table `t` is part of the key and null"),
            (
                1,
                "out_of_range",
                "column `wh` of table `t` holds 18446744073709551615, and int64 goes from -9223372036854775808 to \
             9223372036854775807"
            ),
        ]
    );
}

#[test]
fn an_object_holds_numbers_no_column_could() {
    let schema = Schema::new(vec![
        Field::new("single", DataType::Float32, true),
        Field::new("huge", DataType::UInt64, true),
        Field::new("text", DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float32Array::from(vec![229.9, f32::INFINITY])),
        Arc::new(UInt64Array::from(vec![u64::MAX, 1])),
        Arc::new(StringArray::from(vec!["say \"hi\"\n\u{1}", "ü"])),
    ];
    let records = RecordBatch::try_new(Arc::new(schema.clone()), columns).unwrap();
    let options = json!({ "t": { "columns": { "raw": { "json": { "a \"b\"": "single", "h": "huge", "t": "text" } } } } });
    let plan = planned(options, &schema).unwrap();
    assert_eq!(
        lines(&plan.tables[0].project(&records).unwrap().records),
        [
            r#"{"a \"b\"":229.9,"h":1.8446744073709552e+19,"t":"say \"hi\"\n\u0001"}"#,
            r#"{"a \"b\"":null,"h":1.0,"t":"ü"}"#,
        ]
    );
}

#[test]
fn instants_of_any_unit_are_microseconds() {
    let columns: Vec<(TimeUnit, ArrayRef)> = vec![
        (TimeUnit::Second, Arc::new(TimestampSecondArray::from(vec![Some(-1), None]))),
        (TimeUnit::Millisecond, Arc::new(TimestampMillisecondArray::from(vec![Some(-1_000), None]))),
        (TimeUnit::Nanosecond, Arc::new(TimestampNanosecondArray::from(vec![Some(-999_999_999), None]))),
    ];
    for (unit, column) in columns {
        let schema = Schema::new(vec![Field::new("at", DataType::Timestamp(unit, None), true)]);
        let records = RecordBatch::try_new(Arc::new(schema.clone()), vec![column]).unwrap();
        let plan = planned(json!({ "t": { "columns": { "at": "at" } } }), &schema).unwrap();
        assert_eq!(lines(&plan.tables[0].project(&records).unwrap().records), ["@-1000000", "-"], "{unit:?}");
    }
    let far = TimestampSecondArray::from(vec![i64::MAX]);
    let schema = Schema::new(vec![Field::new("at", DataType::Timestamp(TimeUnit::Second, None), true)]);
    let records = RecordBatch::try_new(Arc::new(schema.clone()), vec![Arc::new(far)]).unwrap();
    let plan = planned(json!({ "t": { "columns": { "at": "at" } } }), &schema).unwrap();
    assert_eq!(plan.tables[0].project(&records).unwrap_err()[0].code, "out_of_range");
}

#[test]
fn an_older_batch_fits_as_far_as_it_can() {
    let plan = table(
        json!({ "columns": { "p": "port", "v": "voltage", "raw": { "json": { "v": "voltage" } } }, "distinct": ["serial"] }),
    );
    let older = Schema::new(vec![Field::new("port", DataType::UInt16, true)]);
    let records =
        RecordBatch::try_new(Arc::new(older), vec![Arc::new(UInt16Array::from(vec![5, 6]))]).unwrap();
    assert_eq!(lines(&plan.project(&records).unwrap().records), [r#"5|-|{"v":null}"#], "absent is null");
    let plan = table(json!({ "columns": { "at": "time" } }));
    assert_eq!(plan.project(&records).unwrap_err().len(), 2, "a column that is never null is missing");
    let plan = table(json!({ "columns": { "p": "port" }, "where": { "serial": "a" } }));
    assert_eq!(
        lines(&plan.project(&records).unwrap().records),
        [""; 0],
        "a condition on nothing does not hold"
    );
}

#[test]
fn times_are_written_with_six_digits_and_sort() {
    let cases = [
        (0, Some("1970-01-01T00:00:00.000000+00:00")),
        (-1, Some("1969-12-31T23:59:59.999999+00:00")),
        (1_795_462_992_314_023, Some("2026-11-23T19:43:12.314023+00:00")),
        (-62_167_219_200_000_000, Some("0000-01-01T00:00:00.000000+00:00")),
        (253_402_300_799_999_999, None),
        (i64::MIN, None),
        (i64::MAX, None),
    ];
    for (micros, expected) in cases {
        let mut text = "x".to_owned();
        let written = write_time(micros, &mut text);
        if micros == 253_402_300_799_999_999 {
            // The last microsecond of year 9999 lies beyond what the time library can hold.
            assert!(!written || text == "x9999-12-31T23:59:59.999999+00:00", "{text}");
            continue;
        }
        assert_eq!(written.then(|| &text[1..]), expected, "{micros}");
        assert!(written || text == "x", "something was appended: {text}");
    }
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let serial = proptest::option::of(prop_oneof![Just("a"), Just("b")]);
    let voltage = proptest::option::of(prop_oneof![Just(0.0), Just(1.5), Just(f64::NAN)]);
    let row = (
        0..3_i64,
        serial,
        proptest::option::of(1..3_u8),
        voltage,
        proptest::option::of(0..4_u64),
        proptest::option::of(0..2_u16),
    );
    let row = row.prop_map(|(at, serial, port, volts, total, status)| {
        (at, "dtu", serial, port, volts, total, status, None)
    });
    proptest::collection::vec(row, 0..12)
}

proptest! {
    #[test]
    fn distinct_keeps_the_first_heard_row_of_every_key(rows in any_rows(), skip in 0..4_usize) {
        let skip = skip.min(rows.len());
        let plan = table(json!({
            "columns": { "s": "serial", "v": "voltage", "wh": "total", "st": "status" }, "distinct": ["serial", "port"],
        }));
        let projected = plan.project(&batch(&rows).slice(skip, rows.len() - skip)).unwrap();
        let rows = &rows[skip..];
        let heard = |row: &Row| row.4.is_some_and(f64::is_finite) || row.5.is_some();
        let expected: Vec<u32> = (0..rows.len())
            .filter(|&at| {
                let same = |other: &usize| (rows[*other].2, rows[*other].3) == (rows[at].2, rows[at].3);
                let all: Vec<usize> = (0..rows.len()).filter(same).collect();
                let chosen = all.iter().find(|&&other| heard(&rows[other])).unwrap_or(&all[0]);
                *chosen == at
            })
            .map(|at| u32::try_from(at).unwrap())
            .collect();
        prop_assert_eq!(projected.origin, expected);
    }

    #[test]
    fn instants_sort_as_their_texts_do(one in -60_000_000_000_000_000..250_000_000_000_000_000_i64, two in -60_000_000_000_000_000..250_000_000_000_000_000_i64) {
        let (mut first, mut second) = (String::new(), String::new());
        prop_assert!(write_time(one, &mut first) && write_time(two, &mut second));
        prop_assert_eq!(first.len(), 32);
        prop_assert_eq!(first.cmp(&second), one.cmp(&two));
        prop_assert_eq!(first.parse::<jiff::Timestamp>().unwrap().as_microsecond(), one);
    }
}
