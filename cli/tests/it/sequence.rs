//! A test device whose registers count its passes, so that a reading twice, missing or out of order shows.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::bridge::now;

/// Records of one pass.
pub(crate) const PORTS: u8 = 3;

/// A device and the times at which it had fully served each pass.
pub(crate) struct Device {
    pub(crate) port: u16,
    asked: Arc<AtomicU32>,
    served: Arc<Mutex<Vec<(u32, Instant)>>>,
}

impl Device {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let served: Arc<Mutex<Vec<(u32, Instant)>>> = Arc::default();
        let asked: Arc<AtomicU32> = Arc::default();
        let (log, passes) = (Arc::clone(&served), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A bridge that was killed just goes away in the middle.
                _ = serve(stream, &passes, &log);
            }
        });
        Self { port, asked, served }
    }

    /// Passes fully served from `start` to `end`.
    pub(crate) fn served_between(&self, start: Instant, end: Instant) -> Vec<u32> {
        let served = self.served.lock().expect("the device does not panic");
        served.iter().filter(|(_, at)| (start..=end).contains(at)).map(|(pass, _)| *pass).collect()
    }

    /// The number of the last pass begun.
    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, passes: &AtomicU32, log: &Mutex<Vec<(u32, Instant)>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut request = [0_u8; 12];
        stream.read_exact(&mut request)?;
        let address = u16::from_be_bytes([request[8], request[9]]);
        if address == 0x1000 {
            passes.fetch_add(1, Ordering::SeqCst);
        }
        let data = match address {
            0x2000 => vec![0x10, 0xf8, 0x71, 0x60, 0x08, 0x31],
            _ => record((address - 0x1000) / 40 + 1, passes.load(Ordering::SeqCst)),
        };
        let mut reply = request[..4].to_vec();
        let length = u8::try_from(data.len()).expect("a record is short");
        reply.extend([0, length + 3, request[6], 3, length]);
        reply.extend(&data);
        stream.write_all(&reply)?;
        if address == 0x1000 + 40 * u16::from(PORTS) {
            log.lock().expect("no reader panics").push((passes.load(Ordering::SeqCst), now()));
        }
    }
}

/// A record whose lifetime total is the number of the pass; the one behind the last port ends the list.
fn record(port: u16, pass: u32) -> Vec<u8> {
    let mut record = vec![0_u8; 40];
    (record[0], record[33]) = (0x0c, 7);
    if let Some(port) = u8::try_from(port).ok().filter(|port| *port <= PORTS) {
        record[1..7].copy_from_slice(&[0x11, 0x61, 0x82, 0x80, 0x00, 0x01]);
        record[7] = port;
        record[20..24].copy_from_slice(&pass.to_be_bytes());
        record[32] = 1;
    }
    record
}

/// A pipeline that polls the device as fast as it can be asked, into `store.db`.
pub(crate) fn pipeline(device: &Device, folder: &Path, every: &str) {
    pipeline_into(device, folder, every, "type: sqlite\n    path: store.db");
}

/// The same into any store, given its options beside the tables.
pub(crate) fn pipeline_into(device: &Device, folder: &Path, every: &str, store: &str) {
    let text = format!(
        "pipeline: sequence
sources:
  counter:
    type: modbus
    address: tcp://127.0.0.1:{}
    every: {every}
    min_delay: 0s
    device: !include hoymiles/device.yaml
transforms:
  - type: unit_conversion
sinks:
  store:
    {store}
    tables:
      readings:
        mode: append
        create: true
        columns: {{time: time, port: port_number, pass: total_production}}
",
        device.port
    );
    std::fs::write(folder.join("sequence.yaml"), text).expect("the folder can be written");
}

/// What is stored: pass and port, in the order of insertion.
pub(crate) fn stored(folder: &Path) -> Vec<(u32, u8)> {
    let path = folder.join("data/store.db");
    if !path.exists() {
        return Vec::new();
    }
    let store = rusqlite::Connection::open(path).expect("the store opens");
    store.busy_timeout(Duration::from_secs(10)).expect("a timeout can be set");
    let query = store.prepare("SELECT pass, port FROM readings ORDER BY rowid");
    let Ok(mut query) = query else { return Vec::new() };
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("readings can be read");
    rows.collect::<Result<_, _>>().expect("every reading can be read")
}

/// Nothing twice, and in the order served.
pub(crate) fn ascends(rows: &[(u32, u8)]) {
    for pair in rows.windows(2) {
        assert!(pair[0] < pair[1], "{:?} is followed by {:?}", pair[0], pair[1]);
    }
}
