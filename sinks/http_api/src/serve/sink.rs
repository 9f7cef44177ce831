//! Listens, and keeps the latest batch for what is served from memory. Dropping the sink ends every connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use smiles_stage::{Batch, Clock, OpenContext, Position, RunId, Sink, StageError, Store, Watermark};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::current::latest::Latest;
use crate::current::memory::Memory;
use crate::declare::api::Api;
use crate::declare::check::Address;
use crate::serve::access::Access;
use crate::serve::app::{App, Shared};
use crate::serve::discovery::Announcement;
use crate::serve::events::Events;
use crate::serve::{connections, refresh, router};

/// The opened sink.
pub(crate) struct ApiSink {
    shared: Shared,
    offline_after: Duration,
    clock: Arc<dyn Clock>,
    last: Option<Position>,
    // Owns the server: aborted when dropped.
    _server: JoinSet<()>,
    _announcement: Option<Announcement>,
}

/// Binds the address and begins to serve.
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
    let Address { host, port } = address;
    let cannot = || {
        format!(
            "cannot listen on {host} port {port}: stop what uses it, or choose another address in `listen`"
        )
    };
    let listener = TcpListener::bind((host.as_str(), *port))
        .await
        .map_err(|error| StageError::halt(cannot()).because(error))?;
    let local = listener.local_addr().map_err(|error| StageError::halt(cannot()).because(error))?;
    let (bounds, offline_after) = (api.bounds, api.offline_after);
    let shared = Shared {
        latest: Arc::new(Latest::new(api.heard_key(), Arc::clone(&context.clock))),
        memory: Arc::new(Memory::new(api.views.clone(), bounds.rows)),
        events: Arc::new(Events::new(bounds.followers, bounds.heartbeat)),
    };
    let sink = context.stage.clone();
    let announcement = api
        .discovery
        .as_ref()
        .and_then(|declared| Announcement::new(declared, local, &context.process, access.token.is_some()));
    let clock = Arc::clone(&context.clock);
    let app = Arc::new(App::new(api, access, context, store, shared.clone())?);
    let meters = app.connections.clone();
    let mut server = JoinSet::new();
    server.spawn(refresh::keep(Arc::clone(&app)));
    server.spawn(connections::serve(listener, router::router(app), bounds, meters));
    tracing::info!(sink, address = %format_args!("http://{local}"), "http api listening");
    Ok(ApiSink { shared, clock, offline_after, last: None, _server: server, _announcement: announcement })
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
        Ok(self.last)
    }

    async fn watermark(&mut self, _run: RunId) -> Result<Option<Watermark>, StageError> {
        Ok(None)
    }
}
