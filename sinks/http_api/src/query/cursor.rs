//! Where the next page begins, as a text for the client to hand back: the values of the order at the last row.

use std::fmt::Write as _;

use arrow_schema::DataType;
use jiff::Timestamp;
use smiles_stage::Value;

/// The text of a place.
pub(crate) fn write(place: &[Value]) -> String {
    let mut text = String::new();
    for value in place {
        if !text.is_empty() {
            text.push('.');
        }
        let _ = match value {
            Value::Bool(value) => write!(text, "b{}", u8::from(*value)),
            Value::Int(value) => write!(text, "i{value}"),
            Value::Float(value) => write!(text, "f{:x}", value.to_bits()),
            Value::Text(value) => write!(text, "s{}", hex::encode(value)),
            Value::Time(value) => write!(text, "t{}", value.as_microsecond()),
        };
    }
    text
}

/// The place a text stands for; `None` if it was not written by [`write()`].
pub(crate) fn read(text: &str) -> Option<Vec<Value>> {
    text.split('.').map(value).collect()
}

/// Whether a column of this type can hold the value, as far as a store compares the two.
pub(crate) fn fits(value: &Value, column: &DataType) -> bool {
    match value {
        Value::Bool(_) => *column == DataType::Boolean,
        Value::Int(_) => column.is_integer(),
        Value::Float(_) => column.is_floating(),
        Value::Text(_) => *column == DataType::Utf8,
        Value::Time(_) => matches!(column, DataType::Timestamp(_, _)),
    }
}

fn value(text: &str) -> Option<Value> {
    let mut chars = text.chars();
    let kind = chars.next()?;
    let rest = chars.as_str();
    match kind {
        'b' => match rest {
            "0" => Some(Value::Bool(false)),
            "1" => Some(Value::Bool(true)),
            _ => None,
        },
        'i' => rest.parse().ok().map(Value::Int),
        'f' => u64::from_str_radix(rest, 16)
            .ok()
            .map(f64::from_bits)
            .filter(|it| it.is_finite())
            .map(Value::Float),
        's' => String::from_utf8(hex::decode(rest).ok()?).ok().map(Value::Text),
        't' => Timestamp::from_microsecond(rest.parse().ok()?).ok().map(Value::Time),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_text_and_nonsense_is_none() {
        let place = [
            Value::Time(Timestamp::from_microsecond(-5).unwrap()),
            Value::Int(-42),
            Value::Text("ä.b".into()),
            Value::Float(-0.5),
            Value::Bool(true),
        ];
        assert_eq!(read(&write(&place)).unwrap(), place);
        assert_eq!(write(&place[..2]), "t-5.i-42");
        for bad in
            ["", ".", "x1", "i", "i1.", "sä", "s1", "sff", "b2", "t999999999999999999", "f7ff8000000000000"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
