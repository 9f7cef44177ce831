//! The series that counts what was believed although it could not be: `..._accepted_total{stage,event}`.

use smiles_stage::prometheus::{Error, IntCounterVec, Opts, Registry};

/// The counts of one stage, by event.
pub(crate) struct Accepted(Option<IntCounterVec>);

impl Accepted {
    /// Registers the series, at zero for every event. A stage that is opened again begins at zero again.
    pub(crate) fn register(meters: &Registry, name: &str, help: &str, stage: &str, events: &[&str]) -> Self {
        let options = Opts::new(name, help).const_label("stage", stage);
        let Ok(counts) = IntCounterVec::new(options, &["event"]) else { return Self(None) };
        for event in events {
            counts.with_label_values(&[*event]).reset();
        }
        // Without its series a stage still does its work.
        if let Err(Error::AlreadyReg) = meters.register(Box::new(counts.clone())) {
            _ = meters.unregister(Box::new(counts.clone()));
            _ = meters.register(Box::new(counts.clone()));
        }
        Self(Some(counts))
    }

    /// One more.
    pub(crate) fn count(&self, event: &str) {
        if let Some(counts) = &self.0 {
            counts.with_label_values(&[event]).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_share_a_series_and_a_reopened_one_goes_on() {
        let meters = Registry::new();
        let register =
            |stage| Accepted::register(&meters, "seen_total", "what was seen", stage, &["fall", "rise"]);
        register("a").count("fall");
        let (a, b) = (register("a"), register("b"));
        a.count("rise");
        b.count("fall");
        b.count("fall");
        let families = meters.gather();
        let mut seen = Vec::new();
        for metric in families[0].get_metric() {
            let labels: Vec<_> = metric.get_label().iter().map(|label| label.value()).collect();
            seen.push(format!("{} {}", labels.join(" "), metric.get_counter().get_value()));
        }
        seen.sort();
        assert_eq!(seen, ["fall a 0", "fall b 2", "rise a 1", "rise b 0"]);
        assert_eq!(families.len(), 1);
    }
}
