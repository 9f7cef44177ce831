//! The examination of a large file while it is in use: a start reads no more of it than it needs, and the rest is read
//! beside the first polls.

use std::fmt::{self, Debug};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::InterruptHandle;
use tokio::sync::{mpsc, oneshot};

use crate::format::failure::Failure;
use crate::format::layout;
use crate::log::store::JournalFile;
use crate::owner::writer::{Call, JobKind, Message};
use crate::repair::examine;

/// An examination to come, under way, or done.
#[derive(Default)]
pub(crate) struct Examination {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The file that is to be examined.
    path: Option<PathBuf>,
    interrupt: Option<InterruptHandle>,
    ended: bool,
}

impl Examination {
    /// Of this file, or none.
    pub(crate) fn of(path: Option<PathBuf>) -> Self {
        Self { state: Arc::new(Mutex::new(State { path, ..State::default() })) }
    }

    /// Begins it, once. What it finds goes to the writer, who repairs the file.
    pub(crate) fn begin(&self, writer: &mpsc::Sender<Message>) {
        let Some(path) = lock(&self.state).path.take() else { return };
        let (state, writer) = (Arc::clone(&self.state), writer.downgrade());
        let examine = move || {
            let Err(failure) = examine(&path, &state) else { return };
            if failure.is_damage()
                && let Some(writer) = writer.upgrade()
            {
                // Nobody waits for the answer: the log and the books say what came of it.
                let _ = writer.blocking_send(Message::Job(Box::new(repaired(failure.to_string()))));
            }
        };
        if let Err(error) = std::thread::Builder::new().name("journal-check".to_owned()).spawn(examine) {
            tracing::warn!(%error, "the journal is not examined: there is no thread for it");
        }
    }

    /// Ends it, wherever it is.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        if let Some(interrupt) = state.interrupt.take() {
            interrupt.interrupt();
        }
    }
}

impl Debug for Examination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examination").finish_non_exhaustive()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn examine(path: &Path, state: &Mutex<State>) -> Result<(), Failure> {
    let connection = layout::read_only(path)?;
    {
        let mut state = lock(state);
        if state.ended {
            return Ok(());
        }
        state.interrupt = Some(connection.get_interrupt_handle());
    }
    let examined = examine::check(&connection);
    lock(state).interrupt = None;
    examined
}

/// A job that fails by damage until the file was opened anew: that is how the writer comes to repair it.
fn repaired(why: String) -> impl crate::owner::writer::Job {
    let mut opened = None;
    let work = move |store: &mut JournalFile| match *opened.get_or_insert(store.opened) == store.opened {
        true => Err(Failure::Damaged(why.clone())),
        false => Ok(()),
    };
    let (reply, _) = oneshot::channel();
    Call { doing: "examine", touch: JobKind::Writes, work, done: None, reply }
}
