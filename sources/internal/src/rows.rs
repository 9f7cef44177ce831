//! The rows, column by column.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::Value;
use smiles_stage::{StageError, json_field};

/// The columns; the runtime puts `time` and `source` in front.
pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("kind", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, false),
        Field::new("value", DataType::Float64, true),
        json_field("json"),
    ]))
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The value of a series.
    Metric,
    /// Something the process was started with.
    Config,
}

/// Rows in the making.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    kind: StringBuilder,
    name: StringBuilder,
    value: Float64Builder,
    json: StringBuilder,
}

impl Rows {
    /// One more.
    pub(crate) fn push(&mut self, kind: Kind, name: &str, value: Option<f64>, json: &Value) {
        self.kind.append_value(match kind {
            Kind::Metric => "metric",
            Kind::Config => "config",
        });
        self.name.append_value(name);
        self.value.append_option(value);
        self.json.append_value(json.to_string());
    }

    /// All of them.
    pub(crate) fn finish(mut self) -> Result<RecordBatch, StageError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.kind.finish()),
            Arc::new(self.name.finish()),
            Arc::new(self.value.finish()),
            Arc::new(self.json.finish()),
        ];
        RecordBatch::try_new(schema(), columns)
            .map_err(|error| StageError::retry("the rows do not fit their columns").because(error))
    }
}
