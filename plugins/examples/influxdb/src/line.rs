//! Rows as line protocol: `measurement,tag=value field=1i,other=2.5 1700000000000000`, times in microseconds.

use std::fmt::Write as _;

use smiles_plugin_sdk::arrow_array::cast::AsArray;
use smiles_plugin_sdk::arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use smiles_plugin_sdk::arrow_array::{Array, ArrayRef, RecordBatch};
use smiles_plugin_sdk::arrow_schema::DataType;
use smiles_plugin_sdk::{Error, SchemaRef};

use crate::Options;

/// Knows which column becomes what.
pub(crate) struct Encoder {
    measurement: String,
    time: usize,
    tags: Vec<(usize, String)>,
    fields: Vec<(usize, String)>,
}

impl Encoder {
    pub(crate) fn new(options: &Options, input: &SchemaRef) -> Result<Self, Error> {
        let instant = |data_type: &DataType| matches!(data_type, DataType::Timestamp(..));
        let time = input.column_with_name("time").filter(|(_, field)| instant(field.data_type()));
        let (time, _) = time.ok_or_else(|| Error::halt("there is no column `time`"))?;
        let mut tags = Vec::new();
        for name in &options.tags {
            match input.column_with_name(name) {
                Some((place, field)) if *field.data_type() == DataType::Utf8 => {
                    tags.push((place, escaped(name, &[',', '=', ' '])));
                }
                Some((_, field)) => return Err(Error::halt(format!("tag `{name}` is {}, not text", field.data_type()))),
                None => return Err(Error::halt(format!("there is no column `{name}` for a tag"))),
            }
        }
        let is_field = |place: &usize| *place != time && !tags.iter().any(|(tag, _)| tag == place);
        let known = |place: &usize| *input.field(*place).data_type() != DataType::Binary;
        let fields = (0..input.fields().len()).filter(is_field).filter(known);
        let fields = fields.map(|place| (place, escaped(input.field(place).name(), &[',', '=', ' ']))).collect();
        Ok(Self { measurement: escaped(&options.measurement, &[',', ' ']), time, tags, fields })
    }

    /// Adds the row's line; `false`: it has no field, and so no point.
    pub(crate) fn line(&self, rows: &RecordBatch, row: usize, into: &mut String) -> bool {
        let start = into.len();
        into.push_str(&self.measurement);
        for (place, name) in &self.tags {
            let column = rows.column(*place).as_string::<i32>();
            // An empty tag is no tag.
            if column.is_valid(row) && !column.value(row).is_empty() {
                _ = write!(into, ",{name}={}", escaped(column.value(row), &[',', '=', ' ']));
            }
        }
        let mut separator = ' ';
        for (place, name) in &self.fields {
            let Some(text) = value(rows.column(*place), row) else { continue };
            _ = write!(into, "{separator}{name}={text}");
            separator = ',';
        }
        if separator == ' ' {
            into.truncate(start);
            return false;
        }
        let time = rows.column(self.time).as_primitive::<TimestampMicrosecondType>().value(row);
        _ = writeln!(into, " {time}");
        true
    }
}

/// A field's value; `None` for null and for what line protocol cannot say (NaN, infinity).
fn value(column: &ArrayRef, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    macro_rules! whole {
        ($type:ty) => {
            format!("{}i", column.as_primitive::<$type>().value(row))
        };
    }
    let float = |number: f64| number.is_finite().then(|| number.to_string());
    // In its own digits: as a double, 230.1 of single precision would be 230.10000610351562.
    let single = |number: f32| number.is_finite().then(|| number.to_string());
    Some(match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Int8 => whole!(Int8Type),
        DataType::Int16 => whole!(Int16Type),
        DataType::Int32 => whole!(Int32Type),
        DataType::Int64 => whole!(Int64Type),
        DataType::UInt8 => whole!(UInt8Type),
        DataType::UInt16 => whole!(UInt16Type),
        DataType::UInt32 => whole!(UInt32Type),
        // Version 1 has no unsigned type: what does not fit becomes the nearest float.
        DataType::UInt64 => {
            let number = column.as_primitive::<UInt64Type>().value(row);
            #[expect(clippy::cast_precision_loss, reason = "said above")]
            i64::try_from(number).map_or_else(|_| (number as f64).to_string(), |number| format!("{number}i"))
        }
        DataType::Float32 => single(column.as_primitive::<Float32Type>().value(row))?,
        DataType::Float64 => float(column.as_primitive::<Float64Type>().value(row))?,
        DataType::Utf8 => text(column.as_string::<i32>().value(row)),
        DataType::Timestamp(..) => whole!(TimestampMicrosecondType),
        _ => return None,
    })
}

fn text(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// With a backslash before each of these; a line end would begin another point.
fn escaped(text: &str, special: &[char]) -> String {
    let mut all = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => all.push(' '),
            letter if special.contains(&letter) => all.extend(['\\', letter]),
            letter => all.push(letter),
        }
    }
    // A backslash at the end would escape what follows.
    if all.ends_with('\\') {
        all.push(' ');
    }
    all.replace(['\n', '\r'], " ")
}
