//! A Modbus device of which each answer is scripted, and which watches how it is treated.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A request as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) transaction: u16,
    pub(crate) unit: u8,
    pub(crate) function: u8,
    pub(crate) address: u16,
    pub(crate) count: u16,
    /// Which connection, from 1, which question on it, from 1, and how long after it was made.
    pub(crate) connection: usize,
    pub(crate) number: usize,
    pub(crate) after: Duration,
}

/// What the device does about a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A sound answer.
    Data(Vec<u8>),
    Exception(u8),
    /// These bytes as they are.
    Bytes(Vec<u8>),
    /// These bytes, one at a time.
    Dribble(Vec<u8>),
    /// These bytes, and then the connection is closed.
    Last(Vec<u8>),
    /// The reply, after this time.
    Late(Duration, Box<Reply>),
    /// A sound answer, and then the connection is closed.
    LastData(Vec<u8>),
    /// Nothing.
    Silence,
}

/// How the device was treated.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) asked: Vec<Asked>,
    pub(crate) connections: usize,
    open: usize,
    /// When an answer was last sent, or would have been.
    answered: Option<Instant>,
    complaints: Vec<String>,
}

type Script = Box<dyn FnMut(Asked) -> Reply + Send>;

/// A running device; it stops when dropped.
pub(crate) struct Server {
    pub(crate) address: String,
    seen: Arc<Mutex<Seen>>,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl Server {
    /// A device that must not be asked faster than `min_delay` after each answer.
    pub(crate) async fn start(
        min_delay: Duration,
        script: impl FnMut(Asked) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let (log, answers) = (Arc::clone(&seen), Arc::clone(&script));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&log), Arc::clone(&answers), min_delay));
            }
        });
        Self { address, seen, script, task }
    }

    /// Behaves differently from now on.
    pub(crate) fn become_(&self, script: impl FnMut(Asked) -> Reply + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// Addresses asked since the last call.
    pub(crate) fn take_addresses(&self) -> Vec<u16> {
        let asked = std::mem::take(&mut self.seen.lock().unwrap().asked);
        asked.iter().map(|asked| asked.address).collect()
    }

    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.seen.lock().unwrap().asked)
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// Fails if the device has reason to complain.
    #[track_caller]
    pub(crate) fn was_treated_well(&self) {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.complaints, Vec::<String>::new());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: Arc<Mutex<Seen>>,
    script: Arc<Mutex<Script>>,
    min_delay: Duration,
) {
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.connections += 1;
        seen.open += 1;
        if seen.open > 1 {
            let open = seen.open;
            seen.complaints.push(format!("{open} connections at once"));
        }
        seen.connections
    };
    stream.set_nodelay(true).unwrap();
    converse(&mut stream, number, &seen, &script, min_delay).await.ok();
    stream.shutdown().await.ok();
    seen.lock().unwrap().open -= 1;
}

async fn converse(
    stream: &mut TcpStream,
    connection: usize,
    seen: &Mutex<Seen>,
    script: &Mutex<Script>,
    min_delay: Duration,
) -> std::io::Result<()> {
    let began = Instant::now();
    for number in 1.. {
        let mut frame = [0; 12];
        stream.read_exact(&mut frame).await?;
        let asked = Asked { connection, number, after: began.elapsed(), ..parse(frame) };
        note(&mut seen.lock().unwrap(), asked, min_delay);
        let mut reply = script.lock().unwrap()(asked);
        if let Reply::Late(delay, later) = reply {
            tokio::time::sleep(delay).await;
            reply = *later;
        }
        if !matches!(reply, Reply::Silence) {
            let mut more = [0; 1];
            if let Ok(1..) = stream.try_read(&mut more) {
                seen.lock().unwrap().complaints.push("asked again before it answered".into());
            }
        }
        let bytes = bytes(asked, &reply);
        if matches!(reply, Reply::Dribble(_)) {
            for byte in bytes {
                stream.write_all(&[byte]).await?;
                tokio::task::yield_now().await;
            }
        } else {
            stream.write_all(&bytes).await?;
        }
        seen.lock().unwrap().answered = Some(Instant::now());
        if matches!(reply, Reply::Last(_) | Reply::LastData(_)) {
            return Ok(());
        }
    }
    Ok(())
}

fn note(seen: &mut Seen, asked: Asked, min_delay: Duration) {
    if let Some(answered) = seen.answered
        && answered.elapsed() < min_delay
    {
        seen.complaints.push(format!("asked {:?} after an answer: {asked:?}", answered.elapsed()));
    }
    seen.asked.push(asked);
}

fn parse(frame: [u8; 12]) -> Asked {
    let [t1, t2, 0, 0, 0, 6, unit, function, a1, a2, c1, c2] = frame else {
        panic!("not a request: {frame:02x?}")
    };
    let word = |high, low| u16::from_be_bytes([high, low]);
    let (address, count) = (word(a1, a2), word(c1, c2));
    let (connection, number, after) = (0, 0, Duration::ZERO);
    Asked { transaction: word(t1, t2), unit, function, address, count, connection, number, after }
}

fn bytes(asked: Asked, reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Data(data) | Reply::LastData(data) => answer(asked, u8::try_from(data.len()).unwrap(), data),
        Reply::Exception(code) => framed(asked.transaction, asked.unit, &[asked.function | 0x80, *code]),
        Reply::Bytes(bytes) | Reply::Dribble(bytes) | Reply::Last(bytes) => bytes.clone(),
        Reply::Late(_, reply) => bytes(asked, reply),
        Reply::Silence => Vec::new(),
    }
}

/// An answer that says it holds `count` bytes.
pub(crate) fn answer(asked: Asked, count: u8, data: &[u8]) -> Vec<u8> {
    framed(asked.transaction, asked.unit, &[&[asked.function, count], data].concat())
}

/// A frame around a PDU.
pub(crate) fn framed(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).unwrap().to_be_bytes();
    [&transaction.to_be_bytes()[..], &[0, 0], &length, &[unit], pdu].concat()
}
