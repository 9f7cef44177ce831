//! Queries: compiled, run on a connection of the pool, answered in pieces of bounded size.

use std::pin::Pin;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::stream;
use futures::{StreamExt, TryStreamExt};
use postgres_types::ToSql;
use smiles_stage::{Query, Rows, StageError, Store, StoreSchema, StoreStats};
use smiles_store::Answer;
use tokio::sync::Mutex;
use tokio_postgres::RowStream;

use crate::answer::push;
use crate::catalog::DatabaseTable;
use crate::compile::{Compiled, compile};
use crate::connect::Connector;
use crate::pool::{Pool, PooledConnection};
use crate::stats;

/// Rows per piece of an answer.
const PIECE: usize = 1024;

/// Reads one database.
pub(crate) struct PostgresStore {
    pool: Arc<Pool>,
    tables: StoreSchema,
    order: Vec<String>,
    counting: Mutex<()>,
}

impl PostgresStore {
    /// `order`: the tables as they stand in the mapping.
    pub(crate) fn new(pool: Pool, tables: StoreSchema, order: Vec<String>) -> Self {
        Self { pool: Arc::new(pool), tables, order, counting: Mutex::default() }
    }

    async fn begin(&self, query: &Query) -> Result<Pieces, StageError> {
        let connection = self.pool.take().await?;
        let shape = self.pool.shape(&connection, &query.table).await?;
        let Compiled { sql, parameters, schema } = compile(query, &self.tables, &shape)?;
        let connector = self.pool.connector();
        let parameters =
            parameters.iter().map(|(value, of)| (value.as_ref() as &(dyn ToSql + Sync), of.clone()));
        let asked = connection.client()?.query_typed_raw(&sql, parameters);
        let rows = connector.within(connector.config.timeout.0, "read", asked).await?;
        Ok(Pieces {
            pool: Arc::clone(&self.pool),
            connection: Some(connection),
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
        compile(query, &self.tables, &DatabaseTable::default())?;
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
        // One count at a time; the others wait here and not in the pool.
        let _turn = self.counting.lock().await;
        let connection = self.pool.take().await?;
        let connector = self.pool.connector();
        let limit = connector.config.timeout.0;
        let client = connection.client()?;
        let mut rows = Vec::new();
        for table in &self.order {
            // Says what is missing where there is no such table yet.
            self.pool.shape(&connection, table).await?;
            rows.push((table.clone(), connector.within(limit, "read", stats::rows(client, table)).await?));
        }
        let size = client.query_typed_one("SELECT pg_database_size(current_database())", &[]);
        let size = connector.within(limit, "read", size).await?;
        let unreadable = |error| StageError::retry("the size cannot be read").because(error);
        let size: i64 = size.try_get(0).map_err(unreadable)?;
        self.pool.put(connection);
        Ok(StoreStats { kind: "POSTGRES".to_owned(), size_bytes: u64::try_from(size).unwrap_or(0), rows })
    }

    /// Which transactions are over: another text after every commit, of whomever.
    async fn version(&self) -> Result<Option<String>, StageError> {
        let connection = self.pool.take().await?;
        let connector = self.pool.connector();
        let asked = connection.client()?.query_typed_one("SELECT txid_current_snapshot()::text", &[]);
        let row = connector.within(connector.config.timeout.0, "read", asked).await?;
        self.pool.put(connection);
        let unreadable = |error| StageError::retry("the snapshot cannot be read").because(error);
        row.try_get(0).map(Some).map_err(unreadable)
    }
}

/// An answer on its way. Its connection goes back when all was read, and is closed when it was not: the server
/// then stops.
struct Pieces {
    pool: Arc<Pool>,
    connection: Option<PooledConnection>,
    rows: Pin<Box<RowStream>>,
    answer: Answer,
    table: String,
}

impl Pieces {
    /// The next rows; none at the end.
    async fn next(&mut self) -> Result<RecordBatch, StageError> {
        let pool = Arc::clone(&self.pool);
        let connector: &Connector = pool.connector();
        while self.connection.is_some() && self.answer.rows() < PIECE {
            let next = self.rows.try_next();
            match connector.within(connector.config.timeout.0, "read", next).await? {
                Some(row) => self
                    .answer
                    .push(|index, column| push(&row, index, column))
                    .map_err(|column| odd_cell(&column, &self.table))?,
                None => {
                    if let Some(connection) = self.connection.take() {
                        pool.put(connection);
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
