//! One attempt to write: a transaction with rows, watermark and the guard of the tables.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{SinkExt, Stream, StreamExt, stream};
use jiff::Timestamp;
use postgres_types::{ToSql, Type};
use smiles_stage::{Batch, RunId, Seq, StageError};
use smiles_store::{Part, Rejected, Swallowed};
use smiles_tables::{Bundle, RowAddress, TablePlan};
use tokio_postgres::error::DbError;
use tokio_postgres::{Client, CopyInSink};

use crate::attribution::{Culprit, ErrorAttribution, ErrorKind, holding_error};
use crate::catalog::SchemaGuard;
use crate::catalog_query::CatalogQuery;
use crate::encode::{ArrayParameter, Rows};
use crate::error::stage_error;
use crate::kept;
use crate::load::{self, Load, LoadStep, NoFit};
use crate::watermark;
use crate::watermark::TransactionStart;
use crate::writer::{Settings, Statement};

/// Consecutive batches of one run.
pub(crate) struct Write<'a> {
    pub(crate) settings: &'a Arc<Settings>,
    pub(crate) client: &'a Client,
    pub(crate) statements: &'a Arc<[Statement]>,
    pub(crate) late: bool,
    /// The latest time that a stored row can have.
    pub(crate) latest: Option<Timestamp>,
    pub(crate) guard: &'a SchemaGuard,
    pub(crate) batches: &'a [Batch],
    pub(crate) run: RunId,
    pub(crate) expected: Seq,
    pub(crate) seq: Seq,
}

pub(crate) enum Outcome {
    /// All of it, but for what the server left out.
    Stored(Swallowed),
    /// Some value fits no column of its type.
    RowUnfit,
    /// The server refused a row, and said not which.
    RowRefused,
}

impl Write<'_> {
    pub(crate) fn tell(&self, error: tokio_postgres::Error) -> StageError {
        stage_error(&self.settings.connector.address, "write to", error)
    }

    /// Everything at once, rows of one key folded.
    pub(crate) async fn merged(&self) -> Result<Outcome, StageError> {
        let batches = self.batches.to_vec();
        let (mut steps, made) = load::begin(
            Arc::clone(self.settings),
            Arc::clone(self.statements),
            move || Bundle::all(&batches),
            (self.late, self.latest),
        );
        self.begin().await?;
        let sent = self.send(stream::poll_fn(|context| steps.poll_recv(context))).await;
        drop(steps);
        // A panic there is one here: whatever came of the rows, they are not all sent.
        if let Err(error) = made.await
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
        match sent {
            Ok(swallowed) => match self.client.batch_execute("COMMIT").await {
                Ok(()) => Ok(Outcome::Stored(swallowed)),
                Err(error) => self.refused(None, error).await,
            },
            Err(Refusal::Unfit) => {
                self.roll_back().await?;
                Ok(Outcome::RowUnfit)
            }
            Err(Refusal::Server { table, error }) => self.refused(Some(&table), error).await,
            Err(Refusal::Unready { table, error }) => Err(self.unready(&table, error)),
        }
    }

    /// The error of a COPY that did not begin, which is no row's fault. The connection is out of step then, and
    /// nothing more may be asked of it.
    pub(crate) fn unready(&self, table: &str, error: tokio_postgres::Error) -> StageError {
        match about_rows(&error) {
            Some((_, said)) => holding_error(
                &format!("table `{table}` takes no row, whatever it holds: mend its defaults"),
                said,
            ),
            None => self.tell(error),
        }
    }

    /// Nothing was stored; whether rows are to be looked at one by one. `table`: the one whose rows were sent, if it
    /// was not the commit that failed.
    async fn refused(
        &self,
        table: Option<&str>,
        error: tokio_postgres::Error,
    ) -> Result<Outcome, StageError> {
        let Some((kind, said)) = about_rows(&error) else { return Err(self.tell(error)) };
        self.roll_back().await?;
        match self.attribution(None).culprit(table, kind, said).await? {
            Culprit::Row | Culprit::Unclear => Ok(Outcome::RowRefused),
            Culprit::Table(why) => Err(holding_error(&why, said)),
        }
    }

    /// Who says whose fault an error is; `undo` makes a broken transaction usable again.
    pub(crate) fn attribution<'a>(&'a self, undo: Option<&'a str>) -> ErrorAttribution<'a> {
        ErrorAttribution::new(CatalogQuery {
            connector: &self.settings.connector,
            client: self.client,
            tables: &self.settings.tables,
            undo,
        })
    }

    /// Begins the transaction and moves the watermark in it.
    pub(crate) async fn begin(&self) -> Result<(), StageError> {
        let connector = &self.settings.connector;
        let lock_timeout = connector.config.lock_timeout.0.as_millis();
        let (owner, run) = (&self.settings.owner, self.run);
        let begun =
            watermark::begin(self.client, owner, run, self.expected, self.seq, lock_timeout, self.guard);
        let place = &connector.address;
        let why = match connector.within(connector.config.timeout.0, "write to", begun).await? {
            TransactionStart::Fine => return Ok(()),
            TransactionStart::Changed => {
                format!("the tables of {place} have changed; reading their columns again")
            }
            TransactionStart::Moved => format!(
                "the watermark of {place} changed (another process wrote, or watermarks were removed); reading it again"
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

    fn table(&self, index: usize) -> Option<(&TablePlan, &Statement)> {
        self.settings.tables.written().nth(index).zip(self.statements.get(index))
    }

    /// Writes the rows of these places into every table.
    pub(crate) async fn chosen(
        &self,
        parts: &[Part<'_>],
        places: &[RowAddress],
    ) -> Result<Swallowed, Refusal> {
        self.send(stream::iter(load::chosen(parts, self.statements, places, (self.late, self.latest)))).await
    }

    /// Sends everything, table by table; says what of it the server left out.
    async fn send(&self, steps: impl Stream<Item = Result<LoadStep, NoFit>>) -> Result<Swallowed, Refusal> {
        let mut swallowed = Swallowed::default();
        let mut steps = std::pin::pin!(steps);
        let mut copy: Option<Copy> = None;
        while let Some(step) = steps.next().await {
            // Dropping a COPY undoes it; the transaction is rolled back.
            let LoadStep { table: index, rows, load } = step?;
            if copy.as_ref().is_some_and(|copy| copy.table != index)
                && let Some(whole) = copy.take()
            {
                self.finish(whole, &mut swallowed).await?;
            }
            let Some((table, statement)) = self.table(index) else { continue };
            let refused = |error| Refusal::Server { table: table.name.to_owned(), error };
            match load {
                Load::Copy(bytes) => {
                    let copy = match &mut copy {
                        Some(copy) => copy,
                        none => {
                            let unready = |error| Refusal::Unready { table: table.name.to_owned(), error };
                            let sink = self.client.copy_in(&statement.sql).await.map_err(unready)?;
                            none.insert(Copy { table: index, rows: 0, sink: Box::pin(sink) })
                        }
                    };
                    copy.rows += rows;
                    copy.sink.feed(bytes).await.map_err(refused)?;
                }
                Load::Arrays(arrays) => {
                    let left_out = self.insert((table, statement), &arrays, rows).await.map_err(refused)?;
                    swallowed.add(&table.name, left_out);
                }
            }
        }
        if let Some(whole) = copy {
            self.finish(whole, &mut swallowed).await?;
        }
        Ok(swallowed)
    }

    async fn finish(&self, mut copy: Copy, swallowed: &mut Swallowed) -> Result<(), Refusal> {
        let Some((table, _)) = self.table(copy.table) else { return Ok(()) };
        let refused = |error| Refusal::Server { table: table.name.to_owned(), error };
        let kept = copy.sink.as_mut().finish().await.map_err(refused)?;
        let left_out = kept::of_copy(self.client, table, copy.rows, kept).await.map_err(refused)?;
        swallowed.add(&table.name, left_out);
        Ok(())
    }

    /// How many of the rows the server left out.
    async fn insert(
        &self,
        (table, statement): (&TablePlan, &Statement),
        arrays: &[(ArrayParameter, Type)],
        rows: u64,
    ) -> Result<u64, tokio_postgres::Error> {
        let sql = statement.by_arrays(table, self.late).unwrap_or_default();
        let latest = smiles_store::latest(table).map(|_| self.latest.map(|latest| latest.to_string()));
        let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> =
            arrays.iter().map(|(array, of)| (array as &(dyn ToSql + Sync), of.clone())).collect();
        parameters.extend(latest.as_ref().map(|latest| (latest as &(dyn ToSql + Sync), Type::TEXT)));
        let kept = self.client.execute_typed(sql, &parameters).await?;
        kept::of_arrays(self.client, (table, statement, self.late), arrays, rows, kept).await
    }

    /// Names every row with a value that fits no column of its type.
    pub(crate) fn unfit(&self, parts: &[Part<'_>]) -> StageError {
        let (mut rejected, mut bytes) = (Rejected::default(), Vec::new());
        for (part, statement) in parts.iter().zip(self.statements.iter()) {
            for piece in &part.pieces {
                let encoder = Rows::new(&piece.records, &statement.wires);
                for (row, &place) in piece.origin.iter().enumerate() {
                    bytes.clear();
                    if let Err((column, unfit)) = encoder.push(row, &mut bytes) {
                        let (table, column) = (&part.table.name, &part.table.columns[column].name);
                        let reason = format!("column `{column}` of table `{table}` {}", unfit.what);
                        rejected.add(place, unfit.code, reason);
                    }
                }
            }
        }
        let none = || StageError::retry("a value did not fit and then did: please report this");
        rejected.finish().err().unwrap_or_else(none)
    }
}

/// Why a statement did not do its work.
pub(crate) enum Refusal {
    /// The server said so.
    Server { table: String, error: tokio_postgres::Error },
    /// It said so before it was given a row.
    Unready { table: String, error: tokio_postgres::Error },
    /// A value fits no column of its type; nothing was asked.
    Unfit,
}

impl From<NoFit> for Refusal {
    fn from(_: NoFit) -> Self {
        Self::Unfit
    }
}

/// What the server said, if rows may be to blame for it.
pub(crate) fn about_rows(error: &tokio_postgres::Error) -> Option<(ErrorKind, &DbError)> {
    let said = error.as_db_error()?;
    Some((ErrorKind::of(said), said)).filter(|(kind, _)| *kind != ErrorKind::NoRow)
}

/// A COPY under way.
struct Copy {
    table: usize,
    /// How many were sent.
    rows: u64,
    sink: Pin<Box<CopyInSink<Bytes>>>,
}
