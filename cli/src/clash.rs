//! What two pipelines of one process cannot both have: a name, which is that of a journal, and an address to listen on.
//! Said by `check` with both places, or each would find the other and take it for a stranger.

use std::net::{IpAddr, Ipv4Addr};

use smiles_config::{Loaded, NodeId};
use smiles_runtime::Wired;
use smiles_stage::{Path, Problem};

/// One of the pipelines.
pub(crate) struct Claimant<'a> {
    pub(crate) loaded: &'a mut Loaded,
    pub(crate) wired: &'a Wired,
}

/// Something of one pipeline that no other may have.
struct Claim {
    pipeline: usize,
    node: NodeId,
    key: &'static str,
    what: What,
}

enum What {
    Name(String),
    /// By this sink.
    Address(String, String),
}

/// Adds an error for everything that was claimed before.
pub(crate) fn find(pipelines: &mut [Claimant<'_>]) {
    let claims: Vec<Claim> =
        pipelines.iter().enumerate().flat_map(|(at, pipeline)| claims(at, pipeline)).collect();
    for (at, claim) in claims.iter().enumerate() {
        let Some((first, problem)) =
            claims[..at].iter().find_map(|first| Some((first, clash(first, claim)?)))
        else {
            continue;
        };
        let there = &pipelines[first.pipeline].loaded.diagnostics;
        let place = there.place_at(first.node, &Path::root().key(first.key));
        let place = place.map_or(String::new(), |place| {
            format!(", first in {}:{}:{}", place.file, place.line, place.column)
        });
        let message = format!("{}{place}", problem.message);
        pipelines[claim.pipeline].loaded.diagnostics.problem(claim.node, Problem { message, ..problem });
    }
}

/// Of a pipeline that runs.
fn claims(at: usize, pipeline: &Claimant<'_>) -> Vec<Claim> {
    let Claimant { loaded, wired } = pipeline;
    if loaded.pipeline.as_ref().is_some_and(|pipeline| !pipeline.enabled) {
        return Vec::new();
    }
    let name = What::Name(wired.name().to_owned());
    let mut claims = vec![Claim { pipeline: at, node: loaded.root, key: "pipeline", what: name }];
    claims.extend(wired.listeners().map(|(node, sink, address)| {
        let what = What::Address(address, sink.to_owned());
        Claim { pipeline: at, node, key: "listen", what }
    }));
    claims
}

fn clash(first: &Claim, second: &Claim) -> Option<Problem> {
    let at = Path::root().key(second.key);
    match (&first.what, &second.what) {
        (What::Name(one), What::Name(other)) if one == other => {
            let problem = Problem::error(at, format!("two pipelines are called `{one}`"));
            Some(problem.help("each has a journal of its name: call one of them otherwise"))
        }
        (What::Address(one, sink), What::Address(other, _)) if overlap(one, other) => {
            let both = if one == other { one.clone() } else { format!("{one} and {other}") };
            let problem = Problem::error(at, format!("two sinks listen on {both}; the other is `{sink}`"));
            Some(problem.help("give one of them another port; 0 is any free one"))
        }
        _ => None,
    }
}

/// Whether nobody can listen on both.
fn overlap(one: &str, other: &str) -> bool {
    let (Some((one, one_port)), Some((other, other_port))) = (one.rsplit_once(':'), other.rsplit_once(':'))
    else {
        return false;
    };
    one_port == other_port && (one.eq_ignore_ascii_case(other) || hosts_overlap(one, other))
}

fn hosts_overlap(one: &str, other: &str) -> bool {
    let is_any = |host: Option<IpAddr>| host.is_some_and(|host| host.is_unspecified());
    let (one, other) = (address(one), address(other));
    match (one, other) {
        (Some(one), Some(other)) if one == other => true,
        // All addresses of the fourth version; those of the sixth are all, on this system.
        (Some(IpAddr::V4(any)), Some(IpAddr::V6(v6))) | (Some(IpAddr::V6(v6)), Some(IpAddr::V4(any)))
            if any.is_unspecified() =>
        {
            v6.is_unspecified()
        }
        _ => is_any(one) || is_any(other),
    }
}

/// `None`: a name, which is looked up when it is listened on.
fn address(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_overlap_where_nobody_can_listen_on_both() {
        for (one, other, expected) in [
            ("0.0.0.0:8080", "0.0.0.0:8080", true),
            ("0.0.0.0:8080", "127.0.0.1:8080", true),
            ("127.0.0.1:8080", "localhost:8080", true),
            ("[::]:8080", "0.0.0.0:8080", true),
            ("[::]:8080", "10.0.0.5:8080", true),
            ("[::1]:8080", "[::]:8080", true),
            ("[::1]:8080", "0.0.0.0:8080", false),
            ("[::1]:8080", "127.0.0.1:8080", false),
            ("0.0.0.0:8080", "0.0.0.0:8081", false),
            ("10.0.0.5:8080", "10.0.0.6:8080", false),
            ("Pi.local:8080", "pi.local:8080", true),
            ("pi.local:8080", "0.0.0.0:8080", true),
            ("pi.local:8080", "10.0.0.5:8080", false),
        ] {
            assert_eq!(overlap(one, other), expected, "{one} and {other}");
            assert_eq!(overlap(other, one), expected, "{other} and {one}");
        }
    }
}
