//! Names by which the API may be called while it asks for no token.
//!
//! A page from the internet may let a name of its own point at an address of this network (DNS rebinding). To the browser
//! of somebody at home that page and the API are one origin then, and it reads everything. The name it calls the API by
//! gives it away: an address, or a name that nobody can register, is none of its own.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::header::HOST;
use http::{HeaderMap, Uri};

use crate::declare::listed::listed;

/// Ends of names that exist in local networks only (RFC 6761, 6762, 8375; `.internal` and `.home` by ICANN; `.lan` and
/// `.localdomain` by custom), and the one that the maker of many routers gives to what is behind them.
const LOCAL: [&str; 8] =
    [".local", ".localhost", ".home.arpa", ".internal", ".home", ".lan", ".localdomain", ".fritz.box"];
/// The longest name of DNS.
const NAME_MAX: usize = 253;

/// Names beside those of the local network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// These.
    Named(Vec<String>),
    /// Whatever it is called.
    Any,
    /// None.
    #[default]
    Local,
}

impl Hosts {
    /// Reads `*` or a list with commas.
    ///
    /// # Errors
    /// The text that is no name.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let names = listed(text);
        if names.contains(&"*") {
            return Ok(Self::Any);
        }
        if let Some(bad) = names.iter().find(|name| !is_name(name)) {
            return Err((*bad).to_owned());
        }
        let names: Vec<String> = names.into_iter().map(plain).collect();
        Ok(if names.is_empty() { Self::Local } else { Self::Named(names) })
    }

    /// The name by which this request calls the API, if it is none of its names. A request that calls it by no name
    /// (HTTP/1.0) comes from no browser.
    pub(crate) fn stranger(&self, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let written = uri.authority().map(|authority| authority.as_str().as_bytes());
        let said = headers.get_all(HOST).iter().map(http::HeaderValue::as_bytes);
        let mut names = written.into_iter().chain(said).map(String::from_utf8_lossy);
        let unknown = names.find(|name| !self.knows(name))?;
        Some(unknown.chars().filter(|letter| !letter.is_control()).take(NAME_MAX).collect())
    }

    /// `NAME`, `NAME:PORT` or an address.
    fn knows(&self, authority: &str) -> bool {
        if *self == Self::Any || authority.is_empty() {
            return true;
        }
        if let Some(address) = authority.strip_prefix('[') {
            let address = address.split_once(']').map(|(address, port)| (address, is_port(port)));
            return address.is_some_and(|(address, port)| port && address.parse::<Ipv6Addr>().is_ok());
        }
        let (name, port) = authority.find(':').map_or((authority, ""), |colon| authority.split_at(colon));
        if !is_port(port) || !is_name(name) {
            return false;
        }
        let name = plain(name);
        let is_local = !name.contains('.') || LOCAL.iter().any(|end| name.ends_with(end));
        is_local
            || name.parse::<Ipv4Addr>().is_ok()
            || matches!(self, Self::Named(names) if names.contains(&name))
    }
}

/// Nothing, or a colon and a number.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|it| it.is_ascii_digit()))
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let text = text.strip_suffix('.').unwrap_or(text);
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(is_letter) && !text.starts_with('.')
}

/// Names differ neither by case nor by the dot of the root.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_a_list_or_all() {
        let named = Hosts::Named(vec!["bridge.example.org".into(), "solar.example".into()]);
        let rows = [
            ("", Ok(Hosts::Local)),
            (" , ", Ok(Hosts::Local)),
            ("*", Ok(Hosts::Any)),
            ("Bridge.example.org., solar.example", Ok(named)),
            ("http://a.example", Err("http://a.example".to_owned())),
            ("a.example:8080", Err("a.example:8080".to_owned())),
            (".example", Err(".example".to_owned())),
            ("*.example", Err("*.example".to_owned())),
        ];
        for (text, expected) in rows {
            assert_eq!(Hosts::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn only_what_nobody_outside_can_call_their_own_is_known() {
        let known = [
            "",
            "192.168.1.31",
            "192.168.1.31:8080",
            "[fd00::2]",
            "[::1]:8080",
            "localhost:8080",
            "LOCALHOST",
            "smiles",
            "hoymiles-smiles:8080",
            "home_server",
            "homeassistant.local",
            "HomeAssistant.Local.:8123",
            "bridge.home.arpa",
            "nas.lan:80",
            "pi.fritz.box:8080",
            "a.b.localhost",
            "bridge.example.org",
            "BRIDGE.example.org.:443",
            "smiles:",
        ];
        let strange = [
            "evil.example",
            "evil.example:8080",
            "evil.example.",
            "local.evil.example",
            "evilbridge.example.org",
            "evilfritz.box",
            "bridge.example.org.evil.example",
            "192.168.1.31.evil.example",
            "1.2.3.4.5",
            "127.1",
            "[::1].evil.example",
            "[evil.example]",
            "[::1",
            "::1",
            "a:b:c",
            "a:80a",
            "user@smiles",
            "smiles/x",
            "sm\u{ef}les",
            ".",
            ".local",
        ];
        let hosts = Hosts::parse("bridge.example.org").unwrap();
        for name in known {
            assert!(hosts.knows(name), "{name}");
        }
        for name in strange {
            assert!(!hosts.knows(name), "{name}");
            assert!(Hosts::Any.knows(name), "{name}");
        }
    }

    #[test]
    fn every_name_of_a_request_counts() {
        let rows: [(&str, &[&str], Option<&str>); 6] = [
            ("/x", &[], None),
            ("/x", &["smiles"], None),
            ("/x", &["evil.example"], Some("evil.example")),
            ("/x", &["smiles", "evil.example"], Some("evil.example")),
            ("http://evil.example:80/x", &["smiles"], Some("evil.example:80")),
            ("http://10.0.0.5/x", &["10.0.0.5"], None),
        ];
        for (target, said, expected) in rows {
            let headers = said.iter().map(|name| (HOST, http::HeaderValue::from_str(name).unwrap()));
            let mut all = HeaderMap::new();
            for (name, value) in headers {
                all.append(name, value);
            }
            let got = Hosts::Local.stranger(&target.parse().unwrap(), &all);
            assert_eq!(got.as_deref(), expected, "{target} {said:?}");
        }
    }
}
