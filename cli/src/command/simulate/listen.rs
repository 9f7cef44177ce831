//! Where a simulated device is served: `--listen`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// The speed of a serial line unless it is said.
const BAUD: u32 = 9600;

/// Where, and in which frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// Modbus TCP.
    Tcp(SocketAddr),
    /// RTU frames over TCP.
    RtuOverTcp(SocketAddr),
    /// RTU frames on a serial line.
    Serial { path: PathBuf, baud: u32 },
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "write `127.0.0.1:5020`, `rtu+tcp://127.0.0.1:5020` or `serial:///dev/ttyUSB0?baud=9600`"
                .to_owned()
        };
        if let Some(line) = text.strip_prefix("serial://") {
            let (path, baud) = match line.split_once('?') {
                Some((path, options)) => {
                    let baud = options.strip_prefix("baud=").and_then(|baud| baud.parse().ok());
                    (path, baud.ok_or_else(wrong)?)
                }
                None => (line, BAUD),
            };
            let path = path.starts_with('/').then(|| PathBuf::from(path)).ok_or_else(wrong)?;
            return Ok(Self::Serial { path, baud });
        }
        let address = |text: &str| text.parse().map_err(|_| wrong());
        match text.strip_prefix("rtu+tcp://") {
            Some(rest) => address(rest).map(Self::RtuOverTcp),
            None => address(text.strip_prefix("tcp://").unwrap_or(text)).map(Self::Tcp),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::RtuOverTcp(address) => write!(f, "rtu+tcp://{address}"),
            Self::Serial { path, baud } => write!(f, "serial://{}?baud={baud}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_as_people_write_them() {
        let rows = [
            ("127.0.0.1:5020", Some("tcp://127.0.0.1:5020")),
            ("tcp://[::1]:5020", Some("tcp://[::1]:5020")),
            ("rtu+tcp://127.0.0.1:5020", Some("rtu+tcp://127.0.0.1:5020")),
            ("serial:///dev/pts/3", Some("serial:///dev/pts/3?baud=9600")),
            ("serial:///dev/pts/3?baud=19200", Some("serial:///dev/pts/3?baud=19200")),
            ("serial://pts/3", None),
            ("serial:///dev/pts/3?speed=9600", None),
            ("udp://127.0.0.1:5020", None),
            ("5020", None),
        ];
        for (text, expected) in rows {
            let got = text.parse::<Listen>();
            assert_eq!(got.as_ref().ok().map(ToString::to_string).as_deref(), expected, "{text}: {got:?}");
        }
    }
}
