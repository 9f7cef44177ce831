//! Queries against a naive evaluation in memory, on random small tables with and without an index.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures::StreamExt;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use smiles_stage::{Action, Comparison, Filter, Order, Query, Value, time_field};

use crate::fixture::{Fixture, ask};

/// Row number, two keys, an instant, a value; everything but the first may be null.
type Row = (i64, Option<&'static str>, Option<i64>, Option<i64>, Option<f64>);

const COLUMNS: [&str; 5] = ["id", "s", "p", "time", "v"];

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("p", DataType::Int64, true),
        time_field().with_nullable(true),
        Field::new("v", DataType::Float64, true),
    ]))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let times: TimestampMicrosecondArray = rows.iter().map(|row| row.3).collect();
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()),
        Arc::new(times.with_timezone("UTC")),
        Arc::new(rows.iter().map(|row| row.4).collect::<Float64Array>()),
    ];
    RecordBatch::try_new(input(), columns).unwrap()
}

/// The same rows in tables that are read in different ways: by walking an index, by scanning, without row numbers.
const TABLES: [&str; 3] = ["indexed", "plain", "odd \"name\""];

fn fixture() -> Fixture {
    let columns = json!({ "id": "id", "s": "s", "p": "p", "time": "time", "v": "v" });
    let tables: serde_json::Map<_, _> =
        TABLES.iter().map(|name| ((*name).to_owned(), json!({ "columns": columns }))).collect();
    let sql = "CREATE TABLE indexed (id INTEGER, s TEXT, p INTEGER, time TEXT, v REAL);
               CREATE INDEX one ON indexed (s, time DESC);
               CREATE INDEX two ON indexed (s, p, time DESC);
               CREATE TABLE plain (id INTEGER, s TEXT, p INTEGER, time TEXT, v REAL);
               CREATE INDEX partial ON plain (s, p) WHERE v > 0;
               CREATE TABLE \"odd \"\"name\"\"\" (id INTEGER PRIMARY KEY, s TEXT, p INTEGER, time TEXT, v REAL)
                      WITHOUT ROWID;";
    Fixture::new(tables.into(), input()).with_migration("001_tables.sql", sql)
}

fn cell(row: &Row, column: &str) -> Option<Value> {
    match column {
        "id" => Some(Value::Int(row.0)),
        "s" => row.1.map(|text| Value::Text(text.to_owned())),
        "p" => row.2.map(Value::Int),
        "time" => row.3.map(|micros| Value::Time(Timestamp::from_microsecond(micros).unwrap())),
        _ => row.4.map(Value::Float),
    }
}

fn compare(one: &Value, two: &Value) -> Ordering {
    let number = |value: &Value| match value {
        Value::Int(value) => *value as f64,
        Value::Float(value) => *value,
        _ => unreachable!("not a number"),
    };
    match (one, two) {
        (Value::Text(one), Value::Text(two)) => one.cmp(two),
        (Value::Time(one), Value::Time(two)) => one.cmp(two),
        _ => number(one).total_cmp(&number(two)),
    }
}

fn holds(row: &Row, filter: &Filter) -> bool {
    let Some(cell) = cell(row, &filter.column) else { return false };
    let ordering = compare(&cell, &filter.value);
    match filter.comparison {
        Comparison::Eq => ordering.is_eq(),
        Comparison::Lt => ordering.is_lt(),
        Comparison::Le => ordering.is_le(),
        Comparison::Gt => ordering.is_gt(),
        Comparison::Ge => ordering.is_ge(),
    }
}

/// Largest first as the order says, nulls last.
fn by_order(one: &Row, two: &Row, order: &[Order]) -> Ordering {
    order.iter().fold(Ordering::Equal, |so_far, order| {
        so_far.then_with(|| match (cell(one, &order.column), cell(two, &order.column)) {
            (Some(one), Some(two)) if order.descending => compare(&two, &one),
            (Some(one), Some(two)) => compare(&one, &two),
            (one, two) => one.is_none().cmp(&two.is_none()),
        })
    })
}

/// What the query means, said the slow way.
fn naive(rows: &[Row], query: &Query) -> Vec<Row> {
    let mut rows: Vec<Row> =
        rows.iter().filter(|row| query.filters.iter().all(|filter| holds(row, filter))).copied().collect();
    if !query.latest_by.is_empty() {
        let mut latest: BTreeMap<String, Row> = BTreeMap::new();
        for row in rows {
            let key: Option<Vec<Value>> = query.latest_by.iter().map(|column| cell(&row, column)).collect();
            let Some(key) = key else { continue };
            let kept = latest.entry(format!("{key:?}")).or_insert(row);
            if row.3 >= kept.3 {
                *kept = row;
            }
        }
        rows = latest.into_values().collect();
    }
    rows.sort_by(|one, two| by_order(one, two, &query.order));
    rows.truncate(query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap()));
    rows
}

fn rows_of(pieces: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for piece in pieces {
        for row in 0..piece.num_rows() {
            let cells = piece.columns().iter().map(|column| match column.data_type() {
                _ if column.is_null(row) => "-".to_owned(),
                DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
                DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
                DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
                _ => format!("@{}", column.as_primitive::<TimestampMicrosecondType>().value(row)),
            });
            rows.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

fn shown(row: &Row, columns: &[String]) -> String {
    let cells = columns.iter().map(|column| match cell(row, column) {
        None => "-".to_owned(),
        Some(Value::Int(value)) => value.to_string(),
        Some(Value::Float(value)) => value.to_string(),
        Some(Value::Text(value)) => value,
        Some(Value::Time(value)) => format!("@{}", value.as_microsecond()),
        Some(Value::Bool(value)) => value.to_string(),
    });
    cells.collect::<Vec<_>>().join("|")
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let text = proptest::option::weighted(0.9, prop_oneof![Just("a"), Just("b"), Just("B")]);
    let value = proptest::option::weighted(0.8, prop_oneof![Just(-1.5), Just(0.0), Just(2.0)]);
    let row =
        (text, proptest::option::weighted(0.9, 0..3_i64), proptest::option::weighted(0.9, -2..4_i64), value);
    proptest::collection::vec(row, 0..16).prop_map(|rows| {
        let numbered = rows.into_iter().zip(1..);
        numbered.map(|((s, p, time, v), id)| (id, s, p, time.map(|time| time * 1_000_001), v)).collect()
    })
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let condition = prop_oneof![
        prop_oneof![Just("a"), Just("b"), Just("zz"), Just("' OR 1=1 --")]
            .prop_map(|text| ("s", Value::Text(text.to_owned()))),
        (0..3_i64).prop_map(|value| ("p", Value::Int(value))),
        Just(("p", Value::Float(0.5))),
        (-2..4_i64)
            .prop_map(|at| ("time", Value::Time(Timestamp::from_microsecond(at * 1_000_001).unwrap()))),
        prop_oneof![Just(-1.5), Just(0.0), Just(1.0)].prop_map(|value| ("v", Value::Float(value))),
        Just(("v", Value::Int(0))),
    ];
    let comparison = prop_oneof![
        Just(Comparison::Eq),
        Just(Comparison::Lt),
        Just(Comparison::Le),
        Just(Comparison::Gt),
        Just(Comparison::Ge)
    ];
    (condition, comparison).prop_map(|((column, value), comparison)| Filter {
        column: column.to_owned(),
        comparison,
        value,
    })
}

fn any_query() -> impl Strategy<Value = Query> {
    let latest = prop_oneof![
        Just(vec![]),
        Just(vec!["s"]),
        Just(vec!["s", "p"]),
        Just(vec!["p", "s"]),
        Just(vec!["p"]),
    ];
    let order = proptest::collection::vec((proptest::sample::select(&COLUMNS[..]), any::<bool>()), 0..3);
    let columns = proptest::sample::subsequence(&COLUMNS[..], 0..=COLUMNS.len());
    let filters = proptest::collection::vec(any_filter(), 0..3);
    (columns, filters, latest, order, proptest::option::of(0..6_u64)).prop_map(
        |(columns, filters, latest, order, limit)| {
            let mut order: Vec<Order> = order
                .into_iter()
                .map(|(column, descending)| Order { column: column.to_owned(), descending })
                .collect();
            // The number makes the order total, so that there is one right answer.
            order.push(Order { column: "id".to_owned(), descending: false });
            Query {
                table: String::new(),
                columns: columns.into_iter().map(str::to_owned).collect(),
                filters,
                newest: (!latest.is_empty()).then(|| "time".to_owned()),
                latest_by: latest.into_iter().map(str::to_owned).collect(),
                order,
                limit,
            }
        },
    )
}

#[test]
fn every_query_means_the_same_in_every_table() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fixture = fixture();
    let store = runtime.block_on(async {
        fixture.connected().await;
        fixture.open().await.store.unwrap()
    });
    let case = (any_rows(), proptest::collection::vec(any_query(), 4));
    let config = ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() };
    let checked = TestRunner::new(config).run(&case, |(rows, queries)| {
        let mut emptied = fixture.database();
        let transaction = emptied.transaction().unwrap();
        transaction.execute_batch("DELETE FROM indexed; DELETE FROM plain; DELETE FROM \"odd \"\"name\"\"\"; DELETE FROM smiles_watermarks").unwrap();
        transaction.commit().unwrap();
        runtime.block_on(fixture.deliver(1, &batch(&rows)));
        for query in queries {
            for table in TABLES {
                let query = Query { table: table.to_owned(), ..query.clone() };
                if table.starts_with("odd") && !query.latest_by.is_empty() && ties(&rows, &query) {
                    // Without row numbers nothing says which of two equally new rows came last.
                    continue;
                }
                let answer = rows_of(&runtime.block_on(ask(store.as_ref(), &query)));
                let all = COLUMNS.map(str::to_owned).to_vec();
                let columns = if query.columns.is_empty() { &all } else { &query.columns };
                let expected: Vec<String> =
                    naive(&rows, &query).iter().map(|row| shown(row, columns)).collect();
                prop_assert_eq!(answer, expected, "{:?}", query);
            }
        }
        Ok(())
    });
    checked.unwrap();
}

/// Whether two rows of one combination are equally new.
fn ties(rows: &[Row], query: &Query) -> bool {
    let key = |row: &Row| query.latest_by.iter().map(|column| cell(row, column)).collect::<Vec<_>>();
    rows.iter().any(|one| rows.iter().any(|two| one.0 < two.0 && one.3 == two.3 && key(one) == key(two)))
}

#[tokio::test]
async fn a_query_that_does_not_fit_is_refused_with_what_is_known() {
    let fixture = fixture();
    let store = fixture.open().await.store.unwrap();
    let query = |change: fn(&mut Query)| {
        let mut query = Query { table: "plain".into(), ..Query::default() };
        change(&mut query);
        query
    };
    let cases = [
        (query(|query| query.table = "plian".into()), "`plian`, which is no table; did you mean `plain`?"),
        (
            query(|query| query.columns = vec!["tiem".into()]),
            "which is no column of `plain`; did you mean `time`?",
        ),
        (query(|query| query.latest_by = vec!["s".into()]), "needs `newest`"),
        (
            query(|query| {
                let value = Value::Int(1);
                query.filters = vec![Filter { column: "s".into(), comparison: Comparison::Eq, value }];
            }),
            "compares `s` of `plain` with a value of another type",
        ),
        (
            query(|query| {
                query.order = vec![Order { column: "\"; DROP TABLE plain".into(), descending: true }]
            }),
            "which is no column",
        ),
    ];
    for (query, says) in cases {
        let error = store.query(&query).await.err().expect("an error");
        assert_eq!(error.action(), &Action::Halt, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_store_without_a_file_yet_says_so_and_is_tried_again() {
    let fixture = fixture();
    let store = fixture.open().await.store.unwrap();
    let query = Query { table: "plain".into(), ..Query::default() };
    let error = store.query(&query).await.err().expect("no file yet");
    assert!(matches!(error.action(), Action::Retry { .. }), "{error}");
    assert!(store.stats().await.is_err());
    fixture.connected().await;
    assert_eq!(ask(store.as_ref(), &query).await.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}

fn many(rows: i64) -> RecordBatch {
    batch(&(1..=rows).map(|id| (id, Some("a"), Some(1), Some(id), None)).collect::<Vec<_>>())
}

#[tokio::test]
async fn long_answers_come_in_pieces_and_may_be_left_early() {
    let mut fixture = fixture();
    fixture.options["readers"] = json!(1);
    fixture.deliver(1, &many(5_000)).await;
    let store = fixture.open().await.store.unwrap();
    let query = Query { table: "plain".into(), columns: vec!["id".into()], ..Query::default() };
    let pieces = ask(store.as_ref(), &query).await;
    assert!(pieces.iter().all(|piece| piece.num_rows() <= 1_024), "a piece is too large");
    assert_eq!(pieces.iter().map(RecordBatch::num_rows).sum::<usize>(), 5_000);
    // The only place in the pool is free again after an answer that nobody read to its end.
    for _ in 0..3 {
        let mut rows = store.query(&query).await.unwrap();
        assert!(rows.next().await.unwrap().is_ok());
    }
    let limited = Query { limit: Some(3), ..query };
    assert_eq!(rows_of(&ask(store.as_ref(), &limited).await), ["1", "2", "3"]);
}

#[tokio::test]
async fn readers_see_whole_writes_while_the_writer_goes_on() {
    let fixture = fixture();
    fixture.deliver(1, &many(2_000)).await;
    let store = fixture.open().await.store.unwrap();
    let query = Query { table: "plain".into(), columns: vec!["id".into()], ..Query::default() };
    let mut rows = store.query(&query).await.unwrap();
    assert!(rows.next().await.unwrap().is_ok());
    fixture.deliver(2, &many(2_010).slice(2_000, 10)).await;
    let rest: Vec<_> = rows.collect().await;
    let rest: usize = rest.into_iter().map(|piece| piece.unwrap().num_rows()).sum();
    assert_eq!(rest + 1_024, 2_000, "an answer is of one moment");
}

#[tokio::test]
async fn a_replaced_file_is_seen_by_the_next_query() {
    let fixture = fixture();
    fixture.deliver(1, &many(3)).await;
    let store = fixture.open().await.store.unwrap();
    let query = Query { table: "plain".into(), columns: vec!["id".into()], ..Query::default() };
    assert_eq!(rows_of(&ask(store.as_ref(), &query).await).len(), 3);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(fixture.folder.path().join(format!("store.db{end}")));
    }
    fixture.deliver(1, &many(1)).await;
    assert_eq!(rows_of(&ask(store.as_ref(), &query).await).len(), 1);
    assert_eq!(store.stats().await.unwrap().rows[1], ("plain".to_owned(), 1));
}
