//! Columns: the two every row carries, and what field metadata says of the others.

use arrow_schema::{DataType, Field, TimeUnit};

/// When the row's poll began: `timestamp[us, UTC]`, never null.
pub const TIME: &str = "time";
/// The name of the source in the pipeline file: text, never null.
pub const SOURCE: &str = "source";

const UNIT: &str = "unit";
const KIND: &str = "kind";
const RESOLUTION: &str = "resolution";
const COPY_OF: &str = "copy_of";
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

/// Whether the field's texts are JSON documents.
pub fn is_json(field: &Field) -> bool {
    field.metadata().get(EXTENSION).is_some_and(|name| name == JSON)
}

/// The field's unit as written in the device file (`0.1 V`, `Wh`), if it has one.
pub fn column_unit(field: &Field) -> Option<&str> {
    field.metadata().get(UNIT).map(String::as_str)
}

/// The field with this unit in place of any other.
pub fn with_unit(field: Field, unit: &str) -> Field {
    with_metadata(field, UNIT, unit)
}

/// The smallest step between two values of the device, in the field's unit (0.1), if it is known.
pub fn column_resolution(field: &Field) -> Option<f64> {
    field.metadata().get(RESOLUTION)?.parse().ok()
}

/// The field with this step in place of any other.
pub fn with_resolution(field: Field, step: f64) -> Field {
    with_metadata(field, RESOLUTION, &step.to_string())
}

/// What the field measures, if its device file says so.
pub fn column_kind(field: &Field) -> Option<Kind> {
    match field.metadata().get(KIND)?.as_str() {
        "gauge" => Some(Kind::Gauge),
        "counter" => Some(Kind::Counter),
        "state" => Some(Kind::State),
        _ => None,
    }
}

/// The field with this kind in place of any other.
pub fn with_kind(field: Field, kind: Kind) -> Field {
    let text = match kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
        Kind::State => "state",
    };
    with_metadata(field, KIND, text)
}

/// The field as a copy of what was read into another, which keeps its raw unit on purpose.
pub fn copy_of(field: Field, original: &str) -> Field {
    with_metadata(field, COPY_OF, original)
}

/// Whether the field is such a copy.
pub fn is_copy(field: &Field) -> bool {
    field.metadata().contains_key(COPY_OF)
}

fn with_metadata(field: Field, key: &str, value: &str) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(key.to_owned(), value.to_owned());
    field.with_metadata(metadata)
}
