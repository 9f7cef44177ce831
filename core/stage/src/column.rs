//! Columns: the two every row carries, and what field metadata says of the others.

use arrow_schema::{DataType, Field, TimeUnit};

use crate::labels::Labels;
use crate::unit::Unit;

/// When the row's poll began: `timestamp[us, UTC]`, never null.
pub const TIME: &str = "time";
/// The name of the source in the pipeline file: text, never null.
pub const SOURCE: &str = "source";

const UNIT: &str = "unit";
const DECLARED_UNIT: &str = "declared_unit";
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

    /// Its unit, read; `None` where it has none, or one that nobody knows.
    fn measure(&self) -> Option<Unit>;

    /// Its unit for people: in its one canonical form, or as it is written where nobody knows it.
    fn shown_unit(&self) -> Option<String>;

    /// With this unit in place of any other. A symbol that was declared for the column stays declared if the unit is of it.
    #[must_use]
    fn with_unit(self, unit: &str) -> Self;

    /// With this unit, whose symbol only the column's device file knows, in place of any other.
    #[must_use]
    fn with_declared_unit(self, text: &str, symbol: &str) -> Self;

    /// With the unit of another column in place of any other; unchanged if that one has none.
    #[must_use]
    fn with_unit_of(self, other: &Self) -> Self;

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

    fn measure(&self) -> Option<Unit> {
        Unit::declared(self.unit()?, declared(self).as_slice()).ok()
    }

    fn shown_unit(&self) -> Option<String> {
        let text = self.unit()?;
        Some(self.measure().map_or_else(|| text.to_owned(), |unit| unit.to_string()))
    }

    fn with_unit(self, unit: &str) -> Self {
        let field = with_metadata(self, UNIT, unit);
        if field.measure().is_some_and(|unit| unit.declared_symbol().is_some()) {
            field
        } else {
            without_metadata(field, DECLARED_UNIT)
        }
    }

    fn with_declared_unit(self, text: &str, symbol: &str) -> Self {
        with_metadata(self, DECLARED_UNIT, symbol).with_unit(text)
    }

    fn with_unit_of(self, other: &Self) -> Self {
        match (other.unit(), declared(other)) {
            (Some(text), Some(symbol)) => self.with_declared_unit(text, symbol),
            (Some(text), None) => self.with_unit(text),
            (None, _) => self,
        }
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

/// The symbol that a column's device file declares, if its unit is of that.
fn declared(field: &Field) -> Option<&str> {
    field.metadata().get(DECLARED_UNIT).map(String::as_str)
}

fn without_metadata(field: Field, key: &str) -> Field {
    if !field.metadata().contains_key(key) {
        return field;
    }
    let mut metadata = field.metadata().clone();
    metadata.remove(key);
    field.with_metadata(metadata)
}

fn with_metadata(field: Field, key: &str, value: &str) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(key.to_owned(), value.to_owned());
    field.with_metadata(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Field {
        Field::new("made", DataType::Int64, true)
    }

    #[test]
    fn a_declared_unit_is_understood_wherever_its_column_goes() {
        let made = plain().with_declared_unit("0.1 widget", "widget");
        assert_eq!(made.unit(), Some("0.1 widget"));
        assert_eq!(made.measure().map(|unit| unit.base().to_string()).as_deref(), Some("widget"));
        let whole = made.clone().with_unit("widget");
        assert_eq!(whole.measure().map(|unit| unit.to_string()).as_deref(), Some("widget"));
        assert_eq!(plain().with_unit_of(&made).measure(), made.measure());
        let volts = whole.with_unit("V");
        assert_eq!(volts, plain().with_unit("V"), "nothing of the other unit stays");
        assert_eq!(plain().with_unit("V").with_unit_of(&plain()), volts);
        assert_eq!(plain().with_unit("widget").measure(), None);
        assert_eq!(
            plain().with_declared_unit("kWh", "kWh"),
            plain().with_unit("kWh"),
            "what is built in wins"
        );
    }

    #[test]
    fn a_unit_is_shown_in_its_canonical_form() {
        let shown = |unit: &str| plain().with_unit(unit).shown_unit();
        assert_eq!(shown("0.10 kwh").as_deref(), Some("0.1 kWh"));
        assert_eq!(shown("furlong").as_deref(), Some("furlong"));
        assert_eq!(plain().shown_unit(), None);
    }
}
