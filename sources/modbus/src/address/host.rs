//! A host and a TCP port as text.

use std::fmt;
use std::net::Ipv6Addr;

/// The port of Modbus TCP.
const PORT: u16 = 502;

/// A host and a port. Text without brackets, also for IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// A name or an address, as it is compared: in lower case.
    pub(crate) host: String,
    /// The TCP port.
    pub(crate) port: u16,
}

impl Host {
    /// What follows the scheme of `whole`.
    ///
    /// # Errors
    /// A host is missing or none, or the port is none.
    pub(super) fn parse(rest: &str, whole: &str) -> Result<Self, String> {
        let not_a_host = |text: &str| format!("`{text}` is not a host name or IP address");
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']').ok_or_else(|| not_a_host(rest))?,
            None if rest.contains("://") => return Err(not_a_host(rest)),
            None if rest.parse::<Ipv6Addr>().is_ok() => unbracketed(rest)?,
            None => rest.find(':').map_or((rest, ""), |colon| rest.split_at(colon)),
        };
        if host.is_empty() {
            return Err(format!("`{whole}` names no host"));
        }
        if !is_host(host, rest.starts_with('[')) {
            return Err(not_a_host(host));
        }
        Ok(Self { host: compared(host), port: parse_port(port)? })
    }
}

/// An IPv6 address that has no brackets. `::1:502` is one, and few mean it.
fn unbracketed(text: &str) -> Result<(&str, &str), String> {
    match text.rsplit_once(':') {
        Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() && port.parse::<u16>().is_ok() => {
            Err(format!(
                "`{text}` may mean two things: write `[{host}]:{port}`, or the whole address in brackets"
            ))
        }
        _ => Ok((text, "")),
    }
}

/// `:502`, or nothing.
fn parse_port(text: &str) -> Result<u16, String> {
    if text.is_empty() {
        return Ok(PORT);
    }
    let digits = text.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let port = digits.and_then(|digits| digits.parse().ok()).filter(|port| *port > 0);
    port.ok_or_else(|| format!("`{}` is not a port from 1 to 65535", text.trim_start_matches(':')))
}

fn is_host(host: &str, bracketed: bool) -> bool {
    if bracketed { host.contains(':') && smiles_stage::is_host(host) } else { smiles_stage::is_host(host) }
}

/// Case means nothing in a name or an address, but in the interface after `%` it does.
fn compared(host: &str) -> String {
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        return address.to_string();
    }
    match host.split_once('%') {
        Some((address, interface)) => format!("{}%{interface}", address.to_ascii_lowercase()),
        None => host.to_ascii_lowercase(),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
