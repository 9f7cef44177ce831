//! Queries: compiled, run on a blocking thread, answered in pieces of bounded size.

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;
use smiles_stage::{Query, Rows, StageError, Store, StoreSchema, StoreStats};
use smiles_store::Answer;
use tokio::sync::{Mutex, mpsc};
use tokio::task::spawn_blocking;

use crate::answer::push;
use crate::compile::{Compiled, compile};
use crate::error::stage_error;
use crate::file::Location;
use crate::readers::{Cancel, Reader, Readers};
use crate::shape::Shape;
use crate::stats;

/// Rows per piece of an answer.
const PIECE: usize = 1024;

type Piece = Result<RecordBatch, StageError>;

/// Reads one database file.
pub(crate) struct SqliteStore {
    readers: Arc<Readers>,
    tables: Arc<StoreSchema>,
    order: Vec<String>,
    counting: Arc<Mutex<()>>,
    /// The connection that notices what others write, and how many there were before it.
    witness: Arc<Mutex<(Option<Reader>, u64)>>,
}

impl SqliteStore {
    /// `order`: the tables as they stand in the mapping.
    pub(crate) fn new(readers: Readers, tables: StoreSchema, order: Vec<String>) -> Self {
        let (counting, witness) = (Arc::default(), Arc::default());
        Self { readers: Arc::new(readers), tables: Arc::new(tables), order, counting, witness }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn query(&self, query: &Query) -> Result<Rows, StageError> {
        // A query that does not fit is refused before it takes a place in the pool.
        compile(query, &self.tables, &Shape::default())?;
        let place = self.readers.place().await?;
        let (sender, receiver) = mpsc::channel(2);
        let (readers, tables, query) = (Arc::clone(&self.readers), Arc::clone(&self.tables), query.clone());
        let mut pieces = Pieces { receiver, cancel: Cancel::default() };
        let cancel = pieces.cancel.clone();
        spawn_blocking(move || {
            if let Err(error) = answer(&readers, &tables, &query, &cancel, &sender) {
                // Nobody listens any more: nobody to tell.
                let _ = sender.blocking_send(Err(error));
            }
            drop(place);
        });
        // The first piece, so that what fails at once fails here.
        let first = pieces.receiver.recv().await;
        let first = first.unwrap_or_else(|| Err(StageError::retry("the query stopped halfway")))?;
        let rest = stream::unfold(pieces, |mut pieces| async {
            let piece = pieces.receiver.recv().await?;
            Some((piece, pieces))
        });
        Ok(stream::iter([Ok(first)]).chain(rest).boxed())
    }

    async fn stats(&self) -> Result<StoreStats, StageError> {
        // One count at a time; the others wait here and not in the pool.
        let turn = Arc::clone(&self.counting).lock_owned().await;
        let place = self.readers.place().await?;
        let (readers, order) = (Arc::clone(&self.readers), self.order.clone());
        let counted = spawn_blocking(move || {
            let counted = stats(&readers, order);
            drop((place, turn));
            counted
        });
        counted.await.map_err(|error| StageError::retry("counting stopped halfway").because(error))?
    }

    async fn version(&self) -> Result<Option<String>, StageError> {
        let mut witness = Arc::clone(&self.witness).lock_owned().await;
        let readers = Arc::clone(&self.readers);
        let seen = spawn_blocking(move || version(&readers, &mut witness));
        seen.await.map_err(|error| StageError::retry("looking stopped halfway").because(error))?.map(Some)
    }
}

/// The receiving end; stops the query when it is dropped before the end.
struct Pieces {
    receiver: mpsc::Receiver<Piece>,
    cancel: Cancel,
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.receiver.close();
        self.cancel.stop();
    }
}

/// Runs a query to its end or until nobody listens; at least one piece is sent.
fn answer(
    readers: &Readers,
    tables: &StoreSchema,
    query: &Query,
    cancel: &Cancel,
    sender: &mpsc::Sender<Piece>,
) -> Result<(), StageError> {
    let mut reader = readers.take()?;
    cancel.arm(&reader);
    let compiled = compile(query, tables, reader.shape(&query.table, readers.location())?)?;
    let sent = send(&reader, readers.location(), &compiled, &query.table, sender);
    cancel.disarm();
    if sent.is_ok() {
        readers.put(reader);
    }
    sent
}

fn send(
    reader: &Reader,
    location: &Location,
    compiled: &Compiled,
    table: &str,
    sender: &mpsc::Sender<Piece>,
) -> Result<(), StageError> {
    let tell = |error| stage_error(&location.path, "read", error);
    let mut statement = reader.connection.prepare_cached(&compiled.sql).map_err(tell)?;
    let parameters = rusqlite::params_from_iter(&compiled.parameters);
    let mut rows = statement.query(parameters).map_err(tell)?;
    let mut answer = Answer::new(Arc::clone(&compiled.schema));
    let mut sent = false;
    while let Some(row) = rows.next().map_err(tell)? {
        answer.push(|index, column| push(row, index, column)).map_err(|column| odd_cell(&column, table))?;
        if answer.rows() == PIECE {
            sent = true;
            if !piece(&mut answer, table, sender)? {
                return Ok(());
            }
        }
    }
    if answer.rows() > 0 || !sent {
        piece(&mut answer, table, sender)?;
    }
    Ok(())
}

/// Sends what was collected; `false` when nobody listens any more.
fn piece(answer: &mut Answer, table: &str, sender: &mpsc::Sender<Piece>) -> Result<bool, StageError> {
    let records = answer.take().map_err(|error| odd_cell("key", table).because(error))?;
    Ok(sender.blocking_send(Ok(records)).is_ok())
}

fn odd_cell(column: &str, table: &str) -> StageError {
    StageError::halt(format!(
        "column `{column}` of table `{table}` holds a value of another type than the mapping says: correct the row, \
         or the type under `reads`"
    ))
}

fn stats(readers: &Readers, order: Vec<String>) -> Result<StoreStats, StageError> {
    let mut reader = readers.take()?;
    let rows = order
        .into_iter()
        .map(|table| {
            let shape = reader.shape(&table, readers.location())?.clone();
            let count = stats::rows(&reader.connection, &table, &shape);
            let count = count.map_err(|error| stage_error(&readers.location().path, "read", error))?;
            Ok((table, count))
        })
        .collect::<Result<_, StageError>>()?;
    readers.put(reader);
    Ok(StoreStats { kind: "SQLITE".to_owned(), size_bytes: size(readers.location()), rows })
}

/// SQLite counts, per connection, the commits of others that it has seen.
fn version(readers: &Readers, witness: &mut (Option<Reader>, u64)) -> Result<String, StageError> {
    let (kept, before) = witness;
    if kept.as_ref().is_none_or(|reader| !readers.is_current(reader)) {
        *kept = None;
        *before += 1;
    }
    let reader = match kept {
        Some(reader) => reader,
        None => kept.insert(readers.take()?),
    };
    let seen = reader.connection.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0));
    let seen = seen.map_err(|error| stage_error(&readers.location().path, "read", error))?;
    Ok(format!("{before}.{seen}"))
}

/// The file and its log.
fn size(location: &Location) -> u64 {
    let log = format!("{}-wal", location.path.display());
    [location.path.clone(), log.into()]
        .iter()
        .filter_map(|path| std::fs::metadata(path).ok())
        .map(|data| data.len())
        .sum()
}
