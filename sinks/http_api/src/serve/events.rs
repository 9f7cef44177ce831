//! `/api/events`: one event per accepted batch, as server-sent events that can be resumed.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use smiles_stage::{Batch, Position, SOURCE};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::text::json;
use crate::text::json::Cell;
use crate::text::problem::Failure;

/// Events kept for those who come back.
const KEPT_MAX: usize = 1024;
/// When a client may come back that found as many followers as may be.
const FULL_RETRY: Duration = Duration::from_secs(15);
/// When a browser that lost the line comes back.
const RETRY: &str = "retry: 3000\n\n";

/// What was accepted lately, and a bell.
#[derive(Debug)]
pub(crate) struct Events {
    kept: Mutex<VecDeque<(Position, Bytes)>>,
    /// How many there were ever.
    rung: watch::Sender<u64>,
    followers: Arc<Semaphore>,
    /// The silence after which a sign of life is sent, so that proxies and clients know it from a broken line.
    heartbeat: Duration,
}

impl Events {
    pub(crate) fn new(followers: usize, heartbeat: Duration) -> Self {
        let followers = Arc::new(Semaphore::new(followers));
        Self { kept: Mutex::default(), rung: watch::Sender::new(0), followers, heartbeat }
    }

    /// A batch was accepted.
    pub(crate) fn accept(&self, batch: &Batch) {
        let event = (batch.position, Bytes::from(text(batch)));
        let mut kept = self.lock();
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(event);
        drop(kept);
        self.rung.send_modify(|rung| *rung += 1);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Position, Bytes)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The events behind a place. Where the place is not known any more, one that says so comes first.
    fn behind(&self, place: Option<Position>) -> Vec<(Position, Bytes)> {
        let kept = self.lock();
        let Some(place) = place else { return Vec::new() };
        match kept.iter().rposition(|(position, _)| *position == place) {
            Some(found) => kept.iter().skip(found + 1).cloned().collect(),
            None => {
                let gap = Bytes::from_static(
                    b"event: gap\ndata: {\"detail\":\"batches before this were missed\"}\n\n",
                );
                let newest =
                    kept.back().map(|(position, text)| [(*position, gap), (*position, text.clone())]);
                newest.into_iter().flatten().collect()
            }
        }
    }

    fn newest(&self) -> Option<Position> {
        self.lock().back().map(|(position, _)| *position)
    }

    /// The stream for a client.
    ///
    /// # Errors
    /// 400: a Last-Event-ID that is none. 503: as many clients follow as may.
    pub(crate) fn follow(self: &Arc<Self>, headers: &HeaderMap) -> Result<Response, Failure> {
        let last = headers.get("last-event-id").map(|value| {
            let text = value.to_str().unwrap_or_default();
            position(text).ok_or_else(|| {
                let shown: String = text.chars().take(64).collect();
                let detail = format!("header `Last-Event-ID` is `{shown}`; expected the id of an event");
                Failure::bad_request(detail).with("header", "Last-Event-ID")
            })
        });
        let last = last.transpose()?;
        let turn = Arc::clone(&self.followers).try_acquire_owned().map_err(|_| {
            Failure::unavailable("too many clients follow the events; try again later", FULL_RETRY)
        })?;
        let follower = Follower {
            last: last.or_else(|| self.newest()),
            rung: self.rung.subscribe(),
            events: Arc::clone(self),
            _turn: turn,
        };
        let begin = stream::once(async { Bytes::from_static(RETRY.as_bytes()) });
        let pieces = begin.chain(stream::unfold(follower, Follower::next)).map(Ok::<_, Infallible>);
        let mut response = Body::from_stream(pieces).into_response();
        let out = response.headers_mut();
        out.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        out.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

/// One client.
struct Follower {
    /// The event it got last.
    last: Option<Position>,
    rung: watch::Receiver<u64>,
    events: Arc<Events>,
    _turn: OwnedSemaphorePermit,
}

impl Follower {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            self.rung.borrow_and_update();
            let behind = match self.last {
                Some(_) => self.events.behind(self.last),
                // Nothing had been accepted when it came: everything is new.
                None => self.events.lock().iter().cloned().collect(),
            };
            if let Some((position, _)) = behind.last() {
                self.last = Some(*position);
                let texts: Vec<Bytes> = behind.into_iter().map(|(_, text)| text).collect();
                return Some((Bytes::from(texts.concat()), self));
            }
            match tokio::time::timeout(self.events.heartbeat, self.rung.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => return Some((Bytes::from_static(b": heartbeat\n\n"), self)),
            }
        }
    }
}

/// `<run>-<seq>`.
fn position(text: &str) -> Option<Position> {
    let (run, seq) = text.trim().rsplit_once('-')?;
    Some(Position { run: run.parse().ok()?, seq: smiles_stage::Seq(seq.parse().ok()?) })
}

/// The event of a batch: its place, when it was accepted, and how many rows came of whom.
fn text(batch: &Batch) -> String {
    let Position { run, seq } = batch.position;
    let mut sources: BTreeMap<String, u64> = BTreeMap::new();
    if let Some(column) = batch.records.column_by_name(SOURCE) {
        for row in 0..batch.records.num_rows() {
            if let Cell::Text(name) = json::cell(column, row) {
                *sources.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    let data = serde_json::json!({
        "run": run.to_string(),
        "seq": seq.0,
        "accepted_at": json::instant(batch.accepted_at),
        "rows": batch.records.num_rows(),
        "sources": sources,
    });
    format!("event: batch\nid: {run}-{}\ndata: {data}\n\n", seq.0)
}
