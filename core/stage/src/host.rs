//! Whether a text can be the name or address of a machine.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A host name, an IPv4 or an IPv6 address (without brackets). Numbers alone are no name: `192.168.1` would be taken for
/// 192.168.0.1 by one system and looked up by another.
pub fn is_host(text: &str) -> bool {
    if text.contains(':') {
        return text.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let is_name = !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_name && (!is_number || text.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn names_and_addresses_are_hosts_and_nothing_else_is() {
        for host in [
            "db",
            "db.example.org",
            "my_host",
            "10.0.0.1",
            "::1",
            "fe80::1%eth0",
            "3com.example",
            "2001:db8::1",
        ] {
            assert!(is_host(host), "{host}");
        }
        for bad in [
            "",
            "192.168.1.300",
            "192.168.1",
            "5432",
            "1.2.3.4.5",
            "http://db",
            "db:5432",
            "a b",
            "a/b",
            "10.0.0.1:502",
            "::x",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
