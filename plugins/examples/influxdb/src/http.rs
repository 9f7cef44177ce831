//! The little HTTP that one POST needs: a connection per request, answers of bounded size, a limit on every wait.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use smiles_plugin_sdk::Error;

use crate::Options;

const LIMIT: Duration = Duration::from_secs(10);
const MAX_ANSWER: u64 = 64 << 10;

/// A server and a database on it.
pub(crate) struct Endpoint {
    address: String,
    path: String,
    authorization: String,
}

/// What the server said.
pub(crate) struct Answer {
    pub(crate) status: u16,
    body: String,
}

impl Answer {
    /// Its reason, in one line.
    pub(crate) fn reason(&self) -> String {
        let body = self.body.trim();
        let inner = body.strip_prefix("{\"error\":\"").and_then(|rest| rest.strip_suffix("\"}"));
        inner.unwrap_or(body).lines().next().unwrap_or("no reason").chars().take(200).collect()
    }
}

impl Endpoint {
    pub(crate) fn of(options: &Options) -> Result<Self, Error> {
        let rest = options.url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let address = rest.filter(|rest| !rest.is_empty() && !rest.contains('/'));
        let address = address.ok_or_else(|| Error::halt("`url` must be `http://HOST:PORT`"))?;
        let address = if address.rsplit(']').next().is_some_and(|rest| rest.contains(':')) {
            address.to_owned()
        } else {
            format!("{address}:8086")
        };
        let path = format!("/write?db={}&precision=u", quoted(&options.database));
        let authorization = if options.username.is_empty() {
            String::new()
        } else {
            let pair = format!("{}:{}", options.username, options.password);
            format!("Authorization: Basic {}\r\n", base64(pair.as_bytes()))
        };
        Ok(Self { address, path, authorization })
    }

    /// For messages.
    pub(crate) fn shown(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn post(&self, body: &str) -> Result<Answer, Error> {
        let failed = |error: std::io::Error| Error::retry(format!("cannot write to {}: {error}", self.shown()));
        let mut stream = self.connect().map_err(failed)?;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\n{}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.path,
            self.address,
            self.authorization,
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).map_err(failed)?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer).map_err(failed)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        let status = status.ok_or_else(|| Error::retry(format!("{} does not speak HTTP", self.shown())))?;
        Ok(Answer { status, body: body.to_owned() })
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let mut last = std::io::Error::other("the name has no address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, LIMIT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(LIMIT))?;
                    stream.set_write_timeout(Some(LIMIT))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Percent-encoded.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |index: usize| group.get(index).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            text.push(if place <= group.len() { char::from(LETTERS[letter]) } else { '=' });
        }
    }
    text
}
