//! Whether what is kept of the store is what it holds now, and reading it anew when it is not.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smiles_stage::Store;
use tokio::sync::watch;

use crate::app::App;
use crate::cache::Stamp;

/// How often a store is asked whether others have written to it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a request waits for the store's rows before it is answered from memory.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the first ones wait, when memory knows next to nothing.
const FIRST_PATIENCE: Duration = Duration::from_secs(3);
/// How long a store that failed is left alone.
const LEAVE_ALONE: Duration = Duration::from_secs(5);
/// The same for one that said at once that it is not there yet, as at the start.
const NOT_YET: Duration = Duration::from_millis(200);

/// What is known of the store's state.
#[derive(Debug, Default)]
pub(crate) struct Freshness {
    state: Mutex<State>,
    /// Counts the readings that ended.
    ended: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// Grows whenever the store may hold something else.
    generation: u64,
    /// Rows its sink had delivered when last looked.
    delivered: u64,
    /// What the store said of itself last.
    version: Option<String>,
    looked: Option<Duration>,
    looking: bool,
    /// The generation that memory was read at.
    read: Option<u64>,
    reading: bool,
    /// Not asked before, after a failure.
    not_before: Duration,
}

impl Freshness {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// What an answer given now is made of. `current`: it is made of memory too.
    pub(crate) fn stamp(self: &Arc<Self>, current: bool) -> Stamp {
        let day = self.today().map_or(0, |day| day.as_microsecond());
        let memory = if current { self.memory.generation() } else { 0 };
        Stamp { memory, store: self.store_generation(), day }
    }

    /// A number that is another one after the store may have changed.
    pub(crate) fn store_generation(self: &Arc<Self>) -> u64 {
        let delivered = self.store_name.as_deref().map_or(0, |sink| self.health.progress(sink));
        let now = self.clock.monotonic();
        let mut state = self.fresh.lock();
        if state.delivered != delivered {
            state.delivered = delivered;
            state.generation += 1;
        }
        let due = state.looked.is_none_or(|looked| now.saturating_sub(looked) >= LOOK_EVERY);
        if let Some(store) = self.store.as_ref().filter(|_| due && !state.looking) {
            state.looking = true;
            state.looked = Some(now);
            tokio::spawn(look(Arc::clone(self), Arc::clone(store)));
        }
        state.generation
    }

    /// Sees to it that memory holds what the store holds, as far as the store answers in time.
    pub(crate) async fn refresh(self: &Arc<Self>) {
        let Some(store) = self.store.as_ref().filter(|_| !self.memory.is_empty()) else { return };
        let generation = self.store_generation();
        let now = self.clock.monotonic();
        let mut ended = {
            let mut state = self.fresh.lock();
            if state.read == Some(generation) || now < state.not_before {
                return;
            }
            let ended = self.fresh.ended.subscribe();
            if !std::mem::replace(&mut state.reading, true) {
                tokio::spawn(read(Arc::clone(self), Arc::clone(store), generation));
            }
            ended
        };
        let patience = if self.memory.knows_all() { PATIENCE } else { FIRST_PATIENCE };
        let patience = patience.min(self.api.bounds.answer / 2);
        // Not in time: what memory holds is answered; the reading goes on for those who come next.
        let _ = tokio::time::timeout(patience, ended.changed()).await;
    }
}

/// Asks the store whether others have written to it.
async fn look(app: Arc<App>, store: Arc<dyn Store>) {
    let version = tokio::time::timeout(app.api.bounds.answer, store.version()).await;
    let mut state = app.fresh.lock();
    state.looking = false;
    if let Ok(Ok(version)) = version
        && state.version != version
    {
        state.version = version;
        state.generation += 1;
    }
}

/// Reads every view anew.
async fn read(app: Arc<App>, store: Arc<dyn Store>, generation: u64) {
    let (asker, begun) = (app.asker(&store), app.clock.monotonic());
    let all = async {
        let mut answers = Vec::new();
        for query in app.memory.queries() {
            answers.push(asker.ask_unbounded(&query).await?);
        }
        Ok::<_, crate::problem::Failure>(answers)
    };
    let answers = tokio::time::timeout(app.api.bounds.answer, all).await;
    let done = matches!(answers, Ok(Ok(_)));
    if let Ok(Ok(answers)) = answers {
        app.memory.stored(answers);
    } else if answers.is_err() && !app.store_down.swap(true, Ordering::Relaxed) {
        tracing::warn!("store does not answer in time; current values are served from memory");
    }
    {
        let mut state = app.fresh.lock();
        state.reading = false;
        state.read = if done { Some(generation) } else { state.read };
        let now = app.clock.monotonic();
        let at_once = state.read.is_none() && now.saturating_sub(begun) < NOT_YET;
        let pause = if at_once { NOT_YET } else { LEAVE_ALONE };
        state.not_before = if done { Duration::ZERO } else { now + pause };
    }
    app.fresh.ended.send_modify(|ended| *ended += 1);
}
