//! The open file and what is known of it in memory; owned by the writer thread.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use smiles_stage::RunId;
use tokio::sync::watch;

use crate::api::entry::StateChange;
use crate::api::journal::{Cursor, Options};
use crate::format::codec::Encoded;
use crate::format::failure::Failure;
use crate::format::layout;
use crate::format::layout::{BUSY, random_run, size};
use crate::format::lock::Lock;
use crate::format::presence::Presence;
use crate::format::records::Run;
use crate::format::seal::put;
use crate::log::recent::RecentBatches;

/// What both sides of the channel see.
#[derive(Debug)]
pub(crate) struct Shared {
    run: Mutex<RunId>,
    pub(crate) appended: watch::Sender<u64>,
    pub(crate) transactions: AtomicU64,
    pub(crate) file_reads: AtomicU64,
}

impl Shared {
    pub(crate) fn new(run: RunId) -> Self {
        Self {
            run: Mutex::new(run),
            appended: watch::Sender::new(0),
            transactions: AtomicU64::new(0),
            file_reads: AtomicU64::new(0),
        }
    }

    pub(crate) fn run(&self) -> RunId {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, run: RunId, appended: u64) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = run;
        self.appended.send_if_modified(|seen| {
            let newer = appended > *seen;
            *seen = appended.max(*seen);
            newer
        });
    }
}

/// The journal's file, its current run and its recent batches.
pub(crate) struct JournalFile {
    pub(crate) connection: Connection,
    pub(crate) options: Options,
    /// The owner's; `None` in memory.
    pub(crate) lock: Option<Lock>,
    /// The files that are open; `None` in memory.
    pub(crate) presence: Option<Presence>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) hot: RecentBatches,
    /// The run that appends go to; in the file from its first batch on.
    pub(crate) run: Run,
    /// The highest ordinal ever given.
    pub(crate) head: u64,
    pub(crate) appended: u64,
    /// The newest schema known to be stored.
    schema: Option<i64>,
    /// The latest wall clock a caller told.
    pub(crate) now: Timestamp,
    /// The sinks of the running file.
    pub(crate) enlisted: Vec<Cursor>,
    /// Runs of this process that another one has gone on with.
    pub(crate) forked: Vec<RunId>,
    /// Whether the file was opened without reading all of it.
    pub(crate) unexamined: bool,
    /// How many times it was opened.
    pub(crate) opened: u64,
    /// Bytes that dead letters take; more than that only if an operator's command removed some meanwhile.
    pub(crate) dead_letter_bytes: Option<u64>,
}

/// What a rollback must restore in memory.
pub(crate) struct Mark {
    run: Run,
    head: u64,
    appended: u64,
}

impl JournalFile {
    /// Opens a sound or absent file, makes its tables if there are none, and starts a run.
    pub(crate) fn open(options: Options, lock: Option<Lock>, now: Timestamp) -> Result<Self, Failure> {
        let connection = connect(options.path.as_deref(), &options)?;
        let presence = presence(&connection, &options)?;
        let head = head(&connection)?;
        let run = Run::new(random_run()?);
        let shared = Arc::new(Shared::new(run.id));
        Ok(Self {
            connection,
            options,
            lock,
            presence,
            shared,
            hot: RecentBatches::default(),
            run,
            head,
            appended: 0,
            schema: None,
            now,
            enlisted: Vec::new(),
            forked: Vec::new(),
            unexamined: false,
            opened: 0,
            dead_letter_bytes: None,
        })
    }

    /// Opens the file again after a repair. Positions go on where they were, even if the file lost some.
    pub(crate) fn reconnect(&mut self) -> Result<(), Failure> {
        self.connection = connect(self.options.path.as_deref(), &self.options)?;
        self.opened += 1;
        self.presence = presence(&self.connection, &self.options)?;
        self.head = self.head.max(head(&self.connection)?);
        (self.schema, self.dead_letter_bytes) = (None, None);
        // The salvaged row may be older than what was promised: batches never go back to a number already given.
        self.run = Run::new(random_run()?);
        self.published();
        Ok(())
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { run: self.run.clone(), head: self.head, appended: self.appended }
    }

    pub(crate) fn restore(&mut self, mark: Mark) {
        self.run = mark.run;
        self.head = mark.head;
        self.appended = mark.appended;
        (self.schema, self.dead_letter_bytes) = (None, None);
        self.hot.cut(self.head);
    }

    /// Tells the other side what is now durable.
    pub(crate) fn published(&self) {
        self.shared.publish(self.run.id, self.appended);
    }

    /// Starts a new run; its row is written with its first batch.
    pub(crate) fn begin_run(&mut self) -> Result<RunId, Failure> {
        self.run = Run::new(random_run()?);
        Ok(self.run.id)
    }

    /// Writes state; the last value of a key stays.
    pub(crate) fn keep_state(&self, state: &[StateChange]) -> Result<(), Failure> {
        for change in state {
            put(&self.connection, "state", &[&change.stage, &change.key, &change.value])?;
        }
        Ok(())
    }

    /// Bytes of the pages in use. The write-ahead log is not counted: it holds pages that are counted already, and
    /// is cut back to a small part of `max_size`.
    pub(crate) fn size(&self) -> Result<u64, Failure> {
        size(&self.connection)
    }

    /// Moves the log into the file and empties it, as far as readers let us: what is in the log is durable too.
    pub(crate) fn checkpoint(&self) -> Result<(), Failure> {
        self.connection.busy_timeout(Duration::ZERO)?;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    pub(crate) fn count_transaction(&self) {
        self.shared.transactions.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn keep_schema(&mut self, encoded: &Encoded) -> Result<(), Failure> {
        if self.schema == Some(encoded.schema) {
            return Ok(());
        }
        let known: bool = self
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM schemas WHERE id = ?1) AND EXISTS (SELECT 1 FROM schema_copies WHERE id = ?1)",
            )?
            .query_row([encoded.schema], |row| row.get(0))?;
        if !known {
            for table in ["schemas", "schema_copies"] {
                put(&self.connection, table, &[&encoded.schema, &encoded.prefix()])?;
            }
        }
        self.schema = Some(encoded.schema);
        Ok(())
    }
}

/// The rows of a batch as the books count them.
pub(crate) fn rows_of(records: &arrow_array::RecordBatch) -> u64 {
    u64::try_from(records.num_rows()).unwrap_or(u64::MAX)
}

fn connect(path: Option<&Path>, options: &Options) -> Result<Connection, Failure> {
    let connection = match path {
        Some(path) => Connection::open(path)?,
        None => Connection::open_in_memory()?,
    };
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Else every range that is asked for is planned anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let empty: bool = connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    if empty {
        layout::create(&connection, &options.pipeline)?;
    }
    let pages = (options.max_size / layout::PAGE / 8).clamp(16, 1000);
    connection.execute_batch(&format!(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint={pages}; \
         PRAGMA journal_size_limit={}; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF; \
         PRAGMA cell_size_check=ON; PRAGMA foreign_keys=OFF",
        pages * layout::PAGE
    ))?;
    Ok(connection)
}

/// Both files exist once something was read.
fn presence(connection: &Connection, options: &Options) -> Result<Option<Presence>, Failure> {
    head(connection)?;
    let presence = match options.path.as_deref() {
        Some(path) => Some(Presence::of(path, pages(connection)?)?),
        None => None,
    };
    Ok(presence)
}

/// Pages of the file, as the newest transaction says.
pub(crate) fn pages(connection: &Connection) -> Result<u64, Failure> {
    let mut statement = connection.prepare_cached("PRAGMA page_count")?;
    Ok(crate::format::records::count(statement.query_row([], |row| row.get(0))?))
}

fn head(connection: &Connection) -> Result<u64, Failure> {
    let head = connection.query_row(
        "SELECT max(coalesce((SELECT max(ordinal) FROM batches), 0), \
                    coalesce((SELECT max(base + last) FROM runs), 0))",
        [],
        |row| row.get(0),
    )?;
    Ok(crate::format::records::count(head))
}
