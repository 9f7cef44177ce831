//! Whether what is kept of the store is what it holds now, and asking it anew when it is not. No request waits for a
//! store that hangs: what was last known is answered, and the asking goes on by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use smiles_stage::{SinkState, Store};

use crate::current::fresh::sink_state;
use crate::current::job::PATIENCE;
use crate::observe::stats;
use crate::query::cache::{AnswerVersion, CachedAnswer};
use crate::query::client::STORE_RETRY;
use crate::query::format::Format;
use crate::serve::app::App;
use crate::text::problem::Failure;

/// How often a store is asked whether others have written to it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long the first ones wait, when next to nothing is known.
const FIRST_PATIENCE: Duration = Duration::from_secs(3);

/// How old what is known gets while nobody asks; a store that hangs then finds it no older.
const KEEP_EVERY: Duration = Duration::from_secs(60);

impl App {
    /// What an answer given now is made of. `current`: it is made of memory too.
    pub(crate) fn stamp(&self, current: bool) -> AnswerVersion {
        let day = self.today().map_or(0, |day| day.as_microsecond());
        let memory = if current { self.memory.generation() } else { 0 };
        AnswerVersion { memory, store: self.store_generation(), day }
    }

    /// A number that is another one after the store is known to have changed.
    fn store_generation(&self) -> u64 {
        let name = self.store_name.as_deref();
        let delivered = name.map_or(0, |sink| self.health.progress(sink));
        let done = name.map_or_else(Vec::new, |sink| self.health.done(sink));
        let mut state = self.fresh.lock();
        if state.delivered != delivered || state.done != done {
            (state.delivered, state.done) = (delivered, done);
            state.generation += 1;
        }
        state.generation
    }

    /// The same, once the store has been asked lately whether others have written to it.
    pub(crate) async fn observe(self: &Arc<Self>) -> u64 {
        if let Some(store) = &self.store {
            let now = self.clock.monotonic();
            let due = {
                let mut state = self.fresh.lock();
                let due = state.looked.is_none_or(|looked| now.saturating_sub(looked) >= LOOK_EVERY);
                state.looked = if due { Some(now) } else { state.looked };
                due
            };
            if due {
                self.fresh.look.begin(look(Arc::clone(self), Arc::clone(store)));
            }
            self.fresh.look.wait(self.patience(true)).await;
        }
        self.store_generation()
    }

    /// Sees to it that memory holds what the store holds, as far as the store answers in time.
    pub(crate) async fn refresh(self: &Arc<Self>) {
        let Some(store) = self.store.as_ref().filter(|_| !self.memory.is_empty()) else { return };
        let generation = self.observe().await;
        // What is under way may have begun before the last change: then it is asked once more.
        for _ in 0..2 {
            if !self.fresh.lock().read.is_due(generation, self.clock.monotonic()) {
                return;
            }
            self.fresh.read.begin(read(Arc::clone(self), Arc::clone(store), generation));
            self.fresh.read.wait(self.patience(self.memory.knows_all())).await;
        }
    }

    /// What the store last said of itself.
    ///
    /// # Errors
    /// As the store's, as long as it never said anything.
    pub(crate) async fn stats(self: &Arc<Self>) -> Result<Arc<CachedAnswer>, Failure> {
        let store = self.store()?;
        let generation = self.observe().await;
        let (due, known) = {
            let state = self.fresh.lock();
            let due = state.counted.is_due(generation, self.clock.monotonic());
            (due, matches!(state.stats, Some(Ok(_))))
        };
        if due {
            self.fresh.count.begin(count(Arc::clone(self), Arc::clone(store), generation));
            self.fresh.count.wait(self.patience(known)).await;
        }
        let known = self.fresh.lock().stats.clone();
        known.unwrap_or_else(|| {
            Err(Failure::unavailable("the store was not asked yet; try again later", STORE_RETRY))
        })
    }

    /// How long a request waits; longer where it has nothing else to answer.
    fn patience(&self, known: bool) -> Duration {
        if known { PATIENCE } else { FIRST_PATIENCE }.min(self.api.bounds.answer / 2)
    }

    /// Whether the sink of the store has been let in: before that there may be nothing to ask.
    fn store_takes_batches(&self) -> bool {
        let state = sink_state(&self.health.health(), self.store_name.as_deref());
        state == Some(SinkState::Delivering)
    }
}

/// Keeps what is known of the store fit to be served, also while nobody asks.
pub(crate) async fn keep(app: Arc<App>) {
    loop {
        let mut pause = LOOK_EVERY;
        if app.store.is_some() && app.store_takes_batches() {
            app.refresh().await;
            let counted = app.api.stats.iter().next().is_none() || app.stats().await.is_ok();
            if counted && (app.memory.is_empty() || app.memory.knows_all()) {
                pause = KEEP_EVERY;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Asks the store whether others have written to it.
async fn look(app: Arc<App>, store: Arc<dyn Store>) -> bool {
    let version = tokio::time::timeout(app.api.bounds.answer, store.version()).await;
    let Ok(Ok(version)) = version else { return false };
    let mut state = app.fresh.lock();
    if state.version != version {
        state.version = version;
        state.generation += 1;
    }
    true
}

/// Reads every view anew.
async fn read(app: Arc<App>, store: Arc<dyn Store>, generation: u64) -> bool {
    let (client, begun) = (app.client(&store), app.clock.monotonic());
    // Before the store is asked: what it answers has all of this in it.
    let done = app.store_name.as_deref().map_or_else(Vec::new, |sink| app.health.done(sink));
    let all = async {
        let mut answers = Vec::new();
        for query in app.memory.queries() {
            answers.push(client.view(&query).await?);
        }
        Ok::<_, Failure>(answers)
    };
    let answers = tokio::time::timeout(app.api.bounds.answer, all).await;
    let answered = matches!(answers, Ok(Ok(_)));
    if let Ok(Ok(answers)) = answers {
        app.memory.stored(answers, &done);
    } else if answers.is_err() {
        app.says_nothing("current values are served from memory");
    }
    let now = app.clock.monotonic();
    let took = now.saturating_sub(begun);
    app.fresh.lock().read.ended(answered.then_some(generation), now, took);
    answered
}

/// Asks for size and row counts.
async fn count(app: Arc<App>, store: Arc<dyn Store>, generation: u64) -> bool {
    let (client, begun) = (app.client(&store), app.clock.monotonic());
    let told = tokio::time::timeout(app.api.bounds.answer, client.stats()).await;
    let told = told.unwrap_or_else(|_| {
        app.says_nothing("size and row counts are the last known ones");
        Err(Failure::unavailable("the store does not answer; try again later", STORE_RETRY))
    });
    let body = |told| serde_json::Value::Object(stats::body(&app.api.stats, &told)).to_string();
    let told = told.map(|told| Arc::new(CachedAnswer::new(Format::Json, body(told).into(), None)));
    let (answered, now) = (told.is_ok(), app.clock.monotonic());
    let mut state = app.fresh.lock();
    if answered || !matches!(state.stats, Some(Ok(_))) {
        state.stats = Some(told);
    }
    state.counted.ended(answered.then_some(generation), now, now.saturating_sub(begun));
    answered
}

impl App {
    fn says_nothing(&self, meanwhile: &str) {
        if !self.store_down.swap(true, Ordering::Relaxed) {
            tracing::warn!("the store does not answer in time; {meanwhile}");
        }
    }
}
