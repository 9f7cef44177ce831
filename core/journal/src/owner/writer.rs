//! The one thread that owns the file: whatever waits at the same moment commits together.

use tokio::sync::{mpsc, oneshot};

use crate::api::error::JournalError;
use crate::format::failure::Failure;
use crate::log::store::{JournalFile, pages};
use crate::repair::left;
use crate::repair::rescue::rescue;

/// Jobs that may wait; a sender beyond that waits itself.
pub(crate) const WAITING: usize = 1024;
/// Jobs in one transaction.
const GROUP: usize = 256;

/// What the thread is asked.
pub(crate) enum Message {
    /// Do this.
    Job(Box<dyn Job>),
    /// Do nothing more after what came before; answered when the file is closed.
    Close(oneshot::Sender<Result<(), JournalError>>),
}

/// What a job does to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum JobKind {
    /// Looks at it: no transaction.
    Reads,
    /// Moves a cursor. That need not survive a power cut, since the target's own word wins; the commit does not wait
    /// for the disk, and what is lost is the end of the log at most.
    MovesCursor,
    /// Changes what must survive.
    Writes,
}

/// Something to do with the store, perhaps twice: alone again if the group it was in could not commit.
pub(crate) trait Job: Send {
    /// What it does to the file.
    fn touch(&self) -> JobKind;
    /// Does it; the result is kept until the commit is known.
    fn run(&mut self, store: &mut JournalFile) -> Result<(), Failure>;
    /// Tells the caller, after the commit.
    fn answer(self: Box<Self>, verdict: Result<(), Failure>, store: &JournalFile);
}

/// A closure as a [`Job`].
pub(crate) struct Call<T, F> {
    pub(crate) doing: &'static str,
    pub(crate) touch: JobKind,
    pub(crate) work: F,
    pub(crate) done: Option<T>,
    pub(crate) reply: oneshot::Sender<Result<T, JournalError>>,
}

impl<T: Send, F: FnMut(&mut JournalFile) -> Result<T, Failure> + Send> Job for Call<T, F> {
    fn touch(&self) -> JobKind {
        self.touch
    }

    fn run(&mut self, store: &mut JournalFile) -> Result<(), Failure> {
        self.done = Some((self.work)(store)?);
        Ok(())
    }

    fn answer(self: Box<Self>, verdict: Result<(), Failure>, store: &JournalFile) {
        let told = match (verdict, self.done) {
            (Ok(()), Some(done)) => Ok(done),
            (Ok(()), None) => Err(JournalError::Closed),
            (Err(failure), _) => Err(failure.told(self.doing, store.options.max_size)),
        };
        // The caller may have gone; what is written is written.
        let _ = self.reply.send(told);
    }
}

/// Runs until everyone who could send has gone, or [`Message::Close`].
pub(crate) fn run(mut store: JournalFile, mut inbox: mpsc::Receiver<Message>) {
    let mut closing = None;
    while closing.is_none()
        && let Some(first) = inbox.blocking_recv()
    {
        let mut jobs = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Job(job) => jobs.push(job),
                Message::Close(reply) => {
                    closing = Some(reply);
                    break;
                }
            }
            next = if jobs.len() < GROUP { inbox.try_recv().ok() } else { None };
        }
        commit_together(&mut store, jobs);
    }
    // What is deleted while nothing is written is noticed at the end at the latest.
    if let Err(failure) = keep_present(&mut store) {
        tracing::error!(error = %failure, "the journal could not be saved");
    }
    let closed = store.checkpoint().map_err(|failure| failure.told("close", store.options.max_size));
    if let (Ok(()), Some(lock)) = (&closed, &store.lock)
        && let Err(error) = left::end(lock)
    {
        tracing::warn!(%error, "cannot note that the journal was closed");
    }
    drop((store, inbox));
    if let Some(reply) = closing {
        let _ = reply.send(closed);
    }
}

/// One transaction for all; where that fails, one for each, so that a bad job fails no other.
fn commit_together(store: &mut JournalFile, mut jobs: Vec<Box<dyn Job>>) {
    let verdicts = if jobs.len() > 1 { together(store, &mut jobs).ok() } else { None };
    let Some(verdicts) = verdicts else {
        for job in jobs {
            alone(store, job);
        }
        return;
    };
    for (job, verdict) in jobs.into_iter().zip(verdicts) {
        job.answer(verdict, store);
    }
}

fn alone(store: &mut JournalFile, mut job: Box<dyn Job>) {
    let mut verdict = attempt(store, job.as_mut());
    if verdict.as_ref().is_err_and(Failure::is_damage) && crate::repair::examine::heal(store) {
        verdict = attempt(store, job.as_mut());
    }
    job.answer(verdict, store);
}

fn attempt(store: &mut JournalFile, job: &mut dyn Job) -> Result<(), Failure> {
    let touch = job.touch();
    if touch > JobKind::Reads {
        keep_present(store)?;
    }
    let mark = store.mark();
    let done = begin(store, touch).and_then(|()| job.run(store)).and_then(|()| commit(store, touch));
    if done.is_err() {
        roll_back(store);
        store.restore(mark);
    }
    store.published();
    done
}

/// Before anything is written: the files that are open are those at their path, or a new one takes their place.
fn keep_present(store: &mut JournalFile) -> Result<(), Failure> {
    let pages = pages(&store.connection)?;
    match store.presence.as_mut().and_then(|presence| presence.look(pages)) {
        Some(absence) => rescue(store, absence),
        None => Ok(()),
    }
}

/// What became of each job; an error means that nothing was committed.
fn together(store: &mut JournalFile, jobs: &mut [Box<dyn Job>]) -> Result<Vec<Result<(), Failure>>, Failure> {
    let touch = jobs.iter().map(|job| job.touch()).max().unwrap_or(JobKind::Reads);
    let writes = touch > JobKind::Reads;
    if writes {
        keep_present(store)?;
    }
    let mark = store.mark();
    let done = begin(store, touch).and_then(|()| {
        let verdicts =
            jobs.iter_mut().map(|job| in_savepoint(store, job.as_mut(), writes)).collect::<Result<_, _>>()?;
        commit(store, touch)?;
        Ok(verdicts)
    });
    if done.is_err() {
        roll_back(store);
        store.restore(mark);
    }
    store.published();
    done
}

/// The job's own verdict, or an error if the transaction as a whole is gone.
fn in_savepoint(
    store: &mut JournalFile,
    job: &mut dyn Job,
    writes: bool,
) -> Result<Result<(), Failure>, Failure> {
    if !writes || job.touch() == JobKind::Reads {
        return match job.run(store) {
            // SQLite ends the whole transaction on some errors, of a question too.
            Err(failure) if failure.is_damage() || (writes && store.connection.is_autocommit()) => {
                Err(failure)
            }
            verdict => Ok(verdict),
        };
    }
    let mark = store.mark();
    store.connection.prepare_cached("SAVEPOINT job")?.execute([])?;
    let verdict = job.run(store);
    match &verdict {
        Err(failure) if failure.is_damage() || store.connection.is_autocommit() => return verdict.map(Ok),
        Err(_) => {
            store.connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
            store.restore(mark);
        }
        Ok(()) => {}
    }
    store.connection.prepare_cached("RELEASE job")?.execute([])?;
    Ok(verdict)
}

fn begin(store: &JournalFile, touch: JobKind) -> Result<(), Failure> {
    if touch > JobKind::Reads {
        let synchronous = match touch {
            JobKind::MovesCursor => "PRAGMA synchronous=NORMAL",
            JobKind::Reads | JobKind::Writes => "PRAGMA synchronous=FULL",
        };
        store.connection.execute_batch(synchronous)?;
        store.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    }
    Ok(())
}

fn commit(store: &mut JournalFile, touch: JobKind) -> Result<(), Failure> {
    if touch > JobKind::Reads {
        store.connection.prepare_cached("COMMIT")?.execute([])?;
        store.count_transaction();
        if let Some(presence) = &mut store.presence {
            presence.wrote();
        }
    }
    Ok(())
}

/// SQLite has rolled back by itself after some errors; then there is nothing to do.
fn roll_back(store: &JournalFile) {
    if !store.connection.is_autocommit()
        && let Err(error) = store.connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "cannot roll back a transaction of the journal");
    }
}
