//! What a line runs over: a TCP connection, or a serial port.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::address::Address;
use crate::line::serial::Serial;
use crate::wire::answer::FrameError;
use crate::wire::rtu::Awaited;
use crate::wire::{Asked, Frame, mbap, rtu};

/// After so long without a word the other end is probed, and as often again: a box that lost its power is found out.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How frames are told apart on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Modbus TCP.
    Mbap,
    /// As on serial lines.
    Rtu,
}

impl Framing {
    /// The frame around a question.
    pub(crate) fn framed(self, asked: Asked, pdu: &[u8]) -> Vec<u8> {
        match self {
            Self::Mbap => mbap::framed(asked.transaction, asked.unit, pdu),
            Self::Rtu => rtu::framed(asked.unit, pdu),
        }
    }

    /// Takes the first whole frame; `None` if there is none yet.
    pub(crate) fn take_frame(
        self,
        bytes: &mut Vec<u8>,
        awaited: Awaited<'_>,
    ) -> Result<Option<Frame>, FrameError> {
        match self {
            Self::Mbap => mbap::take_frame(bytes),
            Self::Rtu => Ok(rtu::take_frame(bytes, awaited)),
        }
    }
}

/// An open port.
pub(crate) enum Port {
    Tcp(TcpStream, Framing),
    Serial(Serial),
}

impl Port {
    /// Opens it.
    ///
    /// # Errors
    /// Nobody answers there, or the port is not ours to open.
    pub(crate) async fn open(address: &Address) -> io::Result<Self> {
        let (host, framing) = match address {
            Address::Tcp(host) => (host, Framing::Mbap),
            Address::RtuOverTcp(host) => (host, Framing::Rtu),
            Address::Serial(port) => return Serial::open(port).map(Self::Serial),
        };
        let stream = TcpStream::connect((host.host.as_str(), host.port)).await?;
        // Questions are tiny and each waits for its answer; a failure only costs time.
        stream.set_nodelay(true).ok();
        let keepalive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive).ok();
        Ok(Self::Tcp(stream, framing))
    }

    pub(crate) fn framing(&self) -> Framing {
        match self {
            Self::Tcp(_, framing) => *framing,
            Self::Serial(_) => Framing::Rtu,
        }
    }

    /// Whether someone at the other end hears that it is closed.
    pub(crate) fn says_goodbye(&self) -> bool {
        matches!(self, Self::Tcp(..))
    }
}

impl AsyncRead for Port {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream, _) => Pin::new(stream).poll_read(cx, out),
            Self::Serial(serial) => serial.poll_read(cx, out),
        }
    }
}

impl AsyncWrite for Port {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream, _) => Pin::new(stream).poll_write(cx, bytes),
            Self::Serial(serial) => serial.poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream, _) => Pin::new(stream).poll_flush(cx),
            Self::Serial(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream, _) => Pin::new(stream).poll_shutdown(cx),
            Self::Serial(_) => Poll::Ready(Ok(())),
        }
    }
}
