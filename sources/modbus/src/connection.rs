//! The line to one device: one connection, one request at a time, never faster than asked.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use smiles_stage::option::Period;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_modbus::client::{Client, Context, tcp::attach_slave};
use tokio_modbus::{Error, ExceptionCode, Request, Response, Slave};

use crate::address::Address;
use crate::device::block::{Table, Tolerance};
use crate::frame_repair::Broken;
use crate::plan::Ask;
use crate::transport::{Mended, Remark};

/// How long a device may take to close its end; it has nothing to say any more.
const GOODBYE: Duration = Duration::from_millis(250);

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("cannot connect: no answer after {0}")]
    ConnectTimeout(Period),
    #[error("timed out after {after}{}", remark.as_ref().map(|remark| format!(" ({remark})")).unwrap_or_default())]
    Timeout { after: Period, remark: Option<String> },
    #[error("the device answered exception {}: {}", u8::from(*.0), meaning(*.0))]
    Exception(ExceptionCode),
    #[error("{0}")]
    Broken(Broken),
    #[error("{0}")]
    Protocol(String),
    #[error("the connection broke: {0}")]
    Lost(String),
}

impl Cause {
    /// Whether the question was never put.
    pub(crate) fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout(_))
    }

    /// Whether the device itself answered, if only to refuse. A gateway that says the device does not is no such
    /// answer.
    pub(crate) fn is_answer(&self) -> bool {
        use ExceptionCode::{GatewayPathUnavailable, GatewayTargetDevice};
        matches!(self, Self::Exception(code) if !matches!(code, GatewayPathUnavailable | GatewayTargetDevice))
    }

    /// Whether the device says that nothing stands at the address.
    pub(crate) fn is_refusal(&self) -> bool {
        use ExceptionCode::{IllegalDataAddress, IllegalDataValue};
        matches!(self, Self::Exception(IllegalDataAddress | IllegalDataValue))
    }
}

/// Asks questions.
pub(crate) trait Asker: Send {
    /// The data of the answer: as many bytes as asked for, or none.
    fn ask(&mut self, ask: Ask) -> impl Future<Output = Result<Vec<u8>, Cause>> + Send;
}

/// How a device is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    pub(crate) address: Address,
    pub(crate) unit: u8,
    pub(crate) timeout: Duration,
    pub(crate) min_delay: Duration,
    pub(crate) tolerate: Arc<[Tolerance]>,
}

/// The line; connects when asked something.
pub(crate) struct Line {
    manner: Manner,
    open: Option<Open>,
    /// When something was last sent, heard or waited for in vain.
    last: Option<Instant>,
}

struct Open {
    context: Context,
    remark: Remark,
    /// Kept from an earlier pass: the device may have closed it since.
    stale: bool,
}

impl Line {
    pub(crate) fn new(manner: Manner) -> Self {
        Self { manner, open: None, last: None }
    }

    /// Closes the connection, if there is one.
    pub(crate) async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            goodbye(open).await;
        }
    }

    /// Keeps the connection for another pass.
    pub(crate) fn keep(&mut self) {
        if let Some(open) = &mut self.open {
            open.stale = true;
        }
    }

    /// Waits until the device may be bothered again.
    async fn pace(&mut self) {
        if let Some(until) = self.last.map(|last| last + self.manner.min_delay)
            // A timer that has run out already still costs a millisecond.
            && until > Instant::now()
        {
            sleep_until(until).await;
        }
    }

    async fn connect(&mut self) -> Result<Open, Cause> {
        self.pace().await;
        let Address { host, port } = &self.manner.address;
        let connected = timeout(self.manner.timeout, TcpStream::connect((host.as_str(), *port))).await;
        let stream = connected
            .map_err(|_| Cause::ConnectTimeout(Period(self.manner.timeout)))
            .and_then(|stream| stream.map_err(|error| Cause::Connect(plainly(&error))));
        let stream = stream.inspect_err(|_| self.last = Some(Instant::now()))?;
        // Requests are tiny and each waits for its answer; a failure only costs time.
        stream.set_nodelay(true).ok();
        let mended = Mended::new(stream, Arc::clone(&self.manner.tolerate));
        let remark = mended.remark();
        Ok(Open { context: attach_slave(mended, Slave(self.manner.unit)), remark, stale: false })
    }

    /// One question on this connection, which is given back if it is still good. While the future runs the line
    /// holds no connection: dropping it in between drops the connection too.
    async fn exchange(&mut self, mut open: Open, ask: Ask) -> (Option<Open>, Result<Vec<u8>, Cause>) {
        self.pace().await;
        self.last = Some(Instant::now());
        let answer = timeout(self.manner.timeout, open.context.call(request(ask))).await;
        self.last = Some(Instant::now());
        let result = match answer {
            Err(_) => Err(Cause::Timeout { after: Period(self.manner.timeout), remark: open.remark.get() }),
            Ok(Err(error)) => Err(classify(error)),
            Ok(Ok(Err(code))) => return (Some(open), Err(Cause::Exception(code))),
            Ok(Ok(Ok(response))) => match data(response) {
                Some(data) => return (Some(open), Ok(data)),
                None => Err(Cause::Protocol("the answer does not match the request".into())),
            },
        };
        goodbye(open).await;
        self.last = Some(Instant::now());
        (None, result)
    }
}

impl Asker for Line {
    async fn ask(&mut self, ask: Ask) -> Result<Vec<u8>, Cause> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.connect().await?,
        };
        let stale = open.stale;
        let (open, answer) = self.exchange(Open { stale: false, ..open }, ask).await;
        self.open = open;
        match answer {
            // Closed while nobody was asking: the question was never heard, so asking it is not asking again.
            Err(Cause::Lost(_) | Cause::Broken(Broken::Closed)) if stale => {
                let open = self.connect().await?;
                let (open, answer) = self.exchange(open, ask).await;
                self.open = open;
                answer
            }
            answer => answer,
        }
    }
}

async fn goodbye(mut open: Open) {
    timeout(GOODBYE, open.context.disconnect()).await.ok();
}

fn request(ask: Ask) -> Request<'static> {
    match ask.table {
        Table::Holding => Request::ReadHoldingRegisters(ask.address, ask.count),
        Table::Input => Request::ReadInputRegisters(ask.address, ask.count),
        Table::Coils => Request::ReadCoils(ask.address, ask.count),
        Table::Discrete => Request::ReadDiscreteInputs(ask.address, ask.count),
    }
}

/// The bytes as sent; `None` for an answer to another kind of request.
fn data(response: Response) -> Option<Vec<u8>> {
    match response {
        Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) => {
            Some(words.into_iter().flat_map(u16::to_be_bytes).collect())
        }
        Response::ReadCoils(coils) | Response::ReadDiscreteInputs(coils) => Some(
            coils
                .chunks(8)
                .map(|byte| byte.iter().rev().fold(0, |byte, on| byte << 1 | u8::from(*on)))
                .collect(),
        ),
        _ => None,
    }
}

fn classify(error: Error) -> Cause {
    match error {
        Error::Protocol(error) => Cause::Protocol(error.to_string()),
        Error::Transport(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Broken>()) {
            Some(broken) => Cause::Broken(broken.clone()),
            None if error.kind() == io::ErrorKind::InvalidData => Cause::Protocol(error.to_string()),
            None => Cause::Lost(plainly(&error)),
        },
    }
}

/// Without the operating system's number.
fn plainly(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset by the device".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
        _ => error.to_string(),
    }
}

/// What an exception says ("Modbus Application Protocol" V1.1b3, 7).
fn meaning(code: ExceptionCode) -> &'static str {
    match code {
        ExceptionCode::IllegalFunction => "illegal function",
        ExceptionCode::IllegalDataAddress => "illegal data address",
        ExceptionCode::IllegalDataValue => "illegal data value",
        ExceptionCode::ServerDeviceFailure => "device failure",
        ExceptionCode::Acknowledge => "accepted, not done yet",
        ExceptionCode::ServerDeviceBusy => "device busy",
        ExceptionCode::MemoryParityError => "memory parity error",
        ExceptionCode::GatewayPathUnavailable => "gateway path unavailable",
        ExceptionCode::GatewayTargetDevice => "gateway target does not respond",
        ExceptionCode::Custom(_) => "not a standard code",
    }
}
