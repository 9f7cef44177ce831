//! What the stages warn of, line by line: whatever is counted is logged, once.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Warnings: `transform: key: message`.
#[derive(Clone, Default)]
pub(crate) struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Runs `work` and listens to this thread meanwhile.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        tracing::subscriber::with_default(self.clone(), work)
    }

    /// How many lines so far are of this transform and about something that was believed.
    pub(crate) fn believed(&self, transform: &str) -> usize {
        let of_it = |line: &&String| line.starts_with(transform) && !line.contains("the clock was set back");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(of_it).count()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Default)]
struct Line {
    transform: String,
    message: String,
    key: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let part = match field.name() {
            "transform" => &mut self.transform,
            "message" => &mut self.message,
            "key" => &mut self.key,
            _ => return,
        };
        write!(part, "{value:?}").unwrap();
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let Line { transform, message, key } = line;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{transform}: {key}: {message}"));
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}
