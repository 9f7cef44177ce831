//! `tables:` as people write it: per target table how rows of the pipeline get there.

use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use crate::column_type::ColumnType;

/// Target tables in the order they are written: parents before the tables that refer to them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Tables(pub(crate) IndexMap<String, Table>);

/// One target table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// How rows get into the table.
    #[serde(default)]
    pub(crate) mode: Mode,
    /// Target columns that identify a row (`upsert` only); the table must have a unique index on them.
    #[serde(default)]
    pub(crate) key: Vec<String>,
    /// Target column -> pipeline column, in the order of the table.
    #[serde(default)]
    pub(crate) columns: IndexMap<String, Column>,
    /// Pipeline columns: of the rows of one batch that agree in all of these only one is written. It is the first
    /// whose measurements are not all null, else the first. Measurements are the mapped pipeline columns with a
    /// unit or of kind `gauge` or `counter`; where no mapped column has either, all mapped ones but these,
    /// `time` and `source`.
    #[serde(default)]
    pub(crate) distinct: Vec<String>,
    /// Only rows whose pipeline columns equal these values (or are `not_null`) are written.
    #[serde(default, rename = "where")]
    pub(crate) filter: IndexMap<String, Condition>,
    /// Target column that says how new a row is (or the pipeline column it is mapped from): an existing row is
    /// overwritten only by one that is not older (`upsert` only).
    #[serde(default)]
    pub(crate) newest: Option<String>,
    /// Target columns that are set when a row is inserted and then left alone (`upsert` only).
    #[serde(default)]
    pub(crate) first: Vec<String>,
    /// Creates the table when it is missing, with the types of the mapping.
    #[serde(default)]
    pub(crate) create: bool,
    /// Columns the table has beyond the written ones and queries may read: name -> type.
    #[serde(default)]
    pub(crate) reads: IndexMap<String, ColumnType>,
}

/// How rows get into a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every row is added.
    #[default]
    Append,
    /// One row per key: inserted, later overwritten column by column; null never overwrites a value.
    Upsert,
    /// Nothing is written; queries may read the table.
    Read,
}

/// Where a target column's value comes from.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum Column {
    /// A pipeline column as it is.
    Name(String),
    /// A pipeline column in another type, or a JSON object of several.
    Options(ColumnOptions),
}

/// Either `column` (with an optional `type`) or `json`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnOptions {
    /// The pipeline column.
    pub(crate) column: Option<String>,
    /// The type it is stored as: a whole number as `float64`, a bool as `int64`, text that holds JSON as `json`.
    #[serde(rename = "type")]
    pub(crate) stored_as: Option<ColumnType>,
    /// Name in the object -> pipeline column; a null stays in the object as null.
    pub(crate) json: Option<IndexMap<String, String>>,
    /// With `json`: the object of a row that was dated by a clock that cannot be right gets a member of this name, which is
    /// true; no other object has it.
    pub(crate) misdated: Option<String>,
}

/// What a pipeline column must be for a row to be written.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum Condition {
    /// This truth value.
    Bool(bool),
    /// This whole number.
    Int(i64),
    /// This number.
    Float(f64),
    /// This text; `not_null`: anything but null.
    Text(String),
}

impl Condition {
    /// Whether it is the word for "anything but null".
    pub(crate) fn is_not_null(&self) -> bool {
        matches!(self, Self::Text(text) if text == "not_null")
    }
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Column;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a pipeline column, `{column: ..}` or `{json: ..}`")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Column, E> {
                Ok(Column::Name(name.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Column, A::Error> {
                ColumnOptions::deserialize(MapAccessDeserializer::new(map)).map(Column::Options)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = Condition;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value to compare with, or `not_null`")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Condition, E> {
                Ok(Condition::Bool(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Condition, E> {
                Ok(Condition::Int(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Condition, E> {
                i64::try_from(value)
                    .map(Condition::Int)
                    .map_err(|_| E::custom("a whole number above 9223372036854775807 fits no table"))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Condition, E> {
                Ok(Condition::Float(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Condition, E> {
                Ok(Condition::Text(value.to_owned()))
            }
        }
        deserializer.deserialize_any(Scalar)
    }
}
