//! Listens, and keeps the latest batch for what is served from memory. Dropping the sink ends every connection, those with
//! a request under way once it is answered.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use smiles_stage::{Batch, Clock, OpenContext, Position, RunId, Sink, StageError, Store, Watermark};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::current::latest::Latest;
use crate::current::memory::Memory;
use crate::declare::api::Api;
use crate::declare::check::Address;
use crate::serve::access::Access;
use crate::serve::app::{App, Shared};
use crate::serve::discovery::Announcement;
use crate::serve::events::Events;
use crate::serve::listening::Listening;
use crate::serve::{connections, refresh, router};

/// The opened sink. It answers from the first flush on: until then it has not seen what is retained, or another one still
/// answers in its place.
pub(crate) struct ApiSink {
    shared: Shared,
    offline_after: Duration,
    clock: Arc<dyn Clock>,
    last: Option<Position>,
    app: Arc<App>,
    context: OpenContext,
    listening: Arc<Listening>,
    // Keeps what is served fresh: aborted when dropped.
    keeping: JoinSet<()>,
    ending: CancellationToken,
    /// Has the server end.
    _end: DropGuard,
    announcement: Option<Announcement>,
}

/// Binds the address.
///
/// # Errors
/// Halt: the address cannot be used, or others have the names of the sink's series.
pub(crate) async fn open(
    address: &Address,
    api: Api,
    access: Access,
    context: OpenContext,
    store: Option<Arc<dyn Store>>,
) -> Result<ApiSink, StageError> {
    let listening = Listening::of(&context, address).await;
    let listening = listening.map_err(|error| cannot_listen(address).because(error))?;
    let (bounds, offline_after) = (api.bounds, api.offline_after);
    let shared = Shared {
        latest: Arc::new(Latest::new(api.heard_key(), Arc::clone(&context.clock))),
        memory: Arc::new(Memory::new(api.views.clone(), bounds.rows)),
        events: Arc::new(Events::new(bounds.followers, bounds.heartbeat)),
    };
    let clock = Arc::clone(&context.clock);
    let app = Arc::new(App::new(api, access, context.clone(), store, shared.clone())?);
    let (last, keeping, announcement) = (None, JoinSet::new(), None);
    let ending = CancellationToken::new();
    Ok(ApiSink {
        shared,
        offline_after,
        clock,
        last,
        app,
        context,
        listening,
        keeping,
        _end: ending.clone().drop_guard(),
        ending,
        announcement,
    })
}

fn cannot_listen(Address { host, port }: &Address) -> StageError {
    StageError::halt(format!(
        "cannot listen on {host} port {port}: stop what uses it, or choose another address in `listen`"
    ))
}

impl ApiSink {
    fn serve(&mut self) -> Result<(), StageError> {
        let cannot = |error| StageError::retry("cannot accept connections").because(error);
        let (listener, local) = (self.listening.accepting().map_err(cannot)?, self.listening.address());
        let local = local.map_err(cannot)?;
        let app = &self.app;
        let (bounds, meters) = (app.api.bounds, app.connections.clone());
        let (router, ending) = (router::router(Arc::clone(app)), self.ending.clone());
        self.keeping.spawn(refresh::keep(Arc::clone(app)));
        tokio::spawn(connections::serve(listener, router, bounds, meters, ending));
        tracing::info!(sink = self.context.stage, address = %format_args!("http://{local}"), "http api listening");
        let declared = app.api.discovery.as_ref();
        let guarded = app.access.token.is_some();
        self.announcement =
            declared.and_then(|declared| Announcement::new(declared, local, &self.context.process, guarded));
        Ok(())
    }
}

#[async_trait]
impl Sink for ApiSink {
    async fn write(&mut self, batch: &Batch) -> Result<(), StageError> {
        self.shared.latest.put(batch, self.offline_after);
        self.shared.memory.goes_by(batch, self.clock.now());
        self.shared.memory.accept(batch.position, &batch.rows());
        self.shared.events.accept(batch);
        self.last = Some(batch.position);
        Ok(())
    }

    async fn flush(&mut self) -> Result<Option<Position>, StageError> {
        if self.keeping.is_empty() {
            self.serve()?;
        }
        Ok(self.last)
    }

    async fn watermark(&mut self, _run: RunId) -> Result<Option<Watermark>, StageError> {
        Ok(None)
    }
}
