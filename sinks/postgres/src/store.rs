//! Queries: compiled, run on a connection of the pool, answered in pieces of bounded size.

use std::pin::Pin;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::stream;
use futures::{StreamExt, TryStreamExt};
use postgres_types::ToSql;
use smiles_stage::{Query, Rows, StageError, Store, StoreSchema, StoreStats};
use tokio_postgres::RowStream;

use crate::answer::Answer;
use crate::catalog::Found;
use crate::compile::{Compiled, compile};
use crate::connect::Connector;
use crate::pool::{Lease, Pool};
use crate::sql::qualified;

/// Rows per piece of an answer.
const PIECE: usize = 1024;

/// Reads one database.
pub(crate) struct PostgresStore {
    pool: Arc<Pool>,
    tables: StoreSchema,
    order: Vec<String>,
}

impl PostgresStore {
    /// `order`: the tables as they stand in the mapping.
    pub(crate) fn new(pool: Pool, tables: StoreSchema, order: Vec<String>) -> Self {
        Self { pool: Arc::new(pool), tables, order }
    }

    async fn begin(&self, query: &Query) -> Result<Pieces, StageError> {
        let lease = self.pool.take().await?;
        let shape = self.pool.shape(&lease, &query.table).await?;
        let Compiled { sql, parameters, schema } = compile(query, &self.tables, &shape)?;
        let connector = self.pool.connector();
        let parameters =
            parameters.iter().map(|(value, of)| (value.as_ref() as &(dyn ToSql + Sync), of.clone()));
        let asked = lease.connected.client.query_typed_raw(&sql, parameters);
        let rows = connector.within(connector.config.timeout.0, "read", asked).await?;
        Ok(Pieces {
            pool: Arc::clone(&self.pool),
            lease: Some(lease),
            rows: Box::pin(rows),
            answer: Answer::new(schema),
            table: query.table.clone(),
        })
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn query(&self, query: &Query) -> Result<Rows, StageError> {
        // A query that does not fit is refused before it takes a place in the pool.
        compile(query, &self.tables, &Found::default())?;
        let first = async {
            let mut pieces = self.begin(query).await?;
            let first = pieces.next().await?;
            Ok((first, pieces))
        };
        let (first, pieces) = first.await.inspect_err(|_: &StageError| self.pool.forget_shapes())?;
        // The first piece comes even if it is empty, so that the schema is known.
        let rest = stream::try_unfold(pieces, |mut pieces| async move {
            let piece = pieces.next().await?;
            Ok((piece.num_rows() > 0).then_some((piece, pieces)))
        });
        Ok(stream::iter([Ok(first)]).chain(rest).boxed())
    }

    async fn stats(&self) -> Result<StoreStats, StageError> {
        let lease = self.pool.take().await?;
        let counts = self.order.iter().map(|table| format!("(SELECT count(*) FROM {})", qualified(table)));
        let counts: Vec<String> = counts.collect();
        let ask =
            format!("SELECT pg_database_size(current_database()), ARRAY[{}]::bigint[]", counts.join(", "));
        let connector = self.pool.connector();
        let asked = lease.connected.client.query_typed_one(&ask, &[]);
        let row = connector.within(connector.config.timeout.0, "read", asked).await?;
        self.pool.put(lease);
        let unreadable = |error| StageError::retry("the counts cannot be read").because(error);
        let size: i64 = row.try_get(0).map_err(unreadable)?;
        let counts: Vec<i64> = row.try_get(1).map_err(unreadable)?;
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let rows = self.order.iter().cloned().zip(counts.into_iter().map(count)).collect();
        Ok(StoreStats { kind: "POSTGRES".to_owned(), size_bytes: count(size), rows })
    }
}

/// An answer on its way. Its connection goes back when all was read, and is closed when it was not: the server
/// then stops.
struct Pieces {
    pool: Arc<Pool>,
    lease: Option<Lease>,
    rows: Pin<Box<RowStream>>,
    answer: Answer,
    table: String,
}

impl Pieces {
    /// The next rows; none at the end.
    async fn next(&mut self) -> Result<RecordBatch, StageError> {
        let pool = Arc::clone(&self.pool);
        let connector: &Connector = pool.connector();
        while self.lease.is_some() && self.answer.rows() < PIECE {
            let next = self.rows.try_next();
            match connector.within(connector.config.timeout.0, "read", next).await? {
                Some(row) => self.answer.push(&row).map_err(|column| odd_cell(&column, &self.table))?,
                None => {
                    if let Some(lease) = self.lease.take() {
                        pool.put(lease);
                    }
                }
            }
        }
        self.answer.take().map_err(|error| odd_cell("key", &self.table).because(error))
    }
}

fn odd_cell(column: &str, table: &str) -> StageError {
    StageError::halt(format!(
        "column `{column}` of table `{table}` holds a value of another type than the mapping says: correct the row, \
         or the type under `reads`"
    ))
}
