//! A simulated device on a real socket, and the means to ask it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use smiles_source_modbus::Modbus;
use smiles_source_modbus::device::Device;
use smiles_source_simulator::{Framing, Handle, Options, Quirk, Simulator};
use smiles_stage::{PlanContext, Registry, Source};
use smiles_testkit::NoFiles;
use smiles_testkit::{ManualClock, open_context};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

const STOCK: &str = include_str!("../../../../pipelines/hoymiles/device.yaml");
/// Real time a test waits for bytes before it fails.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) const SOON: Duration = Duration::from_secs(5);
/// Where the list begins, and from record to record.
pub(crate) const LIST: u16 = 0x1000;
pub(crate) const STRIDE: u16 = 40;
pub(crate) const REGISTERS: u16 = 20;
/// Bytes of an answer with one record.
pub(crate) const ANSWER: usize = 49;

/// Asks for a record of the list.
pub(crate) fn record(number: u16) -> Vec<u8> {
    numbered(1, number)
}

/// The same under this transaction.
pub(crate) fn numbered(transaction: u16, record: u16) -> Vec<u8> {
    request(transaction, 1, 3, LIST + STRIDE * record, REGISTERS)
}

pub(crate) struct Rig {
    pub(crate) handle: Handle,
    pub(crate) clock: ManualClock,
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    _stop_at_end: DropGuard,
}

/// The stock device file as the pipeline loader hands it over.
pub(crate) fn stock() -> Value {
    serde_yaml::from_str(STOCK).unwrap()
}

pub(crate) fn device() -> Device {
    serde_json::from_value(stock()).unwrap()
}

/// Three units of two ports at noon in June, with these quirks.
pub(crate) fn options(quirks: &[&str]) -> Options {
    let start = Some("2026-06-21T11:00:00Z".parse().unwrap());
    let mut options = Options { inverters: 3, ports: 2, seed: 11, start, ..Options::default() };
    for quirk in quirks {
        quirk.parse::<Quirk>().unwrap().apply(&mut options);
    }
    options
}

impl Rig {
    pub(crate) async fn new(options: Options) -> Self {
        Self::framed(options, Framing::Tcp).await
    }

    pub(crate) async fn framed(options: Options, framing: Framing) -> Self {
        let clock = ManualClock::new();
        let simulator = Simulator::new(&device(), options, Arc::new(clock.clone())).unwrap();
        Self::serving(simulator, framing, clock).await
    }

    pub(crate) async fn serving(simulator: Simulator, framing: Framing, clock: ManualClock) -> Self {
        let handle = simulator.handle();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(simulator.serve_framed(listener, framing, stop.clone()));
        Self { handle, clock, address, _stop_at_end: stop.clone().drop_guard(), stop }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The real Modbus source, polling this device.
    pub(crate) async fn source(&self) -> Box<dyn Source> {
        let registry = Registry::new().source::<Modbus>();
        let options = json!({
            "address": format!("tcp://{}", self.address),
            "min_delay": "0",
            "timeout": "2s",
            "device": stock(),
        });
        let context = PlanContext { stage: "dtu", files: &NoFiles };
        let Some(factory) = registry.find_source("modbus") else { panic!("no such source") };
        let plan = factory.plan(&options, context).unwrap_or_else(|problems| panic!("{problems:?}"));
        plan.open(open_context(Path::new("."), Arc::new(self.clock.clone()))).await.unwrap()
    }
}

/// The frame of a read: transaction, unit, function, address, count.
pub(crate) fn request(transaction: u16, unit: u8, function: u8, address: u16, count: u16) -> Vec<u8> {
    let mut bytes = transaction.to_be_bytes().to_vec();
    bytes.extend([0, 0, 0, 6, unit, function]);
    bytes.extend(address.to_be_bytes());
    bytes.extend(count.to_be_bytes());
    bytes
}

/// Sends and takes so many bytes; fewer if the device hangs up.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &[u8], count: usize) -> Vec<u8> {
    stream.write_all(request).await.unwrap();
    receive(stream, count).await
}

pub(crate) async fn receive(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = async {
        while answer.len() < count {
            if stream.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, read).await.is_ok(),
        "only {} of {count} bytes came",
        answer.len()
    );
    answer
}

/// Nothing has come that was not taken.
pub(crate) fn is_silent(stream: &TcpStream) -> bool {
    stream.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    hex::encode(bytes)
}
