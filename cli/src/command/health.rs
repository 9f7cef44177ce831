//! `smiles health`: asks a bridge whether it is ready. Plain sockets: it starts in a millisecond, every 30 seconds.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use smiles_config::Environment;
use smiles_stage::read_limited;

use crate::command::console::print;
use crate::command::one_off::ended_by_signals;
use crate::exit::Failure;

const TIMEOUT: Duration = Duration::from_secs(5);

const ANSWER_BYTES_MAX: u64 = 64 * 1024;

const TOKEN_BYTES_MAX: u64 = 64 * 1024;

pub(crate) fn run(args: &HealthArgs) -> Result<(), Failure> {
    let environment = Environment::from_process();
    let set = |name: &str| environment.get(name).map(str::trim).filter(|value| !value.is_empty());
    let off = set("HEALTH_ENABLED")
        .is_some_and(|word| ["false", "no", "off", "0"].contains(&word.to_ascii_lowercase().as_str()));
    if off && args.url.is_none() {
        return print("there is no API to ask: HEALTH_ENABLED is off\n");
    }
    let port = set("HEALTH_PORT").unwrap_or("8080");
    let url = args.url.clone().unwrap_or_else(|| format!("http://{}:{port}/ready", host(set("HEALTH_HOST"))));
    ended_by_signals()?;
    let (authority, path) = parts(&url).map_err(Failure::configuration)?;
    // Of this bridge, and so for no other: with it, what is missing comes with its cause.
    let token = if args.url.is_none() { token(&set) } else { None };
    let answer =
        ask(&authority, &path, token.as_deref()).with_context(|| format!("{url} does not answer"))?;
    let status = answer.split_whitespace().nth(1).unwrap_or("nothing");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim();
    if status == "200" {
        return print(&format!("{body}\n"));
    }
    Err(anyhow!("{url} answers {status}: {body}").into())
}

/// Where the API of this machine listens; one that listens on every address does so on loopback.
fn host(listens: Option<&str>) -> String {
    match listens.map(|host| host.trim_matches(['[', ']'])) {
        None | Some("0.0.0.0") => "127.0.0.1".to_owned(),
        Some("::") => "[::1]".to_owned(),
        Some(host) if host.contains(':') => format!("[{host}]"),
        Some(host) => host.to_owned(),
    }
}

/// `host:port` and the path of an http URL.
fn parts(url: &str) -> anyhow::Result<(String, String)> {
    let rest = url.strip_prefix("http://").with_context(|| format!("`{url}` does not begin with http://"))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.is_empty() || authority.contains('@') {
        bail!("`{url}` names no host");
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let authority = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    Ok((authority, format!("/{path}")))
}

/// The token of the API, if it has one that can stand in a header and that this user may read.
fn token<'a>(set: &impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let kept = || {
        // Without it the answer says less, and the check goes on.
        read_limited::<String>(Path::new(set("API_TOKEN_FILE")?), TOKEN_BYTES_MAX).ok()
    };
    let token = set("API_TOKEN").map(str::to_owned).or_else(kept)?.trim().to_owned();
    (!token.is_empty() && !token.contains(char::is_control)).then_some(token)
}

fn ask(authority: &str, path: &str, token: Option<&str>) -> anyhow::Result<String> {
    let address = authority.to_socket_addrs()?.next().context("the host name has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {authority}\r\n{token}Connection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  smiles health                                asks http://127.0.0.1:$HEALTH_PORT/ready
  smiles health --url http://192.168.1.5:8080/ready

Exit code 0: ready; 1: not.")]
pub(crate) struct HealthArgs {
    /// What to ask [default: http://127.0.0.1:$HEALTH_PORT/ready]
    #[arg(long)]
    pub(crate) url: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::{host, parts, token};

    #[test]
    fn the_api_is_asked_where_it_listens() {
        let rows = [
            (None, "127.0.0.1"),
            (Some("0.0.0.0"), "127.0.0.1"),
            (Some("::"), "[::1]"),
            (Some("10.0.0.5"), "10.0.0.5"),
            (Some("fd00::2"), "[fd00::2]"),
        ];
        for (listens, asked) in rows {
            assert_eq!(host(listens), asked);
        }
    }

    #[test]
    fn the_token_is_the_one_that_the_bridge_has() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "sesame\n").unwrap();
        let path = file.to_str().unwrap();
        let rows = [
            (vec![], None),
            (vec![("API_TOKEN", "open")], Some("open")),
            (vec![("API_TOKEN_FILE", path)], Some("sesame")),
            (vec![("API_TOKEN_FILE", "/nofile")], None),
            (vec![("API_TOKEN_FILE", "/dev/zero")], None),
            (vec![("API_TOKEN", "a\r\nb")], None),
        ];
        for (variables, expected) in rows {
            let set =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            assert_eq!(token(&set).as_deref(), expected, "{variables:?}");
        }
    }

    #[test]
    fn a_url_falls_into_its_parts() {
        let rows = [
            ("http://127.0.0.1:8080/ready", "127.0.0.1:8080", "/ready"),
            ("http://bridge", "bridge:80", "/"),
            ("http://[::1]:9000/a/b?c=d", "[::1]:9000", "/a/b?c=d"),
            ("http://[::1]/ready", "[::1]:80", "/ready"),
        ];
        for (url, authority, path) in rows {
            assert_eq!(parts(url).unwrap(), (authority.to_owned(), path.to_owned()));
        }
        for bad in ["https://bridge/", "bridge:8080", "http:///ready", "http://user@host/"] {
            assert!(parts(bad).is_err(), "{bad} was taken for a URL");
        }
    }
}
