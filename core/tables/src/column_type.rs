//! The six types a table column can have, whatever the database calls them.

use std::fmt;

use arrow_schema::{DataType, Field, TimeUnit};
use schemars::JsonSchema;
use serde::Deserialize;

use smiles_stage::{ColumnMeta, json_field};

/// What a table column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// A whole number of 64 bits.
    Int64,
    /// A number of double precision.
    Float64,
    /// Text.
    Text,
    /// True or false.
    Bool,
    /// An instant in microseconds, UTC.
    Time,
    /// A JSON document.
    Json,
}

impl ColumnType {
    /// What a column of a pipeline is stored as; `None` if no store can take it.
    pub fn of(field: &Field) -> Option<Self> {
        match field.data_type() {
            DataType::Boolean => Some(Self::Bool),
            data_type if data_type.is_integer() => Some(Self::Int64),
            DataType::Float32 | DataType::Float64 => Some(Self::Float64),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if field.is_json() => Some(Self::Json),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Self::Text),
            DataType::Timestamp(_, _) => Some(Self::Time),
            _ => None,
        }
    }

    /// The Arrow type of its columns; text and JSON share one.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Text | Self::Json => DataType::Utf8,
            Self::Bool => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// A nullable field of this type.
    pub fn field(self, name: &str) -> Field {
        match self {
            Self::Json => json_field(name),
            _ => Field::new(name, self.data_type(), true),
        }
    }

    /// Whether a column of this type can be stored as `target` without loss of meaning.
    pub(crate) fn fits(self, target: Self) -> bool {
        self == target
            || matches!(
                (self, target),
                (Self::Int64, Self::Float64) | (Self::Bool, Self::Int64) | (Self::Text, Self::Json)
            )
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::Text => "text",
            Self::Bool => "bool",
            Self::Time => "time",
            Self::Json => "json",
        })
    }
}
