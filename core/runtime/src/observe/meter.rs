//! The runtime's own series. One set per process, shared by all its pipelines.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use smiles_stage::prometheus::core::{Collector, Desc};
use smiles_stage::prometheus::proto::MetricFamily;
use smiles_stage::prometheus::{
    Counter, CounterVec, Error, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter,
    IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use smiles_stage::{Clock, Health, HealthView};

use crate::observe::health_board::HealthBoard;

const PASS_SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// All series, registered. Cloning shares them.
#[derive(Clone)]
pub struct Meters {
    registry: Registry,
    passes: IntCounterVec,
    pass_seconds: HistogramVec,
    source_errors: IntCounterVec,
    source_up: IntGaugeVec,
    source_rows: IntCounterVec,
    breaker: IntGaugeVec,
    transform_seconds: CounterVec,
    transform_rows: IntCounterVec,
    transform_errors: IntCounterVec,
    append_seconds: HistogramVec,
    sink_rows: IntCounterVec,
    sink_errors: IntCounterVec,
    swallowed: IntCounterVec,
    flush_seconds: HistogramVec,
    boards: Arc<Mutex<Vec<Weak<HealthBoard>>>>,
}

impl Meters {
    /// Registers every series. `clock` counts the uptime from now.
    ///
    /// # Errors
    /// A name is taken: the registry has a set already.
    pub fn new(registry: Registry, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let r = &registry;
        let source = ["pipeline", "source"];
        let transform = ["pipeline", "transform"];
        let sink = ["pipeline", "sink"];
        let with = |names: [&'static str; 2], more: &'static str| [names[0], names[1], more];
        let boards = Arc::new(Mutex::new(Vec::new()));
        let meters = Self {
            passes: counter(
                r,
                "smiles_source_passes_total",
                "Polls of a source, by outcome.",
                &with(source, "outcome"),
            )?,
            pass_seconds: histogram(r, "smiles_source_pass_seconds", "How long polls took.", &source)?,
            source_errors: counter(
                r,
                "smiles_source_errors_total",
                "Polls that failed completely (pass, halt, panic) or in part (partial).",
                &with(source, "kind"),
            )?,
            source_up: gauge(r, "smiles_source_up", "Whether the last poll returned rows.", &source)?,
            source_rows: counter(r, "smiles_source_rows_total", "Rows read from a source.", &source)?,
            breaker: gauge(
                r,
                "smiles_source_breaker_state",
                "1 while the source is polled less often because it fails.",
                &source,
            )?,
            transform_seconds: seconds(
                r,
                "smiles_transform_seconds_total",
                "Time spent in a transform.",
                &transform,
            )?,
            transform_rows: counter(
                r,
                "smiles_transform_rows_total",
                "Rows that entered and left a transform.",
                &with(transform, "direction"),
            )?,
            transform_errors: counter(
                r,
                "smiles_transform_errors_total",
                "Batches a transform failed on, rows it rejected.",
                &with(transform, "kind"),
            )?,
            append_seconds: histogram(
                r,
                "smiles_journal_append_seconds",
                "How long it took to write a batch to the journal.",
                &["pipeline"],
            )?,
            sink_rows: counter(
                r,
                "smiles_sink_rows_total",
                "Rows that a sink needs no more, by outcome.",
                &with(sink, "outcome"),
            )?,
            sink_errors: counter(r, "smiles_sink_errors_total", "Failed attempts.", &with(sink, "kind"))?,
            swallowed: counter(
                r,
                "smiles_sink_swallowed_rows_total",
                "Rows of tables that the target took and did not keep (a trigger left them out).",
                &sink,
            )?,
            flush_seconds: histogram(
                r,
                "smiles_sink_flush_seconds",
                "How long a sink took to make a write durable.",
                &sink,
            )?,
            boards: Arc::clone(&boards),
            registry: registry.clone(),
        };
        registry.register(Box::new(AtScrape::new(clock, boards)?))?;
        Ok(meters)
    }

    /// Where stages register their own series.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Shows this pipeline's books from now on, as long as it runs.
    pub(crate) fn show(&self, health_board: &Arc<HealthBoard>) {
        let mut boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        boards.retain(|shown| shown.strong_count() > 0);
        boards.push(Arc::downgrade(health_board));
    }

    pub(crate) fn source(&self, pipeline: &str, source: &str) -> SourceMeters {
        let both = [pipeline, source];
        let kind = |kind| self.source_errors.with_label_values(&[pipeline, source, kind]);
        SourceMeters {
            successes: self.passes.with_label_values(&[pipeline, source, "success"]),
            failures: self.passes.with_label_values(&[pipeline, source, "error"]),
            seconds: self.pass_seconds.with_label_values(&both),
            errors: SourceErrors {
                pass: kind("pass"),
                partial: kind("partial"),
                halt: kind("halt"),
                panic: kind("panic"),
            },
            up: self.source_up.with_label_values(&both),
            rows: self.source_rows.with_label_values(&both),
            breaker: self.breaker.with_label_values(&both),
        }
    }

    pub(crate) fn transform(&self, pipeline: &str, transform: &str) -> TransformMeters {
        let rows = |direction| self.transform_rows.with_label_values(&[pipeline, transform, direction]);
        let errors = |kind| self.transform_errors.with_label_values(&[pipeline, transform, kind]);
        TransformMeters {
            seconds: self.transform_seconds.with_label_values(&[pipeline, transform]),
            rows_in: rows("in"),
            rows_out: rows("out"),
            failed: errors("failed"),
            rejected: errors("rejected"),
        }
    }

    pub(crate) fn append_seconds(&self, pipeline: &str) -> Histogram {
        self.append_seconds.with_label_values(&[pipeline])
    }

    pub(crate) fn sink(&self, pipeline: &str, sink: &str) -> SinkMeters {
        let rows = |outcome| self.sink_rows.with_label_values(&[pipeline, sink, outcome]);
        let kinds = ["retry", "halt", "reject", "panic"];
        SinkMeters {
            delivered: rows("delivered"),
            dead_lettered: rows("dead_lettered"),
            swallowed: self.swallowed.with_label_values(&[pipeline, sink]),
            errors: kinds.map(|kind| (kind, self.sink_errors.with_label_values(&[pipeline, sink, kind]))),
            flush: self.flush_seconds.with_label_values(&[pipeline, sink]),
        }
    }
}

/// One source's series.
pub(crate) struct SourceMeters {
    pub(crate) successes: IntCounter,
    pub(crate) failures: IntCounter,
    pub(crate) seconds: Histogram,
    pub(crate) errors: SourceErrors,
    pub(crate) up: IntGauge,
    pub(crate) rows: IntCounter,
    pub(crate) breaker: IntGauge,
}

/// A source's errors by kind.
pub(crate) struct SourceErrors {
    pub(crate) pass: IntCounter,
    pub(crate) partial: IntCounter,
    pub(crate) halt: IntCounter,
    pub(crate) panic: IntCounter,
}

/// One transform's series.
pub(crate) struct TransformMeters {
    pub(crate) seconds: Counter,
    pub(crate) rows_in: IntCounter,
    pub(crate) rows_out: IntCounter,
    pub(crate) failed: IntCounter,
    pub(crate) rejected: IntCounter,
}

/// One sink's series.
pub(crate) struct SinkMeters {
    pub(crate) delivered: IntCounter,
    pub(crate) dead_lettered: IntCounter,
    pub(crate) swallowed: IntCounter,
    errors: [(&'static str, IntCounter); 4],
    pub(crate) flush: Histogram,
}

impl SinkMeters {
    pub(crate) fn failed(&self, kind: &str) {
        for (_, counter) in self.errors.iter().filter(|(known, _)| *known == kind) {
            counter.inc();
        }
    }
}

/// Uptime and books, read when asked: true at every scrape.
struct AtScrape {
    clock: Arc<dyn Clock>,
    begun: std::time::Duration,
    uptime: Gauge,
    build: IntGaugeVec,
    row_counts: IntGaugeVec,
    journal: [IntGaugeVec; 3],
    lag: [GaugeVec; 2],
    lag_batches: IntGaugeVec,
    boards: Arc<Mutex<Vec<Weak<HealthBoard>>>>,
}

/// What is shown of a journal: bytes in use, the limit, and what is on its way there.
const JOURNAL: [(&str, &str); 3] = [
    ("smiles_journal_bytes", "Bytes of the journal in use."),
    ("smiles_journal_max_bytes", "Bytes at which the journal is full."),
    ("smiles_queue_depth", "Polls whose rows are not yet in the journal."),
];

impl AtScrape {
    fn new(clock: Arc<dyn Clock>, boards: Arc<Mutex<Vec<Weak<HealthBoard>>>>) -> Result<Self, Error> {
        let build = IntGaugeVec::new(Opts::new("smiles_build_info", "Which version runs."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let row_counts = "Rows per sink: accepted = delivered + dead_lettered + dropped + lost + waiting.";
        Ok(Self {
            begun: clock.monotonic(),
            clock,
            uptime: Gauge::new("smiles_uptime_seconds", "Time since the process started.")?,
            build,
            row_counts: IntGaugeVec::new(
                Opts::new("smiles_sink_books", row_counts),
                &["pipeline", "sink", "book"],
            )?,
            journal: [plain(JOURNAL[0])?, plain(JOURNAL[1])?, plain(JOURNAL[2])?],
            lag: [
                GaugeVec::new(
                    Opts::new(
                        "smiles_journal_lag_seconds",
                        "Age of the oldest batch that a sink still waits for.",
                    ),
                    &["pipeline"],
                )?,
                GaugeVec::new(
                    Opts::new(
                        "smiles_sink_lag_seconds",
                        "Age of the oldest batch the sink has not delivered.",
                    ),
                    &["pipeline", "sink"],
                )?,
            ],
            lag_batches: IntGaugeVec::new(
                Opts::new(
                    "smiles_sink_lag_batches",
                    "Batches between the journal's end and the sink's cursor.",
                ),
                &["pipeline", "sink"],
            )?,
            boards,
        })
    }

    fn show(&self, health: &Health) {
        let pipeline = health.pipeline.as_str();
        let set = |gauge: IntGauge, value| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        let journal = [health.journal.size_bytes, health.journal.max_size_bytes, health.queued];
        for (gauge, value) in self.journal.iter().zip(journal) {
            set(gauge.with_label_values(&[pipeline]), value);
        }
        let now = self.clock.now();
        let mut oldest = 0.0_f64;
        for sink in &health.sinks {
            let since = sink.waiting_since.filter(|_| sink.waiting_batches > 0);
            let lag = since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0));
            oldest = oldest.max(lag);
            let both = [pipeline, sink.name.as_str()];
            self.lag[1].with_label_values(&both).set(lag);
            set(self.lag_batches.with_label_values(&both), sink.waiting_batches);
            let row_counts = [
                ("accepted", sink.accepted),
                ("delivered", sink.delivered),
                ("dead_lettered", sink.dead_lettered),
                ("dropped", sink.dropped),
                ("lost", sink.lost),
                ("waiting", sink.waiting),
            ];
            for (book, rows) in row_counts {
                set(self.row_counts.with_label_values(&[pipeline, sink.name.as_str(), book]), rows);
            }
        }
        self.lag[0].with_label_values(&[pipeline]).set(oldest);
    }

    fn vecs(&self) -> impl Iterator<Item = &dyn Collector> {
        let whole = [&self.build, &self.row_counts, &self.lag_batches].into_iter().chain(&self.journal);
        whole.map(|vec| vec as &dyn Collector).chain(self.lag.iter().map(|vec| vec as &dyn Collector))
    }
}

impl Collector for AtScrape {
    fn desc(&self) -> Vec<&Desc> {
        self.uptime.desc().into_iter().chain(self.vecs().flat_map(Collector::desc)).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Held throughout, so that two scrapes do not empty each other's gauges.
        let boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        self.uptime.set(self.clock.monotonic().saturating_sub(self.begun).as_secs_f64());
        self.row_counts.reset();
        self.lag_batches.reset();
        self.journal.iter().for_each(IntGaugeVec::reset);
        self.lag.iter().for_each(GaugeVec::reset);
        boards.iter().filter_map(Weak::upgrade).for_each(|health_board| self.show(&health_board.health()));
        self.uptime.collect().into_iter().chain(self.vecs().flat_map(Collector::collect)).collect()
    }
}

fn plain((name, help): (&str, &str)) -> Result<IntGaugeVec, Error> {
    IntGaugeVec::new(Opts::new(name, help), &["pipeline"])
}

fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
    let made = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

fn seconds(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<CounterVec, Error> {
    let made = CounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
    let made = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

fn histogram(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, Error> {
    let made = HistogramVec::new(HistogramOpts::new(name, help).buckets(PASS_SECONDS.to_vec()), labels)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use smiles_journal::{RowCounts, Status};
    use smiles_stage::prometheus::TextEncoder;
    use smiles_testkit::ManualClock;

    use super::*;
    use crate::observe::health_board::{starting, unheard};

    #[test]
    fn uptime_and_books_are_true_at_scrape() {
        let clock = ManualClock::new();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let meters = Meters::new(Registry::new(), Arc::clone(&shared)).unwrap();
        let sources = vec![unheard("DTU", "tcp://x".into(), None)];
        let health_board =
            HealthBoard::new("roof", 1000, &shared, sources, vec![starting("store", "sqlite")]);
        meters.show(&health_board);
        let scrape = || TextEncoder::new().encode_to_string(&meters.registry().gather()).unwrap();
        let row_counts = RowCounts {
            sink: "store".into(),
            in_use: true,
            waiting: 8,
            waiting_batches: 2,
            ..RowCounts::default()
        };
        health_board.publish(Status { row_counts: vec![row_counts], ..Status::default() });
        health_board.queue(1);
        clock.advance(Duration::from_secs(5));
        health_board.live_rows(0, 12);
        let text = scrape();
        for line in [
            "smiles_uptime_seconds 5",
            "smiles_sink_books{book=\"delivered\",pipeline=\"roof\",sink=\"store\"} 12",
            "smiles_journal_bytes{pipeline=\"roof\"} 0",
            "smiles_journal_max_bytes{pipeline=\"roof\"} 1000",
            "smiles_queue_depth{pipeline=\"roof\"} 1",
            "smiles_journal_lag_seconds{pipeline=\"roof\"} 5",
            "smiles_sink_lag_seconds{pipeline=\"roof\",sink=\"store\"} 5",
            "smiles_sink_lag_batches{pipeline=\"roof\",sink=\"store\"} 2",
            concat!("smiles_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        drop(health_board);
        assert!(!scrape().contains("smiles_sink_books{"), "a pipeline that ended shows no books");
        assert!(Meters::new(meters.registry().clone(), shared).is_err(), "a second set is refused");
    }
}
