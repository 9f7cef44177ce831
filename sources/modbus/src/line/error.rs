//! Why a question got no data.

use std::io;

use smiles_stage::option::Period;

use crate::wire::answer::{FrameError, exception_text};

/// Why a question got no data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("cannot connect: no answer after {0}")]
    ConnectTimeout(Period),
    #[error("timed out after {after}{}", unexpected.as_ref().map(|unexpected| format!(" ({unexpected})")).unwrap_or_default())]
    Timeout { after: Period, unexpected: Option<String> },
    #[error("the device answered exception {0}: {text}", text = exception_text(*.0))]
    Exception(u8),
    #[error("{0}")]
    Frame(FrameError),
    #[error("the connection broke: {0}")]
    Lost(String),
}

impl RequestError {
    /// Whether the question was never sent.
    pub(crate) fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout(_))
    }

    /// Whether the device itself answered, if only to refuse. A gateway that says the device does not is no such
    /// answer.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Exception(code) if !matches!(code, 10 | 11))
    }

    /// Whether the device says that what was asked is not there: an illegal function, address or value.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Exception(1..=3))
    }

    /// Whether the same question may well be answered in a moment: accepted but not done (5), busy (6), and what a
    /// gateway says of a line or a device it cannot reach right now (10, 11).
    pub(crate) fn passes_by(&self) -> bool {
        matches!(self, Self::Exception(5 | 6 | 10 | 11))
    }

    /// Whether the connection was found dead, before a byte of an answer.
    pub(crate) fn is_dead_connection(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Frame(FrameError::Closed))
    }
}

/// Without the operating system's number.
pub(crate) fn io_message(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset by the device".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
        _ => error.to_string(),
    }
}
