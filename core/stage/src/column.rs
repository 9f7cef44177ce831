//! Columns: the two every row carries, and what field metadata says of the others.

use arrow_schema::{DataType, Field, TimeUnit};

use crate::labels::Labels;

/// When the row's poll began: `timestamp[us, UTC]`, never null.
pub const TIME: &str = "time";
/// The name of the source in the pipeline file: text, never null.
pub const SOURCE: &str = "source";

const UNIT: &str = "unit";
const KIND: &str = "kind";
const RESOLUTION: &str = "resolution";
const COPY_OF: &str = "copy_of";
const LABELS: &str = "labels";
const EXTENSION: &str = "ARROW:extension:name";
const JSON: &str = "arrow.json";

/// What a column measures, where its device file says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value that may go anywhere: a voltage.
    Gauge,
    /// A sum that only grows: energy.
    Counter,
    /// A code: an operating status.
    State,
}

/// The field of [`TIME`].
pub fn time_field() -> Field {
    Field::new(TIME, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false)
}

/// The field of [`SOURCE`].
pub fn source_field() -> Field {
    Field::new(SOURCE, DataType::Utf8, false)
}

/// A nullable text field whose values are JSON documents (the canonical extension `arrow.json`).
pub fn json_field(name: &str) -> Field {
    with_metadata(Field::new(name, DataType::Utf8, true), EXTENSION, JSON)
}

/// What the metadata of a field says of its column.
pub trait ColumnMeta: Sized {
    /// Whether its texts are JSON documents.
    fn is_json(&self) -> bool;

    /// Its unit as written in the device file (`0.1 V`, `Wh`), if it has one.
    fn unit(&self) -> Option<&str>;

    /// With this unit in place of any other.
    #[must_use]
    fn with_unit(self, unit: &str) -> Self;

    /// The smallest step between two values of the device, in the field's unit (0.1), if it is known.
    fn resolution(&self) -> Option<f64>;

    /// With this step in place of any other.
    #[must_use]
    fn with_resolution(self, step: f64) -> Self;

    /// What it measures, if its device file says so.
    fn kind(&self) -> Option<Kind>;

    /// With this kind in place of any other.
    #[must_use]
    fn with_kind(self, kind: Kind) -> Self;

    /// The words that people say for its codes, if its device file has any.
    fn labels(&self) -> Option<Labels>;

    /// With these words in place of any other.
    #[must_use]
    fn with_labels(self, labels: &Labels) -> Self;

    /// Without words: its numbers are no codes any more.
    #[must_use]
    fn without_labels(self) -> Self;

    /// As a copy of what was read into another, which keeps its raw unit on purpose.
    #[must_use]
    fn copy_of(self, original: &str) -> Self;

    /// Whether it is such a copy.
    fn is_copy(&self) -> bool;
}

impl ColumnMeta for Field {
    fn is_json(&self) -> bool {
        self.metadata().get(EXTENSION).is_some_and(|name| name == JSON)
    }

    fn unit(&self) -> Option<&str> {
        self.metadata().get(UNIT).map(String::as_str)
    }

    fn with_unit(self, unit: &str) -> Self {
        with_metadata(self, UNIT, unit)
    }

    fn resolution(&self) -> Option<f64> {
        self.metadata().get(RESOLUTION)?.parse().ok()
    }

    fn with_resolution(self, step: f64) -> Self {
        with_metadata(self, RESOLUTION, &step.to_string())
    }

    fn kind(&self) -> Option<Kind> {
        match self.metadata().get(KIND)?.as_str() {
            "gauge" => Some(Kind::Gauge),
            "counter" => Some(Kind::Counter),
            "state" => Some(Kind::State),
            _ => None,
        }
    }

    fn with_kind(self, kind: Kind) -> Self {
        let text = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::State => "state",
        };
        with_metadata(self, KIND, text)
    }

    fn labels(&self) -> Option<Labels> {
        Labels::from_text(self.metadata().get(LABELS)?)
    }

    fn with_labels(self, labels: &Labels) -> Self {
        with_metadata(self, LABELS, &labels.to_text())
    }

    fn without_labels(mut self) -> Self {
        self.metadata_mut().remove(LABELS);
        self
    }

    fn copy_of(self, original: &str) -> Self {
        with_metadata(self, COPY_OF, original)
    }

    fn is_copy(&self) -> bool {
        self.metadata().contains_key(COPY_OF)
    }
}

fn with_metadata(field: Field, key: &str, value: &str) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(key.to_owned(), value.to_owned());
    field.with_metadata(metadata)
}
