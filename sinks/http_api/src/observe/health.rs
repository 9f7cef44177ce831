//! `/health` and `/ready`: whether readings arrive, from the runtime's state. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use smiles_stage::{Health, Process, SinkHealth, SinkState, SourceHealth, SourceState};

use crate::current::fresh::is_fresh;
use crate::text::json::instant;

/// Who is told. Names, addresses and errors are for those who may read the rest of the API as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Sent the token, or none is asked for.
    Trusted,
    /// Anybody else: a container engine, a balancer, a client that does not know of the token yet.
    Stranger,
}

/// Whether at least one source is fresh.
pub(crate) fn is_healthy(health: &Health, offline_after: Duration) -> bool {
    health.sources.iter().any(|source| is_fresh(source, offline_after))
}

/// The body of `/health`; the sources stand under `sources_key`.
pub(crate) fn body(
    health: &Health,
    bridge: &Process,
    sources_key: &str,
    offline_after: Duration,
    audience: Audience,
) -> Value {
    if audience == Audience::Stranger {
        // By these members clients know a bridge, and whether they are of its time, before they ask their owner for a token.
        return json!({
            "healthy": is_healthy(health, offline_after),
            "uptime_seconds": health.uptime.as_secs(),
            sources_key: {},
            "bridge": {"version": bridge.version, "auth": "bearer"},
        });
    }
    let sources: Map<String, Value> =
        health.sources.iter().map(|source| (source.name.clone(), source_body(source))).collect();
    let sinks: Map<String, Value> =
        health.sinks.iter().map(|sink| (sink.name.clone(), sink_body(sink))).collect();
    let journal = &health.journal;
    json!({
        "healthy": is_healthy(health, offline_after),
        "uptime_seconds": health.uptime.as_secs(),
        "start_time": instant(health.started),
        sources_key: sources,
        "pipeline": health.pipeline,
        "sinks": sinks,
        "journal": {
            "writable": journal.writable,
            "size_bytes": journal.size_bytes,
            "max_size_bytes": journal.max_size_bytes,
            "full": journal.full,
        },
        "warnings": health.warnings,
        "bridge": {"id": bridge.id, "version": bridge.version},
    })
}

fn source_body(source: &SourceHealth) -> Value {
    let (error, error_time) = last_error(source.last_error.as_ref());
    json!({
        "status": match source.state {
            SourceState::Unknown => "unknown",
            SourceState::Online => "online",
            SourceState::Error => "error",
        },
        "last_successful_query": source.last_success.map(instant),
        "seconds_since_last_success": source.since_success.map(|since| since.as_secs()),
        "query_count": source.success_count,
        "error_count": source.error_count,
        "last_error": error,
        "last_error_time": error_time,
        "address": source.address,
        "every_seconds": source.every.map(|every| every.as_secs_f64()),
        "stretched": source.stretched,
    })
}

fn sink_body(sink: &SinkHealth) -> Value {
    let (error, error_time) = last_error(sink.last_error.as_ref());
    json!({
        "state": match sink.state {
            SinkState::Starting => "starting",
            SinkState::Delivering => "delivering",
            SinkState::Retrying => "retrying",
            SinkState::Halted => "halted",
        },
        "type": sink.type_name,
        "last_error": error,
        "last_error_time": error_time,
        "accepted": sink.accepted,
        "delivered": sink.delivered,
        "dead_lettered": sink.dead_lettered,
        "dropped": sink.dropped,
        "lost": sink.lost,
        "waiting": sink.waiting,
    })
}

fn last_error(error: Option<&(Timestamp, String)>) -> (Option<&str>, Option<String>) {
    (error.map(|(_, message)| message.as_str()), error.map(|(time, _)| instant(*time)))
}

/// What keeps the bridge from being ready; empty: it is.
pub(crate) fn missing(health: &Health, offline_after: Duration, audience: Audience) -> Vec<String> {
    let mut missing = Vec::new();
    if !health.journal.writable {
        missing.push("the journal cannot be written".to_owned());
    }
    if !is_healthy(health, offline_after) {
        let sources: Vec<String> = health.sources.iter().map(silent).collect();
        missing.push(match sources.as_slice() {
            _ if audience == Audience::Stranger => "no source can be read".to_owned(),
            [] => "the pipeline has no source".to_owned(),
            sources => format!("no source can be read: {}", sources.join("; ")),
        });
    }
    missing
}

fn silent(source: &SourceHealth) -> String {
    match (source.since_success, &source.last_error) {
        (_, Some((_, error))) => format!("{}: {error}", source.name),
        (Some(since), None) => format!("{}: last success {} s ago", source.name, since.as_secs()),
        (None, None) => format!("{}: no poll has finished yet", source.name),
    }
}

#[cfg(test)]
mod tests {
    use smiles_stage::JournalHealth;

    use super::*;

    fn source(since: Option<u64>, every: Option<u64>) -> SourceHealth {
        SourceHealth {
            name: "A".into(),
            address: "tcp://a".into(),
            state: if since.is_some() { SourceState::Online } else { SourceState::Unknown },
            every: every.map(Duration::from_secs),
            stretched: false,
            last_success: since.map(|_| Timestamp::UNIX_EPOCH),
            since_success: since.map(Duration::from_secs),
            success_count: 4,
            error_count: 0,
            last_error: None,
        }
    }

    fn health(sources: Vec<SourceHealth>, writable: bool) -> Health {
        Health {
            pipeline: "p".into(),
            started: Timestamp::UNIX_EPOCH,
            uptime: Duration::from_millis(18_520),
            sources,
            sinks: Vec::new(),
            journal: JournalHealth { writable, ..JournalHealth::default() },
            warnings: Vec::new(),
            queued: 0,
        }
    }

    #[test]
    fn one_fresh_source_makes_it_healthy() {
        let limit = Duration::from_secs(300);
        let rows = [
            (vec![], false),
            (vec![source(None, Some(60))], false),
            (vec![source(Some(300), Some(60))], true),
            (vec![source(Some(301), Some(60))], false),
            (vec![source(Some(900), Some(300))], true),
            (vec![source(Some(901), Some(300))], false),
            (vec![source(Some(301), None)], false),
            (vec![source(None, None), source(Some(0), None)], true),
        ];
        for (sources, expected) in rows {
            let health = health(sources, true);
            assert_eq!(is_healthy(&health, limit), expected, "{:?}", health.sources);
            assert_eq!(missing(&health, limit, Audience::Trusted).is_empty(), expected);
        }
        assert_eq!(
            missing(&health(vec![source(Some(0), None)], false), limit, Audience::Stranger),
            ["the journal cannot be written"]
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let limit = Duration::from_secs(300);
        let mut failed = source(Some(400), None);
        failed.last_error = Some((Timestamp::UNIX_EPOCH, "connection refused".into()));
        let health = health(vec![source(None, None), source(Some(400), None), failed], true);
        assert_eq!(
            missing(&health, limit, Audience::Trusted),
            [
                "no source can be read: A: no poll has finished yet; A: last success 400 s ago; A: connection refused"
            ]
        );
        assert_eq!(missing(&health, limit, Audience::Stranger), ["no source can be read"]);
    }
}
