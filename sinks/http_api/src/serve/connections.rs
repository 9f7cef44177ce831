//! Accepts connections and bounds them: in number, in the time a request head may take, in its size.
//!
//! At the cap the connection longest without a complete request is closed for a new one, so that idle or
//! dribbling clients never keep others out.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::IntGauge;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::declare::check::Bounds;
use crate::serve::stall::Stalling;
use crate::text::problem::Failure;

/// The largest request head kept in memory; beyond, hyper answers 431.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The longest path and query answered; beyond: 414.
const TARGET_BYTES_MAX: usize = 8 * 1024;
/// How long requests under way may take once the server ends.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long to wait when the system has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long every connection must have been accepted for the trouble to be over.
const ACCEPT_CALM: Duration = Duration::from_secs(60);
/// Connections that are served however few files may be open.
const CONNECTIONS_MIN: usize = 8;

/// Serves until dropped, or until `ending`: then requests under way still get their answers.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    open: IntGauge,
    ending: CancellationToken,
) {
    let cap = affordable(bounds.connections, getrlimit(Resource::Nofile).current);
    if cap < bounds.connections {
        tracing::warn!(
            connections = cap,
            "few open files are allowed (ulimit -n): fewer connections are served"
        );
    }
    let table = Arc::new(Table { cap, open, state: Mutex::default() });
    let mut outage = Outage::default();
    // Owns the connections: they end with this future.
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            () = ending.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if outage.is_over(Instant::now()) {
                        tracing::info!("connections are accepted again");
                    }
                    if let Some(ticket) = Table::admit(&table) {
                        tasks.spawn(connection(stream, router.clone(), bounds, ticket, ending.clone()));
                    }
                    // Who had to give way holds its file until its task has ended.
                    while tasks.len() > cap {
                        tasks.join_next().await;
                    }
                }
                Err(error) => {
                    if outage.begins(Instant::now()) {
                        tracing::warn!(%error, "cannot accept connections");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = tasks.join_next() => {}
        }
    }
    drop(listener);
    let all = async { while tasks.join_next().await.is_some() {} };
    // What takes longer, such as a stream of events, is cut.
    let _ = tokio::time::timeout(FAREWELL, all).await;
}

/// How many connections to keep open: half of the open files leave the other half to devices, stores and the journal.
fn affordable(wanted: usize, files: Option<u64>) -> usize {
    let half = files.map_or(usize::MAX, |files| usize::try_from(files / 2).unwrap_or(usize::MAX));
    wanted.min(half.max(CONNECTIONS_MIN))
}

/// Whether connections can be accepted: a state, told when it begins and when it has ended, not each time one fails.
#[derive(Default)]
struct Outage(Option<Instant>);

impl Outage {
    fn begins(&mut self, now: Instant) -> bool {
        self.0.replace(now).is_none()
    }

    /// Where files are scarce one connection in many succeeds: only a while without failure is an end.
    fn is_over(&mut self, now: Instant) -> bool {
        self.0.take_if(|failed| now.duration_since(*failed) >= ACCEPT_CALM).is_some()
    }
}

async fn connection(
    stream: TcpStream,
    router: Router,
    bounds: Bounds,
    ticket: ConnectionSlot,
    ending: CancellationToken,
) {
    let closed = ticket.closed.clone();
    let ticket = Arc::new(ticket);
    let begun = CancellationToken::new();
    let begins = begun.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, ticket) = (router.clone(), Arc::clone(&ticket));
        begins.cancel();
        async move {
            ticket.set_busy(true);
            let response = respond(request, router, bounds.answer).await;
            ticket.set_busy(false);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.request_head)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Stalling::new(stream, bounds.stall)), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closed.cancelled() => return,
        () = ending.cancelled() => {
            // One that nothing came on yet would be closed, and its request may be on its way.
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = begun.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

async fn respond(request: Request<Incoming>, router: Router, patience: Duration) -> Response {
    let mut request = request.map(Body::new);
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > TARGET_BYTES_MAX) {
        let detail = format!("path and query are longer than {TARGET_BYTES_MAX} bytes");
        return Failure::new(StatusCode::URI_TOO_LONG, detail).into_response();
    }
    if let Some(uri) = without_trailing_slash(request.uri()) {
        *request.uri_mut() = uri;
    }
    match tokio::time::timeout(patience, router.oneshot(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => {
            let detail = format!("no answer within {} ms; try again later", patience.as_millis());
            Failure::unavailable(detail, Duration::from_secs(1)).into_response()
        }
    }
}

/// `/a/` is `/a`: clients of the earlier system write both.
fn without_trailing_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').filter(|path| !path.is_empty() && !path.ends_with('/'))?;
    let target = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    // The rest of an absolute target stays: it says by which name the API is called.
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// The open connections.
struct Table {
    cap: usize,
    open: IntGauge,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    connections: HashMap<u64, Connection>,
}

struct Connection {
    /// When it last had a complete request; when it was accepted, before the first.
    since: Instant,
    busy: bool,
    closed: CancellationToken,
}

/// A place in the table; given back when dropped.
struct ConnectionSlot {
    id: u64,
    table: Arc<Table>,
    closed: CancellationToken,
}

impl Table {
    /// A place for a new connection, another's if need be; `None` while all of them are being answered.
    fn admit(table: &Arc<Table>) -> Option<ConnectionSlot> {
        let mut state = table.lock();
        if state.connections.len() >= table.cap {
            let idle = state.connections.iter().filter(|(_, connection)| !connection.busy);
            let oldest = idle.min_by_key(|(id, connection)| (connection.since, **id)).map(|(id, _)| *id)?;
            if let Some(connection) = state.connections.remove(&oldest) {
                connection.closed.cancel();
            }
        }
        let (id, closed) = (state.next, CancellationToken::new());
        state.next += 1;
        let connection = Connection { since: Instant::now(), busy: false, closed: closed.clone() };
        state.connections.insert(id, connection);
        table.show(&state);
        Some(ConnectionSlot { id, table: Arc::clone(table), closed })
    }

    fn show(&self, state: &State) {
        self.open.set(i64::try_from(state.connections.len()).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionSlot {
    fn set_busy(&self, busy: bool) {
        if let Some(connection) = self.table.lock().connections.get_mut(&self.id) {
            connection.busy = busy;
            connection.since = Instant::now();
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut state = self.table.lock();
        state.connections.remove(&self.id);
        self.table.show(&state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trailing_slash_is_forgiven() {
        let rows = [
            ("/", None),
            ("/a", None),
            ("/a/", Some("/a")),
            ("/a/b/?x=1/", Some("/a/b?x=1/")),
            ("/a//", None),
            ("//", None),
            ("http://a.example/b/?x=1", Some("http://a.example/b?x=1")),
        ];
        for (uri, expected) in rows {
            let got = without_trailing_slash(&uri.parse().unwrap());
            assert_eq!(got, expected.map(|uri| uri.parse().unwrap()), "{uri}");
        }
    }

    #[test]
    fn half_of_the_open_files_are_not_for_connections() {
        let rows = [
            (512, None, 512),
            (512, Some(4096), 512),
            (512, Some(256), 128),
            (512, Some(6), 8),
            (8, Some(64), 8),
        ];
        for (wanted, files, expected) in rows {
            assert_eq!(affordable(wanted, files), expected, "{wanted} {files:?}");
        }
    }

    #[test]
    fn trouble_with_accepting_is_told_once_until_it_was_over_for_a_while() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let at = |halves: u32| start + ACCEPT_CALM / 2 * halves;
        assert!(!outage.is_over(at(0)));
        assert!(outage.begins(at(0)) && !outage.begins(at(0)));
        assert!(!outage.is_over(at(0)), "one that succeeds in between");
        assert!(!outage.begins(at(1)));
        assert!(!outage.is_over(at(2)));
        assert!(outage.is_over(at(3)) && !outage.is_over(at(3)));
        assert!(outage.begins(at(4)), "a new state");
    }

    #[tokio::test]
    async fn at_the_cap_the_longest_idle_gives_way_and_busy_ones_stay() {
        let open = IntGauge::new("open", "open").unwrap();
        let table = Arc::new(Table { cap: 2, open: open.clone(), state: Mutex::default() });
        let first = Table::admit(&table).unwrap();
        let second = Table::admit(&table).unwrap();
        first.set_busy(true);
        let third = Table::admit(&table).unwrap();
        assert!(second.closed.is_cancelled() && !first.closed.is_cancelled());
        third.set_busy(true);
        assert!(Table::admit(&table).is_none(), "both are being answered");
        assert_eq!(open.get(), 2);
        drop((first, second, third));
        assert_eq!(open.get(), 0);
    }
}
