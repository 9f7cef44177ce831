//! One write: the rows of all tables and the watermark in one transaction, or nothing.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::SinkExt;
use postgres_types::{ToSql, Type};
use smiles_stage::tables::{Mode, Part, Projected, Rejected, merge};
use smiles_stage::{Batch, RunId, Seq, StageError};
use tokio_postgres::{Client, CopyInSink};

use crate::catalog::Guard;
use crate::encode::{self, ArrayParameter, Rows, Unfit, Wire};
use crate::error::{rejects_row, told};
use crate::watermark::Begun;
use crate::writer::{Settings, Statement, Writer};
use crate::{bisect, watermark};

/// Bytes of a COPY that are sent at once: the server works on one piece while the next is made.
const PIECE: usize = 128 << 10;

/// A batch of the write and rows of it.
pub(crate) type Place = (usize, u32);

/// Consecutive batches of one run, as rows of every table.
pub(crate) struct Write<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) client: &'a Client,
    statements: &'a [Statement],
    late: bool,
    guard: &'a Guard,
    pub(crate) parts: Vec<Part<'a>>,
    run: RunId,
    expected: Seq,
    seq: Seq,
}

/// Why a statement did not do its work.
pub(crate) enum Refusal {
    /// The server said so.
    Server { table: String, error: tokio_postgres::Error },
    /// A value fits no column of its type; nothing was asked.
    Unfit,
}

/// Stores the batches; `late`: rows whose polls are stored already, but for them.
///
/// # Errors
/// Reject with the rows that can never be stored; retry when another process moved the watermark; else as
/// [`told`]. Nothing is stored then, unless the answer to the commit was lost.
pub(crate) async fn store(writer: &mut Writer, batches: &[Batch], late: bool) -> Result<(), StageError> {
    let Some(last) = batches.last() else { return Ok(()) };
    let (run, seq) = (last.position.run, last.position.seq);
    let settings = Arc::clone(&writer.settings);
    let Some(expected) = writer.known.get(&run).copied() else {
        return Err(StageError::retry("the watermark of this run must be asked for first"));
    };
    let write = Write {
        settings: &settings,
        client: &writer.connected.client,
        statements: &writer.statements,
        late,
        guard: &writer.guard,
        parts: settings.tables.project(batches)?,
        run,
        expected,
        seq,
    };
    let limit = settings.connector.config.timeout.0;
    let merged = tokio::time::timeout(limit, write.merged()).await;
    match merged.map_err(|_| settings.connector.silent(limit))?? {
        Outcome::Stored => {}
        Outcome::RowUnfit => write.unfit()?,
        Outcome::RowRefused => bisect::store(&write).await?,
    }
    writer.known.insert(run, seq);
    Ok(())
}

enum Outcome {
    Stored,
    /// Some value fits no column of its type.
    RowUnfit,
    /// The server refused a row, and said not which.
    RowRefused,
}

impl Write<'_> {
    pub(crate) fn tell(&self, error: tokio_postgres::Error) -> StageError {
        told(&self.settings.connector.place, "write to", error)
    }

    /// Everything at once, rows of one key folded.
    async fn merged(&self) -> Result<Outcome, StageError> {
        self.begin().await?;
        match self.tables(None).await {
            Ok(()) => {
                self.commit().await?;
                Ok(Outcome::Stored)
            }
            Err(Refusal::Unfit) => {
                self.roll_back().await?;
                Ok(Outcome::RowUnfit)
            }
            Err(Refusal::Server { table, error }) if self.is_about_a_row(&table, &error) => {
                self.roll_back().await?;
                Ok(Outcome::RowRefused)
            }
            Err(Refusal::Server { error, .. }) => Err(self.tell(error)),
        }
    }

    /// Begins the transaction and moves the watermark in it.
    pub(crate) async fn begin(&self) -> Result<(), StageError> {
        let connector = &self.settings.connector;
        let lock_timeout = connector.config.lock_timeout.0.as_millis();
        let (owner, run) = (&self.settings.owner, self.run);
        let begun =
            watermark::begin(self.client, owner, run, self.expected, self.seq, lock_timeout, self.guard);
        let place = &connector.place;
        let why = match connector.within(connector.config.timeout.0, "write to", begun).await? {
            Begun::Fine => return Ok(()),
            Begun::Changed => format!("the tables of {place} have changed; looking at them anew"),
            Begun::Moved => format!(
                "{place} does not stand where it stood (another process wrote, or its watermarks were removed); asking again"
            ),
        };
        self.roll_back().await?;
        Err(StageError::retry(why))
    }

    pub(crate) async fn commit(&self) -> Result<(), StageError> {
        self.simply("COMMIT").await
    }

    pub(crate) async fn roll_back(&self) -> Result<(), StageError> {
        self.simply("ROLLBACK").await
    }

    /// Runs statements without parameters and rows.
    pub(crate) async fn simply(&self, text: &str) -> Result<(), StageError> {
        let connector = &self.settings.connector;
        connector.within(connector.config.timeout.0, "write to", self.client.batch_execute(text)).await
    }

    /// Whether every try would fail because of a row.
    pub(crate) fn is_about_a_row(&self, table: &str, error: &tokio_postgres::Error) -> bool {
        let part = self.parts.iter().find(|part| part.table.name() == table);
        let mapped = |column: &str| {
            part.is_some_and(|part| part.table.columns().iter().any(|planned| planned.name == column))
        };
        error.as_db_error().is_some_and(|said| rejects_row(said, mapped))
    }

    /// Writes rows into every table: all, or those of these places.
    pub(crate) async fn tables(&self, places: Option<&[Place]>) -> Result<(), Refusal> {
        for (part, statement) in self.parts.iter().zip(self.statements) {
            let chosen: Vec<Projected>;
            let rows = match places {
                None => &part.batches,
                Some(places) => {
                    chosen = choose(&part.batches, places);
                    &chosen
                }
            };
            if rows.iter().all(|projected| projected.records.num_rows() == 0) {
                continue;
            }
            let by_arrays = match part.table.mode() {
                Mode::Upsert => Some(&statement.sql),
                Mode::Append | Mode::Read => statement.late.as_ref().filter(|_| self.late),
            };
            let written = match by_arrays {
                Some(sql) => self.insert(part, rows, sql, &statement.wires).await,
                None => self.append(rows, statement).await,
            };
            written.map_err(|refusal| match refusal {
                Failed::Unfit => Refusal::Unfit,
                Failed::Server(error) => Refusal::Server { table: part.table.name().to_owned(), error },
            })?;
        }
        Ok(())
    }

    async fn append(&self, rows: &[Projected], statement: &Statement) -> Result<(), Failed> {
        let copy: CopyInSink<Bytes> = self.client.copy_in(&statement.sql).await.map_err(Failed::Server)?;
        let mut copy = pin!(copy);
        let mut piece = Vec::with_capacity(PIECE + 1024);
        encode::begin(&mut piece);
        for projected in rows {
            let encoder = Rows::new(&projected.records, &statement.wires);
            for row in 0..projected.records.num_rows() {
                // Dropping the COPY undoes it; the transaction is rolled back.
                encoder.push(row, &mut piece).map_err(|_| Failed::Unfit)?;
                if piece.len() >= PIECE {
                    let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE + 1024));
                    copy.feed(full.into()).await.map_err(Failed::Server)?;
                }
            }
        }
        encode::end(&mut piece);
        copy.feed(piece.into()).await.map_err(Failed::Server)?;
        copy.finish().await.map(drop).map_err(Failed::Server)
    }

    /// Each column as an array; for an upsert the rows of one key are folded into one.
    async fn insert(
        &self,
        part: &Part<'_>,
        rows: &[Projected],
        sql: &str,
        wires: &[Wire],
    ) -> Result<(), Failed> {
        let folded = merge(part.table, rows);
        let arrays = folded.columns().iter().zip(wires);
        let arrays: Vec<(ArrayParameter, Type)> = arrays
            .map(|(column, wire)| Ok((ArrayParameter::new(column, *wire)?, wire.array())))
            .collect::<Result<_, (usize, Unfit)>>()
            .map_err(|_| Failed::Unfit)?;
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
            arrays.iter().map(|(array, of)| (array as &(dyn ToSql + Sync), of.clone())).collect();
        self.client.execute_typed(sql, &parameters).await.map(drop).map_err(Failed::Server)
    }

    /// Names every row with a value that fits no column of its type.
    fn unfit(&self) -> Result<(), StageError> {
        let (mut rejected, mut bytes) = (Rejected::default(), Vec::new());
        for (part, statement) in self.parts.iter().zip(self.statements) {
            for (batch, projected) in part.batches.iter().enumerate() {
                let encoder = Rows::new(&projected.records, &statement.wires);
                for (row, &origin) in projected.origin.iter().enumerate() {
                    bytes.clear();
                    if let Err((column, unfit)) = encoder.push(row, &mut bytes) {
                        let (table, column) = (part.table.name(), &part.table.columns()[column].name);
                        let reason = format!("column `{column}` of table `{table}` {}", unfit.what);
                        rejected.add(batch, origin, unfit.code, reason);
                    }
                }
            }
        }
        rejected.finish()?;
        Err(StageError::retry("a value did not fit and then did: please report this"))
    }
}

enum Failed {
    Server(tokio_postgres::Error),
    Unfit,
}

/// The rows of these places, which are in order.
fn choose(batches: &[Projected], places: &[Place]) -> Vec<Projected> {
    let (Some(&(first, from)), Some(&(last, to))) = (places.first(), places.last()) else {
        return Vec::new();
    };
    let mut chosen = Vec::new();
    for (index, projected) in batches.iter().enumerate().take(last + 1).skip(first) {
        let from = if index == first { from } else { 0 };
        let to = if index == last { to } else { u32::MAX };
        let rows = range(&projected.origin, from, to);
        if !rows.is_empty() {
            let records = projected.records.slice(rows.start, rows.len());
            chosen.push(Projected { records, origin: projected.origin[rows].to_vec() });
        }
    }
    chosen
}

/// Which of these ascending row numbers are between the two, inclusive.
fn range(origin: &[u32], from: u32, to: u32) -> Range<usize> {
    origin.partition_point(|row| *row < from)..origin.partition_point(|row| *row <= to)
}
