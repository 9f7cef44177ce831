//! How long what a source said holds.

use std::time::Duration;

use smiles_stage::{Health, SinkState, SourceHealth};

/// Whether a source had a success within `offline_after`, or three of its periods if that is longer.
pub(crate) fn is_fresh(source: &SourceHealth, offline_after: Duration) -> bool {
    source.since_success.is_some_and(|since| since <= patience(source, offline_after))
}

/// How long what a source said holds.
pub(crate) fn patience(source: &SourceHealth, offline_after: Duration) -> Duration {
    source.every.map_or(offline_after, |every| offline_after.max(every.saturating_mul(3)))
}

/// The same of the source of this name, if it is fresh.
pub(crate) fn patience_with(health: &Health, name: &str, offline_after: Duration) -> Option<Duration> {
    let mut sources = health.sources.iter().filter(|source| source.name == name);
    sources.find(|source| is_fresh(source, offline_after)).map(|source| patience(source, offline_after))
}

/// How the sink of this name is doing; `None`: there is none.
pub(crate) fn sink_state(health: &Health, name: Option<&str>) -> Option<SinkState> {
    let mut sinks = health.sinks.iter();
    sinks.find(|sink| Some(sink.name.as_str()) == name).map(|sink| sink.state)
}
