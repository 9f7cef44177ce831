//! One generated column.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array};
use arrow_schema::{DataType, Field};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use smiles_stage::unit::Unit;
use smiles_stage::{ColumnMeta, Kind, ParseError, Path, Problem, Problems};

use crate::noise::{fraction, mix};

/// One generated column.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The type of its values.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// Unit of its numbers: `V`, `0.1 V`, `Wh`.
    pub unit: Option<String>,
    /// What it measures: `gauge`, `counter` or `state`.
    pub kind: Option<ColumnKind>,
    /// How its values come about.
    pub pattern: Pattern,
    /// The value of a `constant`; what a `counter`, `sequence` or `index` begins with (number), or what stands before
    /// its number (text).
    pub value: Option<Value>,
    /// Lowest value of `random`; unset: 0.
    pub min: Option<f64>,
    /// Highest value of `random`; unset: 100.
    pub max: Option<f64>,
    /// What `counter`, `sequence` and `index` grow by; unset: 1.
    pub step: Option<f64>,
    /// `index`: so many rows in a row have the same value; unset: 1.
    #[schemars(range(min = 1))]
    pub each: Option<u64>,
    /// `index`: begins again after so many values; unset: never.
    #[schemars(range(min = 1))]
    pub of: Option<u64>,
    /// This share of the values is null, 0 to 1; unset: none.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub nulls: Option<f64>,
}

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// Whole numbers of 64 bits.
    Int,
    /// Floating point numbers of 64 bits.
    Float,
    /// Text.
    Text,
    /// True or false; a number is true unless it is even.
    Bool,
}

/// How values come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// The same in every row.
    Constant,
    /// Grows with each pass; the same in all rows of one.
    Counter,
    /// Grows with each row, through all passes: never the same twice.
    Sequence,
    /// The place of the row within its pass.
    Index,
    /// Anything from `min` to `max`, repeatable by seed.
    Random,
}

/// What a column measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// A value that may go anywhere.
    Gauge,
    /// A sum that only grows.
    Counter,
    /// A code.
    State,
}

/// A column's options, found sound.
#[derive(Clone, Debug)]
pub(super) struct Generator {
    field: Field,
    value_type: ValueType,
    pattern: Pattern,
    /// Text before the number, or the text of a constant.
    text: String,
    base: f64,
    step: f64,
    min: f64,
    max: f64,
    each: u64,
    of: u64,
    nulls: f64,
    seed: u64,
    /// The array of the last pass where every pass has the same.
    same: Option<ArrayRef>,
}

impl Generator {
    pub(super) fn plan(name: &str, column: &Column, seed: u64) -> Result<Self, Problems> {
        let at = Path::root().key("columns").key(name);
        let mut problems = Problems::new();
        if let Some(unit) = column.unit.as_deref()
            && let Err(ParseError { message, help }) = unit.parse::<Unit>()
        {
            problems.push(Problem { help, ..Problem::error(at.key("unit"), message) });
        }
        if column.pattern == Pattern::Constant && column.value.is_none() {
            problems.push(Problem::error(at.clone(), "a constant needs a `value`"));
        }
        let (min, max) = (column.min.unwrap_or(0.0), column.max.unwrap_or(100.0));
        if min > max {
            problems.push(Problem::error(at.key("min"), format!("`min` {min} is above `max` {max}")));
        }
        for (key, count) in [("each", column.each), ("of", column.of)] {
            if count == Some(0) {
                problems.push(Problem::error(at.key(key), format!("`{key}` must be at least 1")));
            }
        }
        let fits = match (&column.value, column.value_type) {
            (None, _) => true,
            (Some(Value::String(_)), value_type) => value_type == ValueType::Text,
            (Some(Value::Bool(_)), value_type) => value_type == ValueType::Bool,
            (Some(Value::Number(_)), value_type) => value_type != ValueType::Text,
            (Some(_), _) => false,
        };
        if !fits {
            let message = format!("`value` is not of type {:?}", column.value_type).to_lowercase();
            problems.push(Problem::error(at.key("value"), message));
        }
        if problems.is_empty() { Ok(Self::new(name, column, seed, (min, max))) } else { Err(problems) }
    }

    fn new(name: &str, column: &Column, seed: u64, (min, max): (f64, f64)) -> Self {
        let base = match &column.value {
            Some(Value::Bool(on)) => f64::from(u8::from(*on)),
            Some(value) => value.as_f64().unwrap_or_default(),
            None => 0.0,
        };
        Self {
            field: field(name, column),
            value_type: column.value_type,
            pattern: column.pattern,
            text: column.value.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
            base,
            step: column.step.unwrap_or(1.0),
            min,
            max,
            each: column.each.unwrap_or(1),
            of: column.of.unwrap_or(u64::MAX),
            nulls: column.nulls.unwrap_or(0.0),
            seed: name.bytes().fold(mix(seed), |seed, byte| mix(seed ^ u64::from(byte))),
            same: None,
        }
    }

    pub(super) fn field(&self) -> Field {
        self.field.clone()
    }

    /// The column of a pass.
    pub(super) fn generate(&mut self, pass: u64, rows: usize) -> ArrayRef {
        if let Some(same) = self.same.as_ref().filter(|same| same.len() == rows) {
            return Arc::clone(same);
        }
        let first = pass.wrapping_mul(rows as u64);
        let array: ArrayRef = match self.value_type {
            ValueType::Int => {
                Arc::new(self.values(pass, first, rows, |number| number as i64).collect::<Int64Array>())
            }
            ValueType::Float => {
                Arc::new(self.values(pass, first, rows, |number| number).collect::<Float64Array>())
            }
            ValueType::Bool => Arc::new(
                self.values(pass, first, rows, |number| number as i64 & 1 == 1).collect::<BooleanArray>(),
            ),
            ValueType::Text => Arc::new(self.texts(pass, first, rows)),
        };
        if self.nulls == 0.0 && matches!(self.pattern, Pattern::Constant | Pattern::Index) {
            self.same = Some(Arc::clone(&array));
        }
        array
    }

    fn values<T>(
        &self,
        pass: u64,
        first: u64,
        rows: usize,
        as_type: impl Fn(f64) -> T,
    ) -> impl Iterator<Item = Option<T>> {
        (0..rows as u64)
            .map(move |row| (!self.is_null(first + row)).then(|| as_type(self.number(pass, first, row))))
    }

    fn texts(&self, pass: u64, first: u64, rows: usize) -> arrow_array::StringArray {
        let mut texts = StringBuilder::with_capacity(rows, rows * (self.text.len() + 8));
        for row in 0..rows as u64 {
            if self.is_null(first + row) {
                texts.append_null();
                continue;
            }
            // Writing into a builder of memory cannot fail.
            let _ = texts.write_str(&self.text);
            if self.pattern != Pattern::Constant {
                let _ = write!(texts, "{}", self.number(pass, first, row) as i64);
            }
            texts.append_value("");
        }
        texts.finish()
    }

    /// The value of a row: the `row`-th of the pass, which began with the `first`-th of all.
    fn number(&self, pass: u64, first: u64, row: u64) -> f64 {
        let count = match self.pattern {
            Pattern::Constant => return self.base,
            Pattern::Random => {
                return self.min + (self.max - self.min) * fraction(mix(self.seed.wrapping_add(first + row)));
            }
            Pattern::Counter => pass,
            Pattern::Sequence => first + row,
            Pattern::Index => row / self.each % self.of,
        };
        self.base + self.step * count as f64
    }

    fn is_null(&self, row: u64) -> bool {
        self.nulls > 0.0 && fraction(mix(!self.seed ^ mix(row))) < self.nulls
    }
}

fn field(name: &str, column: &Column) -> Field {
    let data_type = match column.value_type {
        ValueType::Int => DataType::Int64,
        ValueType::Float => DataType::Float64,
        ValueType::Text => DataType::Utf8,
        ValueType::Bool => DataType::Boolean,
    };
    let mut field = Field::new(name, data_type, true);
    if let Some(unit) = &column.unit {
        field = field.with_unit(unit);
    }
    match column.kind {
        Some(ColumnKind::Gauge) => field.with_kind(Kind::Gauge),
        Some(ColumnKind::Counter) => field.with_kind(Kind::Counter),
        Some(ColumnKind::State) => field.with_kind(Kind::State),
        None => field,
    }
}
