//! A client that shows everything of an answer.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::bridge::{PATIENCE, now, pause};

/// One answer.
pub(super) struct Reply {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

/// GET with these headers.
pub(super) fn get(address: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
    ask("GET", address, target, headers)
}

/// GET with these headers until the answer satisfies `accept`; panics with the last one if none does.
pub(super) fn eventually(
    address: &str,
    target: &str,
    headers: &[(&str, &str)],
    accept: impl Fn(&Reply) -> bool,
) -> Reply {
    let deadline = now() + PATIENCE;
    loop {
        let reply = get(address, target, headers);
        if accept(&reply) {
            return reply;
        }
        assert!(now() < deadline, "{target} still answers {} {}", reply.status, reply.text());
        pause();
    }
}

pub(super) fn ask(method: &str, address: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
    let mut stream = TcpStream::connect(address).expect("the API listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    // A server that refuses what it has not read whole resets the connection, after its answer.
    _ = write!(stream, "{method} {target} HTTP/1.1\r\nHost: {address}\r\n{more}Connection: close\r\n\r\n");
    let mut answer = Vec::new();
    _ = stream.read_to_end(&mut answer);
    Reply::parse(&answer)
}

impl Reply {
    fn parse(answer: &[u8]) -> Self {
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(answer)));
        let head = String::from_utf8(answer[..end].to_vec()).expect("a head is text");
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
        let body = &answer[end + 4..];
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Self { status, head, body: if chunked { joined(body) } else { body.to_vec() } }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The detail of a problem of this status.
    #[track_caller]
    pub(super) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        self.json()["detail"].as_str().expect("a detail").to_owned()
    }

    /// The target of the next page.
    pub(super) fn next(&self) -> Option<String> {
        let link = self.header("link")?;
        let (target, rel) = link.strip_prefix('<')?.split_once('>')?;
        assert_eq!(rel, "; rel=\"next\"");
        Some(target.to_owned())
    }
}

/// A chunked body without its chunk sizes; panics where its end is missing.
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|bytes| bytes == b"\r\n").expect("the answer was cut off");
        let size = std::str::from_utf8(&body[..end]).ok().and_then(|it| usize::from_str_radix(it, 16).ok());
        let size = size.expect("a chunk has a size");
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
}
