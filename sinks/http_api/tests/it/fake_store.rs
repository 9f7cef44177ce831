//! A store in memory that answers queries naively and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::Value as Json;
use smiles_stage::{
    Comparison, Filter, Offer, Query, Rows, StageError, Store, StoreSchema, StoreStats, Value,
};
use tokio::sync::Notify;

/// A table: its columns and its rows as JSON objects.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) schema: SchemaRef,
    pub(crate) rows: Vec<Json>,
}

#[derive(Default)]
pub(crate) struct FakeStore {
    pub(crate) tables: BTreeMap<String, Table>,
    pub(crate) asked: Mutex<Vec<Query>>,
    pub(crate) down: AtomicBool,
    /// Set: questions wait for ever.
    pub(crate) hangs: AtomicBool,
    /// Set: others have deleted all rows.
    pub(crate) emptied: AtomicBool,
    /// Set: a question does not fit its tables.
    pub(crate) misfits: AtomicBool,
    never: Notify,
}

impl FakeStore {
    pub(crate) fn new(tables: impl IntoIterator<Item = (&'static str, Table)>) -> Self {
        let tables = tables.into_iter().map(|(name, table)| (name.to_owned(), table)).collect();
        Self { tables, ..Self::default() }
    }

    pub(crate) fn offer(&self) -> Offer {
        Offer { tables: self.schema(), ..Offer::default() }
    }

    fn schema(&self) -> StoreSchema {
        self.tables.iter().map(|(name, table)| (name.clone(), Arc::clone(&table.schema))).collect()
    }

    pub(crate) fn asked(&self) -> Vec<Query> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    async fn available(&self) -> Result<(), StageError> {
        if self.hangs.load(Ordering::Relaxed) {
            self.never.notified().await;
        }
        if self.down.load(Ordering::Relaxed) {
            return Err(StageError::retry("cannot open /secret/path: SELECT failed"));
        }
        if self.misfits.load(Ordering::Relaxed) {
            return Err(StageError::halt("column `secret` holds a value of another type"));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn query(&self, query: &Query) -> Result<Rows, StageError> {
        self.asked.lock().unwrap().push(query.clone());
        self.available().await?;
        let table = &self.tables[&query.table];
        let schema = Arc::new(table.schema.project(&places(&table.schema, &query.columns)).unwrap());
        let rows = if self.emptied.load(Ordering::Relaxed) { &[][..] } else { &table.rows };
        let rows = select(query, rows);
        // Pieces of two rows, so that every answer of more is in several.
        let pieces: Vec<_> = rows.chunks(2).map(|rows| Ok(batch(&schema, rows))).collect();
        Ok(futures::stream::iter(pieces).boxed())
    }

    async fn stats(&self) -> Result<StoreStats, StageError> {
        self.available().await?;
        let rows = self.tables.iter().map(|(name, table)| (name.clone(), table.rows.len() as u64)).collect();
        Ok(StoreStats { kind: "FAKE".into(), size_bytes: 4096, rows })
    }

    async fn version(&self) -> Result<Option<String>, StageError> {
        self.available().await?;
        Ok(Some(self.emptied.load(Ordering::Relaxed).to_string()))
    }
}

fn places(schema: &Schema, columns: &[String]) -> Vec<usize> {
    columns.iter().map(|column| schema.index_of(column).unwrap()).collect()
}

fn select<'a>(query: &Query, rows: &'a [Json]) -> Vec<&'a Json> {
    let mut rows: Vec<&Json> =
        rows.iter().filter(|row| query.filters.iter().all(|f| holds(f, row))).collect();
    if let Some(newest) = &query.newest {
        let mut latest: BTreeMap<String, &Json> = BTreeMap::new();
        for row in rows {
            let key: Vec<&Json> = query.latest_by.iter().map(|column| &row[column.as_str()]).collect();
            let slot = latest.entry(serde_json::to_string(&key).unwrap()).or_insert(row);
            if ordered(&slot[newest.as_str()], &row[newest.as_str()]).is_lt() {
                *slot = row;
            }
        }
        rows = latest.into_values().collect();
    }
    rows.sort_by(|a, b| {
        let by = query.order.iter().map(|order| {
            let by = ordered(&a[order.column.as_str()], &b[order.column.as_str()]);
            if order.descending { by.reverse() } else { by }
        });
        by.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    rows.truncate(query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap()));
    rows
}

fn holds(filter: &Filter, row: &Json) -> bool {
    let wanted = match &filter.value {
        Value::Bool(value) => Json::from(*value),
        Value::Int(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::Text(value) => Json::from(value.as_str()),
        Value::Time(value) => Json::from(value.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()),
    };
    let cell = &row[filter.column.as_str()];
    let by = ordered(cell, &wanted);
    !cell.is_null()
        && match filter.comparison {
            Comparison::Eq => by.is_eq(),
            Comparison::Lt => by.is_lt(),
            Comparison::Le => by.is_le(),
            Comparison::Gt => by.is_gt(),
            Comparison::Ge => by.is_ge(),
        }
}

fn ordered(a: &Json, b: &Json) -> std::cmp::Ordering {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64().unwrap().total_cmp(&b.as_f64().unwrap()),
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        _ => a.as_str().cmp(&b.as_str()),
    }
}

/// Rows as columns of this schema; absent members are null.
pub(crate) fn batch(schema: &SchemaRef, rows: &[&Json]) -> RecordBatch {
    let columns = schema.fields().iter().map(|field| column(field, rows)).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}

fn column(field: &Field, rows: &[&Json]) -> ArrayRef {
    let cells = rows.iter().map(|row| row.get(field.name()).filter(|cell| !cell.is_null()));
    match field.data_type() {
        DataType::Utf8 => Arc::new(
            cells
                .map(|cell| cell.map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)))
                .collect::<StringArray>(),
        ),
        DataType::Boolean => {
            Arc::new(cells.map(|cell| cell.and_then(Json::as_bool)).collect::<BooleanArray>())
        }
        DataType::Int32 => {
            Arc::new(cells.map(|cell| cell.map(|cell| cell.as_i64().unwrap() as i32)).collect::<Int32Array>())
        }
        DataType::Int64 => {
            Arc::new(cells.map(|cell| cell.map(|cell| cell.as_i64().unwrap())).collect::<Int64Array>())
        }
        DataType::Float32 => Arc::new(
            cells.map(|cell| cell.map(|cell| cell.as_f64().unwrap() as f32)).collect::<Float32Array>(),
        ),
        DataType::Float64 => {
            Arc::new(cells.map(|cell| cell.map(|cell| cell.as_f64().unwrap())).collect::<Float64Array>())
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => Arc::new(
            cells
                .map(|cell| {
                    cell.map(|cell| cell.as_str().unwrap().parse::<Timestamp>().unwrap().as_microsecond())
                })
                .collect::<TimestampMicrosecondArray>()
                .with_timezone_opt(zone.clone()),
        ),
        other => panic!("the fake store has no {other}"),
    }
}
