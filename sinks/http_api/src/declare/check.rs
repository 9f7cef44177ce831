//! Checks of the options that need no columns: everything wrong with them, at once.

pub(crate) mod metrics;
pub(crate) mod route;

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;

use jiff::tz::TimeZone;
use smiles_stage::{Path, Problem, Problems, time_zone};

use crate::declare::config::access::Secret;
use crate::declare::config::api::{Config, Limits, Resources, duration};
use crate::declare::config::discovery::Discovery;
use crate::declare::frames::Frames;
use crate::declare::hosts::Hosts;
use crate::declare::origins::Origins;
use crate::declare::resource::Resource;
use crate::text::spell;
use crate::text::spell::Step;

/// Paths the engine answers itself, now or later.
const RESERVED: &[&str] =
    &["/health", "/ready", "/metrics", "/stats", "/api", "/api/events", "/docs", "/openapi.json"];

/// Keys of `/health` that the object of sources cannot take.
const HEALTH_KEYS: &[&str] =
    &["healthy", "uptime_seconds", "start_time", "pipeline", "sinks", "journal", "warnings", "bridge"];

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an address without brackets.
    pub host: String,
    /// 0: any free one.
    pub port: u16,
}

/// Limits as numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// See [`Limits::connections`].
    pub connections: usize,
    /// See [`Limits::request_head`].
    pub request_head: Duration,
    /// See [`Limits::answer`].
    pub answer: Duration,
    /// See [`Limits::store_queries`].
    pub store_queries: usize,
    /// See [`Limits::rows`].
    pub rows: usize,
    /// See [`Limits::stall`].
    pub stall: Duration,
    /// See [`Limits::transfer`].
    pub transfer: Duration,
    /// See [`Limits::followers`].
    pub followers: usize,
    /// See [`Limits::heartbeat`].
    pub heartbeat: Duration,
}

/// Options that are sound as far as they can be without columns.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Where to listen.
    pub address: Address,
    /// See [`Config::offline_after`].
    pub offline_after: Duration,
    /// Limits.
    pub bounds: Bounds,
    /// Routes, without questions yet.
    pub resources: Vec<Resource>,
    /// See [`Config::timezone`].
    pub zone: TimeZone,
    /// See [`Config::allow_origins`].
    pub origins: Origins,
    /// See [`Config::allow_hosts`].
    pub hosts: Hosts,
    /// See [`Config::frame_ancestors`].
    pub frames: Frames,
}

/// Checks the options.
///
/// # Errors
/// Everything wrong with them.
pub(crate) fn check(config: &Config, pages: &[&str]) -> Result<Checked, Problems> {
    let mut problems = Problems::new();
    let root = Path::root();
    let address = parse_address(&config.listen);
    if let Err(message) = &address {
        problems.push(
            Problem::error(root.key("listen"), message.clone())
                .help("write HOST:PORT, such as `0.0.0.0:8080` or `[::]:8080`"),
        );
    }
    let offline_after = time(&config.offline_after, root.key("offline_after"), &mut problems);
    let bounds = check_limits(&config.limits, &root.key("limits"), &mut problems);
    let resources = check_resources(&config.resources, pages, &root.key("resources"), &mut problems);
    metrics::check(&config.metrics, &config.resources, &root.key("metrics"), &mut problems);
    let zone = time_zone(&config.timezone, root.key("timezone")).unwrap_or_else(|problem| {
        problems.push(problem);
        TimeZone::UTC
    });
    if !(0..=23).contains(&config.reset_hour) {
        let message = format!("{} is no hour of the day: 0 to 23", config.reset_hour);
        problems.push(Problem::error(root.key("reset_hour"), message));
    }
    if !config.token.0.is_empty() && !config.token_file.is_empty() {
        let problem = Problem::error(root.key("token_file"), "both `token` and `token_file` are set");
        problems.push(problem.help("keep one of them"));
    }
    if !config.token_file.is_empty()
        && let Err(error) = Secret::read(&config.token_file)
    {
        let message = format!("cannot read the token from {}: {error}", config.token_file);
        let problem = Problem::error(root.key("token_file"), message);
        problems.push(problem.help("name a file with the token in it that this user may read"));
    }
    if let Some(discovery) = &config.discovery {
        check_discovery(discovery, &root.key("discovery"), &mut problems);
    }
    let (origins, hosts, frames) = check_names(config, &root, &mut problems);
    match address {
        Ok(address) if problems.is_empty() => {
            Ok(Checked { address, offline_after, bounds, resources, zone, origins, hosts, frames })
        }
        Ok(_) | Err(_) => Err(problems),
    }
}

/// Whose pages may read and frame, and how the API may be called.
fn check_names(config: &Config, root: &Path, problems: &mut Problems) -> (Origins, Hosts, Frames) {
    let mut wrong = |key: &str, message: String, help: &str| {
        problems.push(Problem::error(root.key(key), message).help(help));
    };
    let origins = Origins::parse(&config.allow_origins).unwrap_or_else(|bad| {
        let help = "write origins such as `https://home.example:8123`, by commas, or `*`";
        wrong("allow_origins", format!("`{bad}` is no origin"), help);
        Origins::Own
    });
    let hosts = Hosts::parse(&config.allow_hosts).unwrap_or_else(|bad| {
        let help = "write names such as `bridge.example.org`, without scheme and port, by commas, or `*`";
        wrong("allow_hosts", format!("`{bad}` is no name of a host"), help);
        Hosts::Local
    });
    let frames = Frames::parse(&config.frame_ancestors).unwrap_or_else(|bad| {
        let help =
            "write origins such as `http://homeassistant.local:8123`, by commas, or `self`, `none`, `*`";
        wrong("frame_ancestors", format!("`{bad}` is no page that could frame the dashboard"), help);
        Frames::Unsaid
    });
    (origins, hosts, frames)
}

fn parse_address(listen: &str) -> Result<Address, String> {
    let Some((host, port)) = listen.trim().rsplit_once(':') else {
        return Err(format!("`{listen}` has no port"));
    };
    let port = port.parse().map_err(|_| format!("`{port}` is no port: a number from 0 to 65535"))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || host.contains(char::is_whitespace) || host.contains(['[', ']', '/']) {
        return Err(format!("`{listen}` has no host before the port"));
    }
    if host.contains(':') && host.parse::<Ipv6Addr>().is_err() {
        return Err(format!("`{listen}` has more than one port"));
    }
    Ok(Address { host: host.to_owned(), port })
}

fn time(text: &str, at: Path, problems: &mut Problems) -> Duration {
    duration(text).unwrap_or_else(|| {
        problems.push(
            Problem::error(at, format!("`{text}` is no duration"))
                .help("write a number and `ms`, `s`, `m` or `h`"),
        );
        Duration::ZERO
    })
}

fn check_discovery(discovery: &Discovery, at: &Path, problems: &mut Problems) {
    let name = discovery.service.strip_prefix('_').and_then(|service| service.strip_suffix("._tcp"));
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let sound = name.is_some_and(|name| {
        (1..=15).contains(&name.len())
            && name.bytes().all(is_part)
            && !name.starts_with('-')
            && !name.ends_with('-')
    });
    if !sound {
        let message = format!("`{}` is no type of service", discovery.service);
        let help = "write `_NAME._tcp`; NAME has at most 15 letters, digits and hyphens";
        problems.push(Problem::error(at.key("service"), message).help(help));
    }
    if !(1..=63).contains(&discovery.name.len()) {
        let message = format!("a name of {} bytes; it has 1 to 63", discovery.name.len());
        problems.push(Problem::error(at.key("name"), message));
    }
}

fn check_limits(limits: &Limits, at: &Path, problems: &mut Problems) -> Bounds {
    let counts = [
        ("connections", limits.connections, 8),
        ("store_queries", limits.store_queries, 1),
        ("rows", limits.rows, 1),
        ("followers", limits.followers, 1),
    ];
    for (name, count, least) in counts {
        if count < least {
            problems.push(Problem::error(at.key(name), format!("{count} is too few: at least {least}")));
        }
    }
    Bounds {
        connections: limits.connections,
        request_head: time(&limits.request_head, at.key("request_head"), problems),
        answer: time(&limits.answer, at.key("answer"), problems),
        store_queries: limits.store_queries,
        rows: limits.rows,
        stall: time(&limits.stall, at.key("stall"), problems),
        transfer: time(&limits.transfer, at.key("transfer"), problems),
        followers: limits.followers,
        heartbeat: time(&limits.heartbeat, at.key("heartbeat"), problems),
    }
}

fn check_resources(
    resources: &Resources,
    pages: &[&str],
    at: &Path,
    problems: &mut Problems,
) -> Vec<Resource> {
    let sources = &resources.health.sources;
    if sources.is_empty() || HEALTH_KEYS.contains(&sources.as_str()) {
        let message = format!("`{sources}` cannot name the sources: /health has another key of this name");
        problems.push(Problem::error(at.key("/health").key("sources"), message));
    }
    let mut paths = Paths { pages, taken: BTreeMap::new(), names: BTreeMap::new() };
    let mut checked = Vec::new();
    for (path, route) in resources.routes.iter() {
        let at = at.key(path);
        let steps = spell::template(path).unwrap_or_else(|message| {
            problems.push(Problem::error(at.clone(), message));
            Vec::new()
        });
        paths.add(path, &steps, &at, problems);
        let params = route::parameters(route, &steps, &at, problems);
        route::check(route, &params, &at, problems);
        checked.push(Resource {
            path: path.to_owned(),
            route: route.clone(),
            params,
            plan: None,
            totals: None,
        });
    }
    checked
}

/// Paths taken so far, by shape; and the parameter's name at each place.
struct Paths<'a> {
    /// What the server itself has.
    pages: &'a [&'a str],
    taken: BTreeMap<String, &'a str>,
    names: BTreeMap<String, &'a str>,
}

impl<'a> Paths<'a> {
    fn add(&mut self, path: &'a str, steps: &[Step<'a>], at: &Path, problems: &mut Problems) {
        if RESERVED.contains(&path) || self.pages.contains(&path) {
            problems.push(
                Problem::error(at.clone(), format!("the path `{path}` is answered by the engine itself"))
                    .help("choose another path"),
            );
        }
        let mut shape = String::new();
        for step in steps {
            match step {
                Step::Fixed(text) => shape = format!("{shape}/{text}"),
                Step::Parameter(name) => {
                    shape.push_str("/{}");
                    let first = self.names.entry(shape.clone()).or_insert(name);
                    if first != name {
                        let message = format!("`{{{name}}}` is called `{{{first}}}` in another path");
                        problems.push(Problem::error(at.clone(), message).help("use one name for one place"));
                    }
                }
            }
        }
        if let Some(other) = self.taken.insert(shape, path)
            && !steps.is_empty()
        {
            problems.push(Problem::error(at.clone(), format!("`{path}` and `{other}` are the same path")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        let rows = [
            ("0.0.0.0:8080", Some(("0.0.0.0", 8080))),
            ("[::1]:0", Some(("::1", 0))),
            (":::8080", Some(("::", 8080))),
            ("localhost:1", Some(("localhost", 1))),
            ("8080", None),
            (":8080", None),
            ("a:b", None),
            ("a:65536", None),
            ("[::1]", None),
            ("", None),
        ];
        for (text, expected) in rows {
            let got = parse_address(text).ok();
            assert_eq!(got.as_ref().map(|a| (a.host.as_str(), a.port)), expected, "{text}");
        }
    }
}
