//! The journal as one SQLite file: the async face of the writer thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use async_trait::async_trait;
use jiff::Timestamp;
use smiles_stage::{Batch, Position, RunId, Seq, TargetId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::api::dead_letter::DeadLetter;
use crate::api::entry::{Accepted, Entry, ReplayOutcome, ReplayRequest, StateChange};
use crate::api::error::JournalError;
use crate::api::journal::{Cursor, Journal, Options, ReadLimit};
use crate::api::status::{Maintained, Reconciled, Status};
use crate::format::codec::Encoded;
use crate::format::failure::Failure;
use crate::format::lock::Lock;
use crate::format::records::{Run, SinkRow};
use crate::ledger::row_counts::note_repair;
use crate::ledger::{pruning, rejected, report};
use crate::log::reading::Fetched;
use crate::log::store::{JournalFile, Shared};
use crate::owner::examination::Examination;
use crate::owner::writer;
use crate::owner::writer::{Call, JobKind, Message, WAITING};
use crate::repair::examine::{self, Depth};
use crate::repair::left;

/// One SQLite file per pipeline. Dropping it finishes what waits and closes the file.
///
/// A call whose future is dropped may still take effect: what was sent to the writer is written.
#[derive(Debug)]
pub struct SqliteJournal {
    sender: Option<mpsc::Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    /// A large file is examined whole only while it is in use.
    examination: Examination,
    /// The end was asked for and has not been reached: whoever drops the journal then does not wait for it.
    closing: AtomicBool,
}

impl SqliteJournal {
    /// Opens or makes the journal and starts a run. A damaged file is repaired on the way: what can be read moves to
    /// a new file, the damaged one is set aside, [`Status::repairs`] tells.
    ///
    /// # Errors
    /// [`JournalError::Locked`]; [`JournalError::Refused`] for a file of another pipeline, a newer version or another
    /// program; [`JournalError::Storage`].
    pub async fn open(options: Options, now: Timestamp) -> Result<Self, JournalError> {
        let (reply, opened) = oneshot::channel();
        let (sender, inbox) = mpsc::channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                match open(options, now) {
                    Ok(store) => {
                        let path = store.options.path.clone().filter(|_| store.unexamined);
                        if reply.send(Ok((Arc::clone(&store.shared), path))).is_ok() {
                            writer::run(store, inbox);
                        }
                    }
                    // Nobody waits for the answer of an opening that was given up.
                    Err(error) => drop(reply.send(Err(error))),
                }
            })
            .map_err(|error| JournalError::Storage { doing: "open", source: error.into() })?;
        let (shared, unexamined) = opened.await.map_err(|_| JournalError::Closed)??;
        let examination = Examination::of(unexamined);
        let closing = AtomicBool::new(false);
        Ok(Self { sender: Some(sender), thread: Some(thread), shared, examination, closing })
    }

    /// Transactions committed since opening: many appends share one.
    pub fn transactions(&self) -> u64 {
        self.shared.transactions.load(Ordering::Relaxed)
    }

    /// Batches read from the file since opening; a sink that keeps up causes none.
    pub fn file_reads(&self) -> u64 {
        self.shared.file_reads.load(Ordering::Relaxed)
    }

    async fn call<T: Send + 'static>(
        &self,
        doing: &'static str,
        touch: JobKind,
        work: impl FnMut(&mut JournalFile) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (reply, answer) = oneshot::channel();
        let job = Call { doing, touch, work, done: None, reply };
        let sender = self.sender.as_ref().ok_or(JournalError::Closed)?;
        sender.send(Message::Job(Box::new(job))).await.map_err(|_| JournalError::Closed)?;
        answer.await.map_err(|_| JournalError::Closed)?
    }

    /// The batches, decoded here; or `None` after a damaged one was passed over, to look again.
    async fn decoded(&self, fetched: Vec<Fetched>) -> Result<Option<Vec<Batch>>, JournalError> {
        let mut batches = Vec::with_capacity(fetched.len());
        for one in fetched {
            let damaged = match one {
                Fetched::Ready(batch) => {
                    batches.push(batch);
                    continue;
                }
                Fetched::Damaged { ordinal } => ordinal,
                Fetched::Stored(stored) => {
                    let ordinal = stored.ordinal;
                    match stored.decode() {
                        Ok(batch) => {
                            batches.push(batch);
                            continue;
                        }
                        Err(_) => ordinal,
                    }
                }
            };
            self.call("read", JobKind::Writes, move |store| store.pass_over(damaged)).await?;
            return Ok(None);
        }
        Ok(Some(batches))
    }
}

/// Everything that opening does, on the writer's thread.
fn open(options: Options, now: Timestamp) -> Result<JournalFile, JournalError> {
    let max = options.max_size;
    let told = |failure: Failure| failure.told("open", max);
    let Some(path) = options.path.clone() else {
        return JournalFile::open(options, None, now).map_err(told);
    };
    let told = |failure: Failure| told(failure.at(&path));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| told(Failure::File(error)))?;
    }
    let _door = Lock::door(&path).map_err(told)?;
    let lock = Lock::take(&path)?;
    let missing = left::missing(&path, &lock);
    let depth = Depth::to_open(&path);
    examine::repair_if_damaged(&path, &options.pipeline, now, depth).map_err(told)?;
    let mut store = JournalFile::open(options, Some(lock), now).map_err(told)?;
    store.unexamined = depth == Depth::Start;
    begin(&store, missing).map_err(told)?;
    Ok(store)
}

/// Notes what went missing, and that the journal is in use now.
fn begin(store: &JournalFile, missing: Option<String>) -> Result<(), Failure> {
    if let Some(sentence) = missing {
        tracing::error!("{sentence}");
        note_repair(&store.connection, store.now.as_microsecond(), &sentence)?;
    }
    if let Some(lock) = &store.lock
        && let Err(error) = left::begin(lock)
    {
        tracing::warn!(%error, "cannot note that the journal is in use");
    }
    Ok(())
}

#[async_trait]
impl Journal for SqliteJournal {
    fn run(&self) -> RunId {
        self.shared.run()
    }

    async fn begin_run(&self, now: Timestamp) -> Result<RunId, JournalError> {
        self.call("begin a run of", JobKind::Reads, move |store| {
            store.now = now;
            store.begin_run()
        })
        .await
    }

    async fn bound(&self, options: Options) -> Result<(), JournalError> {
        let Options { max_size, retain, on_full, .. } = options;
        self.call("bound", JobKind::Reads, move |store| {
            let path = store.options.path.take();
            let pipeline = std::mem::take(&mut store.options.pipeline);
            store.options = Options { path, pipeline, max_size, retain, on_full };
            Ok(())
        })
        .await
    }

    async fn append(&self, entry: Entry) -> Result<Accepted, JournalError> {
        let encoded =
            Encoded::of(&entry.records, entry.complete).map_err(|failure| failure.told("append to", 0))?;
        self.call("append to", JobKind::Writes, move |store| store.append(&entry, &encoded)).await
    }

    async fn load_state(&self) -> Result<Vec<StateChange>, JournalError> {
        self.call("read", JobKind::Reads, |store| report::state(&store.connection)).await
    }

    async fn keep_state(&self, state: Vec<StateChange>) -> Result<(), JournalError> {
        self.call("write state to", JobKind::Writes, move |store| store.keep_state(&state)).await
    }

    async fn pending_corrections(
        &self,
    ) -> Result<Vec<crate::api::pending_correction::PendingCorrection>, JournalError> {
        self.call("read", JobKind::Reads, |store| {
            crate::ledger::correction::pending_corrections(&store.connection)
        })
        .await
    }

    async fn enlist(&self, sinks: &[Cursor]) -> Result<(), JournalError> {
        let sinks = sinks.to_vec();
        self.call("enlist sinks in", JobKind::Writes, move |store| store.enlist(&sinks)).await
    }

    async fn known_runs(&self, sink: &str) -> Result<Vec<RunId>, JournalError> {
        let sink = sink.to_owned();
        self.call("read", JobKind::Reads, move |store| {
            SinkRow::load(&store.connection, &sink)?;
            Ok(Run::all(&store.connection)?.into_iter().map(|run| run.id).collect())
        })
        .await
    }

    async fn reconcile(
        &self,
        sink: &str,
        target: TargetId,
        marks: &[(RunId, Seq)],
    ) -> Result<Reconciled, JournalError> {
        let (sink, marks) = (sink.to_owned(), marks.to_vec());
        self.call("reconcile", JobKind::Writes, move |store| store.reconcile(&sink, target, &marks)).await
    }

    async fn read(
        &self,
        sink: &str,
        behind: Option<Position>,
        limit: ReadLimit,
    ) -> Result<Vec<Batch>, JournalError> {
        loop {
            let sink = sink.to_owned();
            let fetched =
                self.call("read", JobKind::Reads, move |store| store.next_owed(&sink, behind, limit)).await?;
            if let Some(batches) = self.decoded(fetched).await? {
                return Ok(batches);
            }
        }
    }

    async fn newest(&self, limit: ReadLimit) -> Result<Vec<Batch>, JournalError> {
        loop {
            let fetched = self.call("read", JobKind::Reads, move |store| store.newest(limit)).await?;
            if let Some(batches) = self.decoded(fetched).await? {
                return Ok(batches);
            }
        }
    }

    async fn delivered(&self, sink: &str, upto: Position) -> Result<(), JournalError> {
        let sink = sink.to_owned();
        self.call("write a cursor to", JobKind::MovesCursor, move |store| store.delivered(&sink, upto)).await
    }

    async fn set_aside(&self, sink: &str, dead_letters: Vec<DeadLetter>) -> Result<(), JournalError> {
        let sink = sink.to_owned();
        self.call("write dead letters to", JobKind::Writes, move |store| {
            store.set_aside(&sink, &dead_letters)
        })
        .await
    }

    async fn rows_set_aside(
        &self,
        sink: &str,
        run: RunId,
        range: (Seq, Seq),
    ) -> Result<Vec<(Seq, u32)>, JournalError> {
        let sink = sink.to_owned();
        self.call("read", JobKind::Reads, move |store| store.rows_set_aside(&sink, run, range)).await
    }

    async fn replay_requests(&self) -> Result<Vec<ReplayRequest>, JournalError> {
        self.call("read", JobKind::Writes, |store| rejected::next(&store.connection)).await
    }

    async fn returned(&self, dead_letters: Vec<ReplayOutcome>, now: Timestamp) -> Result<(), JournalError> {
        self.call("write dead letters to", JobKind::Writes, move |store| {
            store.now = store.now.max(now);
            store.take_back(&dead_letters)
        })
        .await
    }

    async fn maintain(&self, now: Timestamp) -> Result<Maintained, JournalError> {
        if let Some(sender) = &self.sender {
            self.examination.begin(sender);
        }
        let mut done = Maintained::default();
        loop {
            let deleted = self.call("maintain", JobKind::Writes, move |store| store.tidy(now)).await?;
            done.deleted += u64::try_from(deleted).unwrap_or(u64::MAX);
            if JournalFile::is_tidy(deleted) {
                break;
            }
        }
        done.forgotten = self.call("maintain", JobKind::Writes, move |store| store.forget(now)).await?;
        while self.call("maintain", JobKind::Writes, |store| store.shrink()).await? {}
        Ok(done)
    }

    async fn unpruned(&self, sink: &str) -> Result<Vec<RunId>, JournalError> {
        let sink = sink.to_owned();
        self.call("read", JobKind::Reads, move |store| pruning::owed(&store.connection, &sink)).await
    }

    async fn pruned(&self, sink: &str, runs: &[RunId]) -> Result<(), JournalError> {
        let (sink, runs) = (sink.to_owned(), runs.to_vec());
        self.call("maintain", JobKind::Writes, move |store| pruning::told(&store.connection, &sink, &runs))
            .await
    }

    async fn status(&self) -> Result<Status, JournalError> {
        self.call("read", JobKind::Reads, |store| report::status(&store.connection)).await
    }

    async fn acknowledge(&self) -> Result<u64, JournalError> {
        self.call("acknowledge losses in", JobKind::Writes, JournalFile::acknowledge).await
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.shared.appended.subscribe()
    }

    async fn close(&self) -> Result<(), JournalError> {
        let (reply, closed) = oneshot::channel();
        let sender = self.sender.as_ref().ok_or(JournalError::Closed)?;
        self.examination.end();
        self.closing.store(true, Ordering::Relaxed);
        sender.send(Message::Close(reply)).await.map_err(|_| JournalError::Closed)?;
        let closed = closed.await.map_err(|_| JournalError::Closed)?;
        self.closing.store(false, Ordering::Relaxed);
        closed
    }
}

impl Drop for SqliteJournal {
    /// Waits for the thread, so that the lock is free when this returns; not if `close` was given up.
    fn drop(&mut self) {
        drop(self.sender.take());
        self.examination.end();
        if self.closing.load(Ordering::Relaxed) {
            return;
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's writer failed");
        }
    }
}
