//! One column's cells, each with its length in front.

use std::borrow::Cow;
use std::fmt::Display;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::DataType;

use crate::encode::numeric;
use crate::encode::wire::Wire;

/// Microseconds from 1970 to 2000, where PostgreSQL counts from.
const EPOCH: i64 = 946_684_800_000_000;
/// The first instant PostgreSQL knows, 4714-11-24 BC, and the first it does not, 294277 AD; in its own count.
const YEARS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
const JSONB_VERSION: u8 = 1;

/// Why no column of its type can hold the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// PostgreSQL's own code for it.
    pub(crate) code: &'static str,
    /// What is wrong with the value. A number is said, a text is not.
    pub(crate) what: Cow<'static, str>,
}

const NO_TIME: Unfit = Unfit::new("22008", "holds an instant that is out of its range");
const ZERO_BYTE: Unfit = Unfit::new("22021", "holds a zero character, which no text may");
const TOO_LONG: Unfit = Unfit::new("54000", "holds a text of more than a gigabyte");

impl Unfit {
    const fn new(code: &'static str, what: &'static str) -> Self {
        Self { code, what: Cow::Borrowed(what) }
    }

    /// A number beside the range of its column's type.
    fn beside(value: impl Display, least: impl Display, most: impl Display) -> Self {
        let what = format!("holds {value}, and its type goes from {least} to {most}");
        Self { code: "22003", what: Cow::Owned(what) }
    }
}

/// The cells of a column of a table's plan.
pub(crate) struct Cells<'a> {
    values: Values<'a>,
    wire: Wire,
}

enum Values<'a> {
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Text(&'a StringArray),
    Bool(&'a BooleanArray),
    Time(&'a TimestampMicrosecondArray),
}

impl<'a> Cells<'a> {
    /// The column is of an Arrow type of the six column types.
    pub(crate) fn new(column: &'a ArrayRef, wire: Wire) -> Self {
        let values = match column.data_type() {
            DataType::Int64 => Values::Int(column.as_primitive::<Int64Type>()),
            DataType::Float64 => Values::Float(column.as_primitive::<Float64Type>()),
            DataType::Boolean => Values::Bool(column.as_boolean()),
            DataType::Timestamp(_, _) => Values::Time(column.as_primitive::<TimestampMicrosecondType>()),
            _ => Values::Text(column.as_string::<i32>()),
        };
        Self { values, wire }
    }

    /// Whether there is no value.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match &self.values {
            Values::Int(column) => column.is_null(row),
            Values::Float(column) => column.is_null(row),
            Values::Text(column) => column.is_null(row),
            Values::Bool(column) => column.is_null(row),
            Values::Time(column) => column.is_null(row),
        }
    }

    /// Appends the cell: its length and its bytes, or that it is null.
    #[inline]
    pub(crate) fn push(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Unfit> {
        if self.is_null(row) {
            out.extend_from_slice(&NULL);
            return Ok(());
        }
        match &self.values {
            Values::Int(column) => self.int(column.value(row), out),
            Values::Float(column) => self.float(column.value(row), out),
            Values::Text(column) => self.text(column.value(row), out),
            Values::Bool(column) => {
                sized(&[u8::from(column.value(row))], out);
                Ok(())
            }
            Values::Time(column) => time(column.value(row), out),
        }
    }

    fn int(&self, value: i64, out: &mut Vec<u8>) -> Result<(), Unfit> {
        match self.wire {
            Wire::Int2 => {
                let small = i16::try_from(value).map_err(|_| Unfit::beside(value, i16::MIN, i16::MAX))?;
                sized(&small.to_be_bytes(), out);
            }
            Wire::Int4 => {
                let small = i32::try_from(value).map_err(|_| Unfit::beside(value, i32::MIN, i32::MAX))?;
                sized(&small.to_be_bytes(), out);
            }
            Wire::Float4 => sized(&(value as f32).to_be_bytes(), out),
            Wire::Float8 => sized(&(value as f64).to_be_bytes(), out),
            Wire::Numeric => numeric::push(&value.to_string(), out),
            _ => sized(&value.to_be_bytes(), out),
        }
        Ok(())
    }

    /// Finite: what is not was made null before.
    fn float(&self, value: f64, out: &mut Vec<u8>) -> Result<(), Unfit> {
        match self.wire {
            Wire::Float4 => {
                let single = value as f32;
                if single.is_infinite() {
                    return Err(Unfit::beside(format!("{value:e}"), "-3.4e38", "3.4e38"));
                }
                sized(&single.to_be_bytes(), out);
            }
            Wire::Numeric => numeric::push(&value.to_string(), out),
            _ => sized(&value.to_be_bytes(), out),
        }
        Ok(())
    }

    fn text(&self, value: &str, out: &mut Vec<u8>) -> Result<(), Unfit> {
        if value.as_bytes().contains(&0) {
            return Err(ZERO_BYTE);
        }
        let version: &[u8] = if self.wire == Wire::Jsonb { &[JSONB_VERSION] } else { &[] };
        let length = i32::try_from(value.len() + version.len()).map_err(|_| TOO_LONG)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(version);
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }
}

fn time(micros: i64, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let since = micros.checked_sub(EPOCH).filter(|since| YEARS.contains(since)).ok_or(NO_TIME)?;
    sized(&since.to_be_bytes(), out);
    Ok(())
}

/// The bytes and their number.
fn sized<const N: usize>(bytes: &[u8; N], out: &mut Vec<u8>) {
    out.extend_from_slice(&(N as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}
