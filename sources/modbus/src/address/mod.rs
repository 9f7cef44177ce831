//! Where a device listens: `tcp://host:port`, `rtu+tcp://host:port` or `serial:///dev/ttyUSB0?baud=9600`.

mod host;
mod serial;

use std::fmt;
use std::str::FromStr;

pub(crate) use host::Host;
pub(crate) use serial::{Parity, SerialPort};

/// What to write where nothing nearer comes to mind.
const FORMS: &str = "write `tcp://host:port`, `rtu+tcp://host:port` or `serial:///dev/ttyUSB0?baud=9600`, for example \
     `tcp://192.168.1.50:502`";

/// Where a device listens, and how frames are told apart there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Modbus TCP.
    Tcp(Host),
    /// RTU frames through a serial adapter that passes bytes on as they are.
    RtuOverTcp(Host),
    /// RTU frames on a serial port of this machine.
    Serial(SerialPort),
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct AddressError {
    message: String,
    /// What to write in its place.
    pub(crate) help: String,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        parse(text).map_err(|message| {
            let help = serial::help(text)
                .or_else(|| proposal(text).map(|text| format!("write `{text}`")))
                .unwrap_or_else(|| FORMS.to_owned());
            AddressError { message, help }
        })
    }
}

fn parse(text: &str) -> Result<Address, String> {
    if let Some(rest) = text.strip_prefix("tcp://") {
        Host::parse(rest, text).map(Address::Tcp)
    } else if let Some(rest) = text.strip_prefix("rtu+tcp://") {
        Host::parse(rest, text).map(Address::RtuOverTcp)
    } else if let Some(rest) = text.strip_prefix("serial://") {
        SerialPort::parse(rest, text).map(Address::Serial)
    } else {
        Err(format!("`{text}` does not begin with `tcp://`, `rtu+tcp://` or `serial://`"))
    }
}

/// The address that was probably meant.
fn proposal(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://").or_else(|| short(text)).unwrap_or(("", text));
    let rest = rest.strip_prefix("serial:").unwrap_or(rest);
    let device = rest.trim_start_matches('/');
    let device = device.strip_prefix("dev/").unwrap_or(device);
    let is_tty = ["tty", "serial/", "cu."].iter().any(|beginning| device.starts_with(beginning));
    if is_com(device) {
        return None;
    }
    let meant = match scheme.to_ascii_lowercase().as_str() {
        "" | "rtu" | "serial" | "file" | "modbus" | "modbus+rtu" if is_tty => {
            format!("serial:///dev/{device}")
        }
        "" if rest.starts_with('/') => format!("serial://{rest}"),
        "rtu" | "tcp+rtu" | "rtu+tcp" | "rtu-tcp" | "rtuovertcp" | "modbus+rtu" | "serial" => {
            format!("rtu+tcp://{rest}")
        }
        "" | "tcp" | "modbus" | "modbus+tcp" | "modbus-tcp" | "modbustcp" | "mbap" => format!("tcp://{rest}"),
        _ => return None,
    };
    parse(&meant).is_ok().then_some(meant)
}

/// `tcp:192.168.1.5` and `tcp:/192.168.1.5`: a scheme without all of its slashes. `modbus:502` is a host and its port.
fn short(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let known = ["tcp", "rtu", "rtu+tcp", "tcp+rtu", "modbus", "modbus+tcp"];
    let is_port = rest.bytes().all(|byte| byte.is_ascii_digit());
    let is_scheme = known.contains(&scheme.to_ascii_lowercase().as_str()) && !is_port;
    is_scheme.then(|| (scheme, rest.trim_start_matches('/')))
}

/// `COM3`: a serial port of Windows is no host.
fn is_com(text: &str) -> bool {
    let number = text.get(..3).filter(|word| word.eq_ignore_ascii_case("com")).and(text.get(3..));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Address {
    /// What sources share a line by: there is one way to speak at each place.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Tcp(host) | Self::RtuOverTcp(host) => host.to_string(),
            Self::Serial(port) => port.path.clone(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host) => write!(f, "tcp://{host}"),
            Self::RtuOverTcp(host) => write!(f, "rtu+tcp://{host}"),
            Self::Serial(port) => write!(f, "serial://{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_print() {
        let rows = [
            ("tcp://10.0.0.5", "tcp://10.0.0.5:502", "10.0.0.5:502"),
            ("tcp://10.0.0.5:1502", "tcp://10.0.0.5:1502", "10.0.0.5:1502"),
            (" tcp://DTU.lan/", "tcp://dtu.lan:502", "dtu.lan:502"),
            ("tcp://[::1]:5020", "tcp://[::1]:5020", "[::1]:5020"),
            ("tcp://[FE80:0::1%Eth0]", "tcp://[fe80:0::1%Eth0]:502", "[fe80:0::1%Eth0]:502"),
            ("tcp://FE80::1", "tcp://[fe80::1]:502", "[fe80::1]:502"),
            ("rtu+tcp://Adapter", "rtu+tcp://adapter:502", "adapter:502"),
            ("rtu+tcp://10.0.0.5:4001", "rtu+tcp://10.0.0.5:4001", "10.0.0.5:4001"),
            ("serial:///dev/ttyUSB0", "serial:///dev/ttyUSB0?baud=9600", "/dev/ttyUSB0"),
            (
                "serial:///dev/ttyUSB0?data_bits=8&parity=none&stop_bits=1",
                "serial:///dev/ttyUSB0?baud=9600",
                "/dev/ttyUSB0",
            ),
            (
                "serial:///dev/serial/by-id/usb-FTDI-if00?stop_bits=2&baud=19200&parity=even",
                "serial:///dev/serial/by-id/usb-FTDI-if00?baud=19200&parity=even&stop_bits=2",
                "/dev/serial/by-id/usb-FTDI-if00",
            ),
        ];
        for (text, expected, key) in rows {
            let address = text.parse::<Address>().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((address.to_string().as_str(), address.key().as_str()), (expected, key), "{text}");
            assert_eq!(expected.parse(), Ok(address), "{text}: what is printed is read again");
        }
    }

    #[test]
    fn what_is_another_way_of_writing_is_proposed() {
        let rows = [
            ("10.0.0.5", "tcp://10.0.0.5"),
            ("dtu.lan:1502", "tcp://dtu.lan:1502"),
            ("modbus://dtu:502", "tcp://dtu:502"),
            ("TCP://dtu", "tcp://dtu"),
            ("tcp:10.0.0.5", "tcp://10.0.0.5"),
            ("tcp:/10.0.0.5:502", "tcp://10.0.0.5:502"),
            ("rtu+tcp:adapter:4001", "rtu+tcp://adapter:4001"),
            ("modbus+tcp://10.0.0.5:502", "tcp://10.0.0.5:502"),
            ("10.0.0.5:502", "tcp://10.0.0.5:502"),
            ("modbus:1502", "tcp://modbus:1502"),
            ("rtu://10.0.0.5:4001", "rtu+tcp://10.0.0.5:4001"),
            ("tcp+rtu://adapter", "rtu+tcp://adapter"),
            ("rtu:///dev/ttyUSB0", "serial:///dev/ttyUSB0"),
            ("/dev/ttyUSB0", "serial:///dev/ttyUSB0"),
            ("/dev/ttyUSB0?baud=19200", "serial:///dev/ttyUSB0?baud=19200"),
            ("/run/my-port", "serial:///run/my-port"),
            ("ttyS1", "serial:///dev/ttyS1"),
            ("serial:/dev/ttyS1", "serial:///dev/ttyS1"),
            ("serial://ttyUSB0", "serial:///dev/ttyUSB0"),
            ("serial://dev/ttyUSB0", "serial:///dev/ttyUSB0"),
            ("serial://192.0.2.1:4001", "rtu+tcp://192.0.2.1:4001"),
        ];
        for (text, expected) in rows {
            let help = text.parse::<Address>().unwrap_err().help;
            assert_eq!(help, format!("write `{expected}`"), "{text}");
            assert!(expected.parse::<Address>().is_ok(), "{expected}");
        }
        for text in ["http://10.0.0.5", "", "tcp://", "mqtt://a", "tcp://dtu:x", "COM3", "serial://com10"] {
            assert_eq!(text.parse::<Address>().unwrap_err().help, FORMS, "{text}");
        }
    }

    #[test]
    fn a_bad_address_says_why() {
        let scheme = "does not begin with `tcp://`, `rtu+tcp://` or `serial://`";
        let rows = [
            ("10.0.0.5", format!("`10.0.0.5` {scheme}")),
            ("http://10.0.0.5", format!("`http://10.0.0.5` {scheme}")),
            ("tcp://", "`tcp://` names no host".into()),
            ("rtu+tcp://:502", "`rtu+tcp://:502` names no host".into()),
            ("tcp://a b", "`a b` is not a host name or IP address".into()),
            ("tcp://dtu:x", "`x` is not a port from 1 to 65535".into()),
            ("tcp://dtu:0", "`0` is not a port from 1 to 65535".into()),
            ("tcp://dtu:70000", "`70000` is not a port from 1 to 65535".into()),
            ("tcp://dtu:", "`` is not a port from 1 to 65535".into()),
            ("tcp://http://10.0.0.5:502", "`http://10.0.0.5:502` is not a host name or IP address".into()),
            (
                "tcp://::1:502",
                "`::1:502` may mean two things: write `[::1]:502`, or the whole address in brackets".into(),
            ),
            ("tcp://[::1", "`[::1` is not a host name or IP address".into()),
            ("tcp://[dtu]", "`dtu` is not a host name or IP address".into()),
            ("serial://ttyUSB0", "`serial://ttyUSB0` names no path that begins with `/`".into()),
            ("serial://", "`serial://` names no path that begins with `/`".into()),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<Address>().unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_bad_serial_option_lists_what_is_allowed() {
        let rows = [
            ("baud=9601", "`9601` is not a baud rate", "`baud` is one of 300, 600, 1200"),
            ("baud=", "`` is not a baud rate", "`baud` is one of"),
            ("parity=no", "`no` is not a parity", "`parity` is `none`, `even` or `odd`"),
            ("stop_bits=3", "`3` is not a number of stop bits", "`stop_bits` is 1 or 2"),
            ("data_bits=7", "`7` is not a number of data bits", "`data_bits` is 8"),
            ("speed=9600", "unknown option `speed`", "`baud`, `parity`, `stop_bits` and `data_bits`"),
            ("9600", "`9600` is not `option=value`", "`baud`, `parity`"),
            ("baud=9600&baud=19200", "`baud` is said twice", "`baud`, `parity`"),
        ];
        for (options, message, help) in rows {
            let error = format!("serial:///dev/ttyUSB0?{options}").parse::<Address>().unwrap_err();
            assert_eq!(error.to_string(), message, "{options}");
            assert!(error.help.contains(help), "{options}: {}", error.help);
        }
    }
}
