//! A listening API over a fake store and a health the test sets, and a client that sees every byte.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use serde_json::Value as Json;
use smiles_sink_http_api::HttpApi;
use smiles_stage::Clock as _;
use smiles_stage::prometheus::Registry as Meters;
use smiles_stage::{
    Batch, Health, HealthView, JournalHealth, OpenContext, PlanContext, Position, Problems, Process,
    Registry, RunId, Seq, Sink, SinkHealth, SinkPlan, SinkState, SourceHealth, SourceState, Store, WiredSink,
};
use smiles_testkit::ManualClock;
use smiles_testkit::NoFiles;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fake_store::FakeStore;
use crate::stock;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A running API; dropped, it stops.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) health: Arc<SetHealth>,
    pub(crate) meters: Meters,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) log: String,
    pub(crate) clock: ManualClock,
}

/// What the runtime would say.
pub(crate) struct SetHealth(pub(crate) Mutex<Health>);

impl HealthView for SetHealth {
    fn health(&self) -> Health {
        self.0.lock().unwrap().clone()
    }
}

/// The plan of these options.
pub(crate) fn plan(options: &Json) -> Result<Box<dyn SinkPlan>, Problems> {
    let registry = Registry::new().sink::<HttpApi>();
    let factory = registry.find_sink("http_api").unwrap();
    factory.plan(options, PlanContext { stage: "api", files: &NoFiles })
}

impl World {
    /// The stock API over the stock tables.
    pub(crate) async fn stock() -> Self {
        Self::open(&stock::options(), &stock::input(), stock::store()).await
    }

    pub(crate) async fn open(options: &Json, input: &SchemaRef, store: FakeStore) -> Self {
        let plan = plan(options).unwrap().wire(input, Some(&store.offer())).unwrap();
        Self::serve(plan.as_ref(), Some(store)).await
    }

    pub(crate) async fn serve(plan: &dyn WiredSink, store: Option<FakeStore>) -> Self {
        Self::serve_with(plan, store, Meters::new()).await
    }

    /// With the series of one that was before it.
    pub(crate) async fn serve_with(plan: &dyn WiredSink, store: Option<FakeStore>, meters: Meters) -> Self {
        let given = store.is_some();
        let store = Arc::new(store.unwrap_or_default());
        let asked = given.then(|| Arc::clone(&store) as Arc<dyn Store>);
        Self { store, ..Self::serve_of(plan, asked, meters).await }
    }

    /// Over a store of any kind.
    pub(crate) async fn serve_of(
        plan: &dyn WiredSink,
        asked: Option<Arc<dyn Store>>,
        meters: Meters,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let health = Arc::new(SetHealth(Mutex::new(healthy())));
        // Behind the rows of the stock store.
        let clock = ManualClock::at("2026-11-23T20:00:00Z".parse().unwrap());
        let context = OpenContext {
            pipeline: "test".into(),
            stage: "api".into(),
            data_dir: folder.path().to_owned(),
            clock: Arc::new(clock.clone()),
            meters: meters.clone(),
            health: Arc::clone(&health) as Arc<dyn HealthView>,
            every: None,
            process: Arc::new(Process {
                id: "0f".repeat(16),
                version: "3.0.0".into(),
                built: None,
                pipelines: Vec::new(),
            }),
            upstream: Vec::new(),
        };
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let mut opened = plan.open(context, asked).await.map_err(|error| error.chain()).unwrap();
        {
            let _guard = tracing::subscriber::set_default(subscriber);
            opened.sink.flush().await.unwrap();
        }
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let address = log.trim().rsplit_once("address=http://").unwrap().1.parse().unwrap();
        let store = Arc::new(FakeStore::default());
        Self { address, store, health, meters, sink: opened.sink, log, clock }
    }

    /// Hands the sink a batch, as the runtime does with every accepted one.
    pub(crate) async fn accept(&mut self, records: RecordBatch) {
        self.accept_pass(records, true).await;
    }

    /// The same of a pass that reached every record, or not.
    pub(crate) async fn accept_pass(&mut self, records: RecordBatch, complete: bool) {
        let position = Position { run: RunId([1; 16]), seq: Seq(1) };
        let batch = Batch { position, complete, accepted_at: self.clock.now(), records };
        self.sink.write(&batch).await.unwrap();
        assert_eq!(self.sink.flush().await.unwrap(), Some(position));
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target).await
    }

    pub(crate) async fn ask(&self, method: &str, target: &str) -> Answer {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").as_bytes())
            .await
    }

    /// Sends bytes and reads until the server closes.
    pub(crate) async fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that refuses what it has not read whole resets the connection, after its answer.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer in time");
        Answer::parse(&answer)
    }
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { joined(body) } else { body.to_owned() };
        Self { status, head: head.to_owned(), body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The detail of a problem of this status.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let body = self.json();
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], "about:blank");
        assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()));
        body["detail"].as_str().unwrap().to_owned()
    }
}

/// A chunked body without its chunk sizes; cut off where its end is missing.
fn joined(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
    whole + "(cut off)"
}

/// A pipeline whose source was heard just now.
pub(crate) fn healthy() -> Health {
    Health {
        pipeline: "test".into(),
        started: "2026-11-23T19:43:12.314023Z".parse().unwrap(),
        uptime: Duration::from_millis(18_520),
        sources: vec![source("DTU")],
        sinks: vec![SinkHealth {
            name: "store".into(),
            type_name: "sqlite".into(),
            state: SinkState::Delivering,
            last_error: None,
            accepted: 20,
            delivered: 15,
            dead_lettered: 0,
            dropped: 0,
            lost: 0,
            waiting: 5,
            waiting_batches: 1,
            waiting_since: None,
        }],
        journal: JournalHealth { writable: true, size_bytes: 4096, max_size_bytes: 1 << 30, full: false },
        warnings: vec!["the journal is half full".into()],
        queued: 0,
    }
}

pub(crate) fn source(name: &str) -> SourceHealth {
    SourceHealth {
        name: name.into(),
        address: "tcp://10.0.0.5:502 unit 1".into(),
        state: SourceState::Online,
        every: Some(Duration::from_secs(60)),
        stretched: false,
        last_success: Some("2026-11-23T19:43:30.384955Z".parse().unwrap()),
        since_success: Some(Duration::ZERO),
        success_count: 4,
        error_count: 1,
        last_error: None,
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
