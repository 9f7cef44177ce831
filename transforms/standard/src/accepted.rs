//! What was believed in the end although it could not be: a series that counts it, `..._accepted_total{event}`, and
//! whose it is, for log lines.

use smiles_stage::OpenContext;
use smiles_stage::prometheus::{Error, IntCounterVec, Opts};

/// The counts of one transform, by event.
pub(crate) struct ConfirmedEvents {
    pub(crate) pipeline: String,
    pub(crate) transform: String,
    counts: Option<IntCounterVec>,
}

impl ConfirmedEvents {
    /// Registers the series, at zero for every event. A transform that is opened again begins at zero again.
    pub(crate) fn register(context: OpenContext, name: &str, help: &str, events: &[&str]) -> Self {
        let OpenContext { pipeline, stage: transform, meters, .. } = context;
        let options = Opts::new(name, help)
            .const_label("pipeline", pipeline.as_str())
            .const_label("transform", transform.as_str());
        let counts = IntCounterVec::new(options, &["event"]).ok();
        // Without its series a transform still does its work.
        if let Some(counts) = &counts {
            for event in events {
                counts.with_label_values(&[*event]).reset();
            }
            if let Err(Error::AlreadyReg) = meters.register(Box::new(counts.clone())) {
                _ = meters.unregister(Box::new(counts.clone()));
                _ = meters.register(Box::new(counts.clone()));
            }
        }
        Self { pipeline, transform, counts }
    }

    /// One more.
    pub(crate) fn count(&self, event: &str) {
        if let Some(counts) = &self.counts {
            counts.with_label_values(&[event]).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use smiles_testkit::{ManualClock, open_context};

    use super::*;

    #[test]
    fn transforms_and_pipelines_share_a_series_and_a_reopened_one_goes_on() {
        let context = open_context(Path::new("unused"), Arc::new(ManualClock::new()));
        let register = |pipeline: &str, stage: &str| {
            let context =
                OpenContext { pipeline: pipeline.to_owned(), stage: stage.to_owned(), ..context.clone() };
            ConfirmedEvents::register(context, "seen_total", "what was seen", &["fall", "rise"])
        };
        register("p", "a").count("fall");
        let (a, b, elsewhere) = (register("p", "a"), register("p", "b"), register("q", "a"));
        a.count("rise");
        b.count("fall");
        b.count("fall");
        elsewhere.count("rise");
        let families = context.meters.gather();
        let mut seen = Vec::new();
        for metric in families[0].get_metric() {
            let labels: Vec<_> = metric.get_label().iter().map(|label| label.value()).collect();
            seen.push(format!("{} {}", labels.join(" "), metric.get_counter().get_value()));
        }
        seen.sort();
        assert_eq!(
            seen,
            ["fall p a 0", "fall p b 2", "fall q a 0", "rise p a 1", "rise p b 0", "rise q a 1"]
        );
        assert_eq!(families.len(), 1);
    }
}
