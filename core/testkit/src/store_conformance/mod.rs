//! What every store must answer, as functions a store's tests call: random questions to random small tables, held
//! against an evaluation in memory.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a check fails by panicking")]

mod naive;
mod random;
mod table;

use std::sync::Arc;

use crate::store_conformance::naive::{alike, naive, naive_buckets, shown, ties};
use arrow_array::{Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use futures::TryStreamExt;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use smiles_stage::{
    Action, Aggregate, BoundSide, Buckets, Comparison, Filter, Function, Order, PageBound, Query, Store,
    Value, time_field,
};

use crate::store_conformance::table::COLUMNS;

pub use naive::rows_of;
pub use table::Row;

/// The columns that enter the sink.
pub fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("p", DataType::Int64, true),
        time_field().with_nullable(true),
        Field::new("v", DataType::Float64, true),
    ]))
}

/// These rows.
///
/// # Panics
/// Never: the columns fit the schema.
pub fn batch(rows: &[Row]) -> RecordBatch {
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

/// A table of the subject: the rows of [`batch`], read in one of the ways the store knows.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name in the mapping.
    pub name: &'static str,
    /// Whether something says which of two equally new rows came last.
    pub knows_the_last: bool,
}

/// A store under test with its own target.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The tables, each with all of `COLUMNS`.
    fn tables(&self) -> Vec<Table>;

    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// Leaves exactly these rows in every table, in this order.
    async fn refill(&self, rows: &[Row]);
}

/// The whole answer, in pieces.
///
/// # Panics
/// The store does not answer.
pub async fn ask(store: &dyn Store, query: &Query) -> Vec<RecordBatch> {
    let rows = store.query(query).await.unwrap_or_else(|error| panic!("{query:?}: {}", error.chain()));
    rows.try_collect().await.unwrap_or_else(|error| panic!("{query:?}: {}", error.chain()))
}

/// Every random query means the same in every table; the seed of a failure is printed.
///
/// # Panics
/// A check failed.
pub fn queries(subject: &dyn Subject, runtime: &tokio::runtime::Runtime, cases: u32) {
    let case = (random::any_rows(), proptest::collection::vec(random::any_query(), 4));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let store = subject.store();
    let checked = TestRunner::new(config).run(&case, |(rows, queries)| {
        runtime.block_on(subject.refill(&rows));
        for (query, table) in
            queries.iter().flat_map(|query| subject.tables().into_iter().map(move |it| (query, it)))
        {
            let query = Query { table: table.name.to_owned(), ..query.clone() };
            if !table.knows_the_last && !query.latest_by.is_empty() && ties(&rows, &query) {
                continue;
            }
            let answer = rows_of(&runtime.block_on(ask(store.as_ref(), &query)));
            let all = COLUMNS.map(str::to_owned).to_vec();
            let columns = if query.columns.is_empty() { &all } else { &query.columns };
            let expected: Vec<String> = naive(&rows, &query).iter().map(|row| shown(row, columns)).collect();
            prop_assert_eq!(answer, expected, "{:?}", query);
        }
        Ok(())
    });
    checked.unwrap();
}

/// Random spans of time are aggregated alike in every table.
///
/// # Panics
/// A check failed.
pub fn buckets(subject: &dyn Subject, runtime: &tokio::runtime::Runtime, cases: u32) {
    let case = (random::any_rows(), proptest::collection::vec(random::any_buckets(), 3));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let store = subject.store();
    let checked = TestRunner::new(config).run(&case, |(rows, queries)| {
        runtime.block_on(subject.refill(&rows));
        for (query, table) in
            queries.iter().flat_map(|query| subject.tables().into_iter().map(move |it| (query, it)))
        {
            let query = Query { table: table.name.to_owned(), ..query.clone() };
            if !table.knows_the_last && ties(&rows, &query) {
                continue;
            }
            let answer = rows_of(&runtime.block_on(ask(store.as_ref(), &query)));
            let expected = naive_buckets(&rows, &query);
            prop_assert!(alike(&answer, &expected), "{query:?}: {answer:?}, not {expected:?}");
        }
        Ok(())
    });
    checked.unwrap();
}

/// A store says that it is another one after anything was written, and counts what was added.
///
/// # Panics
/// A check failed.
pub async fn versions(subject: &dyn Subject) {
    let store = subject.store();
    let version = || async { store.version().await.expect("a version").expect("a store that can tell") };
    subject.refill(&many(3)).await;
    let before = version().await;
    let table = subject.tables()[0].name;
    let count = || async {
        let stats = store.stats().await.expect("counts");
        stats.rows.iter().find(|(name, _)| name == table).map(|(_, rows)| *rows)
    };
    assert_eq!(count().await, Some(3));
    subject.refill(&many(5)).await;
    assert_ne!(version().await, before, "five rows were written");
    assert_eq!(count().await, Some(5));
}

/// A query that does not fit is refused, and says what is known instead.
///
/// # Panics
/// A check failed.
pub async fn misfits(subject: &dyn Subject) {
    let (store, table) = (subject.store(), subject.tables()[0].name);
    let query = |change: fn(&mut Query)| {
        let mut query = Query { table: table.to_owned(), ..Query::default() };
        change(&mut query);
        query
    };
    let near = |query: &mut Query| query.table.push('x');
    let cases = [
        (query(near), format!("which is no table; did you mean `{table}`?")),
        (
            query(|query| query.columns = vec!["tiem".into()]),
            format!("which is no column of `{table}`; did you mean `time`?"),
        ),
        (query(|query| query.latest_by = vec!["s".into()]), "needs `newest`".to_owned()),
        (
            query(|query| {
                let value = Value::Int(1);
                query.filters = vec![Filter { column: "s".into(), comparison: Comparison::Eq, value }];
            }),
            format!("compares `s` of `{table}` with a value of another type"),
        ),
        (
            query(|query| {
                query.within = vec![PageBound { side: BoundSide::After, place: vec![Value::Int(1)] }]
            }),
            "needs a value for each of its columns".to_owned(),
        ),
        (
            query(|query| {
                let aggregates = vec![Aggregate { column: "s".into(), function: Function::Min }];
                let bounds = vec![jiff::Timestamp::UNIX_EPOCH, jiff::Timestamp::MAX];
                query.buckets = Some(Buckets { time: "time".into(), bounds, aggregates });
            }),
            "aggregates `s`, which is no number".to_owned(),
        ),
        (
            query(|query| {
                query.order = vec![Order { column: "\"; DROP TABLE plain".into(), descending: true }]
            }),
            "which is no column".to_owned(),
        ),
    ];
    for (query, says) in cases {
        let error = store.query(&query).await.err().expect("an error");
        assert_eq!(error.action(), &Action::Halt, "{error}");
        assert!(error.to_string().contains(&says), "{error}");
    }
}

/// A long answer comes in pieces, and may be left early any number of times.
///
/// # Panics
/// A check failed.
pub async fn long_answers(subject: &dyn Subject) {
    subject.refill(&many(5_000)).await;
    let (store, table) = (subject.store(), subject.tables()[0].name.to_owned());
    let query = Query { table, columns: vec!["id".into()], ..Query::default() };
    let pieces = ask(store.as_ref(), &query).await;
    assert!(pieces.iter().all(|piece| piece.num_rows() <= 1_024), "a piece is too large");
    assert_eq!(pieces.iter().map(RecordBatch::num_rows).sum::<usize>(), 5_000);
    for _ in 0..8 {
        let mut rows = store.query(&query).await.expect("a place is free again");
        assert!(rows.try_next().await.expect("a first piece").is_some());
    }
    let order = vec![Order { column: "id".into(), descending: false }];
    let limited = Query { limit: Some(3), order, ..query };
    assert_eq!(rows_of(&ask(store.as_ref(), &limited).await), ["1", "2", "3"]);
}

/// So many rows of one combination, each newer than the one before.
pub fn many(rows: i64) -> Vec<Row> {
    (1..=rows).map(|id| (id, Some("a"), Some(1), Some(id), None)).collect()
}
