//! The connection to one device: one connection, one request at a time, never faster than asked.

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
use crate::frame_repair::FrameError;
use crate::plan::ReadRequest;
use crate::transport::{RepairingStream, UnexpectedAnswer};

/// How long a device may take to close its end; it has nothing to say any more.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(250);

/// Why a request got no data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("cannot connect: no answer after {0}")]
    ConnectTimeout(Period),
    #[error("timed out after {after}{}", unexpected.as_ref().map(|unexpected| format!(" ({unexpected})")).unwrap_or_default())]
    Timeout { after: Period, unexpected: Option<String> },
    #[error("the device answered exception {}: {}", u8::from(*.0), exception_text(*.0))]
    Exception(ExceptionCode),
    #[error("{0}")]
    Frame(FrameError),
    #[error("{0}")]
    Protocol(String),
    #[error("the connection broke: {0}")]
    Lost(String),
}

impl RequestError {
    /// Whether the request was never sent.
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

/// Sends requests to a device.
pub(crate) trait RequestSender: Send {
    /// The data of the answer: as many bytes as asked for, or none.
    fn send(&mut self, request: ReadRequest) -> impl Future<Output = Result<Vec<u8>, RequestError>> + Send;
}

/// Where and how to connect to a device, and how fast it may be asked.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionOptions {
    pub(crate) address: Address,
    pub(crate) unit: u8,
    pub(crate) timeout: Duration,
    pub(crate) min_delay: Duration,
    pub(crate) tolerate: Arc<[Tolerance]>,
}

/// The one connection to a device; made by the first request.
pub(crate) struct DeviceConnection {
    options: ConnectionOptions,
    open: Option<OpenConnection>,
    /// When something was last sent, received or waited for in vain.
    last: Option<Instant>,
}

struct OpenConnection {
    context: Context,
    unexpected: UnexpectedAnswer,
    /// Kept from an earlier poll: the device may have closed it since.
    stale: bool,
}

impl DeviceConnection {
    pub(crate) fn new(options: ConnectionOptions) -> Self {
        Self { options, open: None, last: None }
    }

    /// Closes the connection, if there is one.
    pub(crate) async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            disconnect_politely(open).await;
        }
    }

    /// Keeps the connection for another poll.
    pub(crate) fn keep(&mut self) {
        if let Some(open) = &mut self.open {
            open.stale = true;
        }
    }

    /// Waits until the device may be asked again.
    async fn pace(&mut self) {
        if let Some(until) = self.last.map(|last| last + self.options.min_delay)
            // A timer that has run out already still costs a millisecond.
            && until > Instant::now()
        {
            sleep_until(until).await;
        }
    }

    async fn connect(&mut self) -> Result<OpenConnection, RequestError> {
        self.pace().await;
        let Address { host, port } = &self.options.address;
        let connected = timeout(self.options.timeout, TcpStream::connect((host.as_str(), *port))).await;
        let stream = connected
            .map_err(|_| RequestError::ConnectTimeout(Period(self.options.timeout)))
            .and_then(|stream| stream.map_err(|error| RequestError::Connect(io_message(&error))));
        let stream = stream.inspect_err(|_| self.last = Some(Instant::now()))?;
        // Requests are tiny and each waits for its answer; a failure only costs time.
        stream.set_nodelay(true).ok();
        let mended = RepairingStream::new(stream, Arc::clone(&self.options.tolerate));
        let unexpected = mended.unexpected();
        Ok(OpenConnection {
            context: attach_slave(mended, Slave(self.options.unit)),
            unexpected,
            stale: false,
        })
    }

    /// One request on this connection, which is given back if it is still good. While the future runs this object
    /// holds no connection: dropping it in between drops the connection too.
    async fn exchange(
        &mut self,
        mut open: OpenConnection,
        request: ReadRequest,
    ) -> (Option<OpenConnection>, Result<Vec<u8>, RequestError>) {
        self.pace().await;
        self.last = Some(Instant::now());
        let answer = timeout(self.options.timeout, open.context.call(modbus_request(request))).await;
        self.last = Some(Instant::now());
        let result = match answer {
            Err(_) => Err(RequestError::Timeout {
                after: Period(self.options.timeout),
                unexpected: open.unexpected.get(),
            }),
            Ok(Err(error)) => Err(classify(error)),
            Ok(Ok(Err(code))) => return (Some(open), Err(RequestError::Exception(code))),
            Ok(Ok(Ok(response))) => match data(response) {
                Some(data) => return (Some(open), Ok(data)),
                None => Err(RequestError::Protocol("the answer does not match the request".into())),
            },
        };
        disconnect_politely(open).await;
        self.last = Some(Instant::now());
        (None, result)
    }
}

impl RequestSender for DeviceConnection {
    async fn send(&mut self, request: ReadRequest) -> Result<Vec<u8>, RequestError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.connect().await?,
        };
        let stale = open.stale;
        let (open, answer) = self.exchange(OpenConnection { stale: false, ..open }, request).await;
        self.open = open;
        match answer {
            // Closed while nobody was asking: the request was never received, so sending it is not repeating it.
            Err(RequestError::Lost(_) | RequestError::Frame(FrameError::Closed)) if stale => {
                let open = self.connect().await?;
                let (open, answer) = self.exchange(open, request).await;
                self.open = open;
                answer
            }
            answer => answer,
        }
    }
}

async fn disconnect_politely(mut open: OpenConnection) {
    timeout(DISCONNECT_TIMEOUT, open.context.disconnect()).await.ok();
}

fn modbus_request(request: ReadRequest) -> Request<'static> {
    match request.table {
        Table::Holding => Request::ReadHoldingRegisters(request.address, request.count),
        Table::Input => Request::ReadInputRegisters(request.address, request.count),
        Table::Coils => Request::ReadCoils(request.address, request.count),
        Table::Discrete => Request::ReadDiscreteInputs(request.address, request.count),
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

fn classify(error: Error) -> RequestError {
    match error {
        Error::Protocol(error) => RequestError::Protocol(error.to_string()),
        Error::Transport(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<FrameError>())
        {
            Some(broken) => RequestError::Frame(broken.clone()),
            None if error.kind() == io::ErrorKind::InvalidData => RequestError::Protocol(error.to_string()),
            None => RequestError::Lost(io_message(&error)),
        },
    }
}

/// Without the operating system's number.
fn io_message(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset by the device".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
        _ => error.to_string(),
    }
}

/// What an exception says ("Modbus Application Protocol" V1.1b3, 7).
fn exception_text(code: ExceptionCode) -> &'static str {
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
