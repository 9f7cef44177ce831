//! One value of a column: from bytes to what is stored.

use jiff::Timestamp;
use smiles_stage::unit::Conversion;
use smiles_stage::{ColumnMeta, linear, product};

use crate::decode::columns::Column;
use crate::decode::meaning::{Meaning, Scale};
use crate::decode::scaling::Factor;
use crate::device::raw::decode;
use crate::device::{Field, Order, Otherwise, Raw, Type};

/// The largest power of ten that a scale factor says (SunSpec has -10 to 10); anything beyond says that there is none.
const MOST_POWER: i64 = 10;

/// A value in the unit of its column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scaled {
    Whole(i128),
    Real(f64),
    Text(String),
    Bool(bool),
    /// Microseconds since 1970.
    Instant(i64),
}

impl Scaled {
    pub(crate) fn bool(self) -> Option<bool> {
        if let Self::Bool(on) = self { Some(on) } else { None }
    }

    pub(crate) fn text(self) -> Option<String> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn instant(self) -> Option<i64> {
        if let Self::Instant(instant) = self { Some(instant) } else { None }
    }
}

/// A raw value in the unit of its column; `None` where the device has none. `refused` is told of a value that cannot be.
pub(crate) fn value(column: &Column, data: &[u8], refused: &mut dyn FnMut(&Scaled)) -> Option<Scaled> {
    let Some(meaning) = &column.meaning else {
        return Some(match decode(&column.field, column.order, data).ok()? {
            Raw::Unsigned(number) => Scaled::Whole(number.into()),
            Raw::Signed(number) => Scaled::Whole(number.into()),
            Raw::Float(number) => Scaled::Real(number),
            _ => return None,
        });
    };
    let raw = column.field.value_in(column.order, data)?;
    let scaled = match raw {
        Raw::Unsigned(number) => number_of(column, meaning, number.into(), data)?,
        Raw::Signed(number) => number_of(column, meaning, number.into(), data)?,
        Raw::Float(number) => {
            let (factor, power) = (factor(column, meaning, data)?.real, power(column.order, meaning, data)?);
            let plain = power == 0 && meaning.offset.real == 0.0;
            Scaled::Real(if plain {
                product(number, factor)
            } else {
                linear(number, factor, power, meaning.offset.real)
            })
        }
        Raw::Text(text) => Scaled::Text(text),
        Raw::Bool(on) => match &meaning.words {
            Some(words) => Scaled::Text(words.word(on.into()).unwrap_or_else(|| u8::from(on).to_string())),
            None => Scaled::Bool(on),
        },
        Raw::Clock(at) if column.field.kind_of_value == Type::Date => Scaled::Text(at.date().to_string()),
        Raw::Clock(at) => Scaled::Instant(meaning.zone.to_timestamp(at).ok()?.as_microsecond()),
        Raw::Missing => return None,
    };
    let number = match &scaled {
        Scaled::Whole(number) => *number as f64,
        Scaled::Real(number) => *number,
        _ => return Some(scaled),
    };
    if meaning.valid.is_some_and(|valid| !valid.hold(number)) {
        refused(&scaled);
        return None;
    }
    Some(scaled)
}

fn number_of(column: &Column, meaning: &Meaning, raw: i128, data: &[u8]) -> Option<Scaled> {
    if let Some(words) = &meaning.words {
        return Some(Scaled::Text(words.word(raw).unwrap_or_else(|| raw.to_string())));
    }
    let factor = factor(column, meaning, data)?;
    if meaning.whole {
        return Some(Scaled::Whole(raw * i128::from(factor.whole) + i128::from(meaning.offset.whole)));
    }
    let power = power(column.order, meaning, data)?;
    Some(Scaled::Real(linear(raw as f64, factor.real, power, meaning.offset.real)))
}

fn factor(column: &Column, meaning: &Meaning, data: &[u8]) -> Option<Factor> {
    let holds = |scale: &&Scale| scale.when.holds(&scale.asked, column.order, data);
    match meaning.variants.iter().find(holds) {
        Some(scale) => Some(scale.factor),
        // Without the answer nobody knows the unit.
        None if meaning.variants.iter().any(|it| it.asked.value_in(column.order, data).is_none()) => None,
        None if column.field.otherwise == Some(Otherwise::Null) => None,
        None => Some(meaning.factor),
    }
}

/// The power of ten that the device names, 0 where it names none; `None` where it should and does not.
fn power(order: Order, meaning: &Meaning, data: &[u8]) -> Option<i32> {
    let Some(asked) = &meaning.power else { return Some(0) };
    let asked: &Field = asked.as_ref()?;
    let power = match asked.value_in(order, data)? {
        Raw::Unsigned(power) => i64::try_from(power).ok()?,
        Raw::Signed(power) => power,
        _ => return None,
    };
    (-MOST_POWER..=MOST_POWER).contains(&power).then(|| i32::try_from(power).ok())?
}

/// A value for people, with the scale of its unit in place, and the unit without it.
pub(crate) fn shown(column: &Column, data: &[u8]) -> (Option<String>, String) {
    let unit = column.arrow.measure();
    let conversion = unit.as_ref().and_then(|unit| unit.to(&unit.base()));
    let labels = column.arrow.labels();
    let scaled = |number: f64| match &conversion {
        Some(conversion) => conversion.apply(number).to_string(),
        None => number.to_string(),
    };
    let text = value(column, data, &mut |_| {}).map(|value| match value {
        // Beyond 53 bits a scale would round.
        Scaled::Whole(number) if conversion.as_ref().is_none_or(Conversion::is_identity) => {
            match labels.and_then(|labels| labels.word(number)).filter(|word| !word.is_empty()) {
                Some(word) => format!("{number} ({word})"),
                None => number.to_string(),
            }
        }
        Scaled::Whole(number) => scaled(number as f64),
        Scaled::Real(number) => scaled(number),
        Scaled::Text(text) => text,
        Scaled::Bool(on) => on.to_string(),
        Scaled::Instant(at) => Timestamp::from_microsecond(at).map(|at| at.to_string()).unwrap_or_default(),
    });
    (text, unit.map(|unit| unit.base().to_string()).unwrap_or_default())
}
