//! Where a device listens: `tcp://host:port`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The port of Modbus TCP.
pub(crate) const PORT: u16 = 502;

/// A host and a port. Text without brackets, also for IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an address.
    pub(crate) host: String,
    /// The TCP port.
    pub(crate) port: u16,
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    /// Another scheme, or none.
    #[error("`{0}` does not begin with `tcp://`")]
    Scheme(String),
    /// Nothing between scheme and port.
    #[error("`{0}` names no host")]
    NoHost(String),
    /// Something that is neither a name nor an address.
    #[error("`{0}` is not a host name or IP address")]
    Host(String),
    /// The last part may be a port or belong to the address.
    #[error("`{0}` may mean two things: write `[{1}]:{2}`, or the whole address in brackets")]
    Ambiguous(String, String, String),
    /// Not 1 to 65535.
    #[error("`{0}` is not a port from 1 to 65535")]
    Port(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let rest = text.strip_prefix("tcp://").ok_or_else(|| AddressError::Scheme(text.to_owned()))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                bracketed.split_once(']').ok_or_else(|| AddressError::Host(rest.to_owned()))?
            }
            None if rest.contains("://") => return Err(AddressError::Host(rest.to_owned())),
            None if rest.parse::<Ipv6Addr>().is_ok() => unbracketed(rest)?,
            None => rest.find(':').map_or((rest, ""), |colon| rest.split_at(colon)),
        };
        if host.is_empty() {
            return Err(AddressError::NoHost(text.to_owned()));
        }
        if !is_host(host, rest.starts_with('[')) {
            return Err(AddressError::Host(host.to_owned()));
        }
        Ok(Self { host: host.to_owned(), port: parse_port(port)? })
    }
}

/// An IPv6 address that has no brackets. `::1:502` is one, and few mean it.
fn unbracketed(text: &str) -> Result<(&str, &str), AddressError> {
    match text.rsplit_once(':') {
        Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() && port.parse::<u16>().is_ok() => {
            Err(AddressError::Ambiguous(text.to_owned(), host.to_owned(), port.to_owned()))
        }
        _ => Ok((text, "")),
    }
}

/// `:502`, or nothing.
fn parse_port(text: &str) -> Result<u16, AddressError> {
    if text.is_empty() {
        return Ok(PORT);
    }
    let digits = text.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let port = digits.and_then(|digits| digits.parse().ok()).filter(|port| *port > 0);
    port.ok_or_else(|| AddressError::Port(text.trim_start_matches(':').to_owned()))
}

fn is_host(host: &str, bracketed: bool) -> bool {
    if bracketed { host.contains(':') && smiles_stage::is_host(host) } else { smiles_stage::is_host(host) }
}

impl Address {
    /// What sources share a line by.
    pub(crate) fn key(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "tcp://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "tcp://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_print() {
        let rows = [
            ("tcp://10.0.0.5", "tcp://10.0.0.5:502"),
            ("tcp://10.0.0.5:1502", "tcp://10.0.0.5:1502"),
            ("tcp://dtu.lan/", "tcp://dtu.lan:502"),
            ("tcp://[::1]:5020", "tcp://[::1]:5020"),
            ("tcp://[fe80::1%eth0]", "tcp://[fe80::1%eth0]:502"),
            ("tcp://fe80::1", "tcp://[fe80::1]:502"),
        ];
        for (text, expected) in rows {
            assert_eq!(
                text.parse::<Address>().map(|address| address.to_string()),
                Ok(expected.into()),
                "{text}"
            );
        }
    }

    #[test]
    fn a_bad_address_says_why() {
        let rows = [
            ("10.0.0.5", "`10.0.0.5` does not begin with `tcp://`"),
            ("http://10.0.0.5", "`http://10.0.0.5` does not begin with `tcp://`"),
            ("tcp://", "`tcp://` names no host"),
            ("tcp://:502", "`tcp://:502` names no host"),
            ("tcp://a b", "`a b` is not a host name or IP address"),
            ("tcp://dtu:x", "`x` is not a port from 1 to 65535"),
            ("tcp://dtu:0", "`0` is not a port from 1 to 65535"),
            ("tcp://dtu:70000", "`70000` is not a port from 1 to 65535"),
            ("tcp://dtu:", "`` is not a port from 1 to 65535"),
            ("tcp://http://10.0.0.5:502", "`http://10.0.0.5:502` is not a host name or IP address"),
            (
                "tcp://::1:502",
                "`::1:502` may mean two things: write `[::1]:502`, or the whole address in brackets",
            ),
            ("tcp://[::1", "`[::1` is not a host name or IP address"),
            ("tcp://[dtu]", "`dtu` is not a host name or IP address"),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<Address>().unwrap_err().to_string(), expected, "{text}");
        }
    }
}
