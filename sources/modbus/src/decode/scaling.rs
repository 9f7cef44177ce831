//! What a raw number is worth: the unit of a column, and the arithmetic that leads there.
//!
//! Whole numbers stay whole: a temperature of `0.1 °C` with an offset of -273.15 °C is counted in hundredths. What cannot be
//! counted so (floats, a scale factor that the device names) is reckoned in decimal.

use smiles_stage::ParseError;
use smiles_stage::unit::{Conversion, Unit};

use crate::device::field::Field;
use crate::device::limits::Offset;
use crate::device::{Device, Type};

/// From a raw number to a value of the column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scaling {
    /// The unit of the column.
    pub(crate) unit: Option<Unit>,
    /// As the file writes it, or one finer.
    pub(crate) unit_text: Option<String>,
    /// What a raw number is multiplied with: in the field's own unit, then in those of its variants.
    pub(crate) factors: Vec<Factor>,
    /// What is added then.
    pub(crate) offset: Factor,
    /// Whether all of it is whole, and the column with it.
    pub(crate) whole: bool,
}

impl Default for Scaling {
    /// Raw numbers as they are.
    fn default() -> Self {
        let factors = vec![Factor::default()];
        Self { unit: None, unit_text: None, factors, offset: Factor::of(0.0), whole: true }
    }
}

/// A number that is whole where it can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Factor {
    pub(crate) whole: i64,
    pub(crate) real: f64,
}

impl Default for Factor {
    /// That changes nothing.
    fn default() -> Self {
        Self::of(1.0)
    }
}

/// Why a field has no scaling: what is wrong, the option, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScalingError {
    pub(crate) option: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// The finest unit tried in place of the field's own.
const FINEST: u32 = 9;

impl Factor {
    fn of(real: f64) -> Self {
        Self { whole: as_whole(real).unwrap_or_default(), real }
    }

    fn is_whole(self) -> bool {
        as_whole(self.real).is_some()
    }
}

/// A whole number that a double holds exactly.
#[expect(clippy::cast_possible_truncation, reason = "the range is compared first")]
fn as_whole(real: f64) -> Option<i64> {
    (real.fract() == 0.0 && real.abs() < 9_007_199_254_740_992.0).then_some(real as i64)
}

/// The scaling of a checked field.
///
/// # Errors
/// Its unit, scale and offset do not go together.
pub(crate) fn scaling(device: &Device, field: &Field) -> Result<Scaling, ScalingError> {
    let mut scaling = match &field.unit {
        Some(own) => with_unit(device, field, own)?,
        None => without_unit(field)?,
    };
    if field.negate {
        for factor in &mut scaling.factors {
            *factor = Factor::of(-factor.real);
        }
    }
    scaling.whole = field.kind_of_value.is_whole()
        && field.scale_by.is_none()
        && scaling.offset.is_whole()
        && scaling.factors.iter().all(|factor| factor.is_whole());
    Ok(scaling)
}

fn without_unit(field: &Field) -> Result<Scaling, ScalingError> {
    let scale = field.scale.as_ref().and_then(serde_json::Number::as_f64).unwrap_or(1.0);
    let offset = match parts(field)? {
        Some((_, Some(unit))) => {
            return Err(ScalingError {
                option: "offset",
                message: format!("the offset is in {unit}, and the value has no unit"),
                help: Some("add `unit:`, or leave the unit of the offset out".to_owned()),
            });
        }
        Some((number, None)) => number,
        None => 0.0,
    };
    let factors = std::iter::repeat_n(Factor::of(scale), field.variants.len() + 1).collect();
    Ok(Scaling { unit: None, unit_text: None, factors, offset: Factor::of(offset), whole: true })
}

fn parts(field: &Field) -> Result<Option<(f64, Option<&str>)>, ScalingError> {
    let error =
        |message| ScalingError { option: "offset", message, help: Some("for example `-100 °C`".to_owned()) };
    field.offset.as_ref().map(Offset::parts).transpose().map_err(error)
}

fn with_unit(device: &Device, field: &Field, own: &str) -> Result<Scaling, ScalingError> {
    let read = |option, text: &str| {
        unit(device, text).map_err(|error| ScalingError { option, message: error.message, help: error.help })
    };
    let texts: Vec<&str> =
        std::iter::once(own).chain(field.variants.iter().map(|other| other.unit.as_str())).collect();
    let units = texts.iter().map(|text| read("unit", text)).collect::<Result<Vec<_>, _>>()?;
    let offset = match parts(field)? {
        Some((number, Some(text))) => Some((number, read("offset", text)?)),
        Some((number, None)) if number != 0.0 => {
            let symbol = units.first().map(|unit| unit.base().to_string()).unwrap_or_default();
            return Err(ScalingError {
                option: "offset",
                message: "the value has a unit, and the offset has none".to_owned(),
                help: Some(format!("write `offset: {number} {symbol}`")),
            });
        }
        _ => None,
    };
    let in_unit = |target: &Unit| {
        let factors: Option<Vec<Factor>> = units.iter().map(|unit| whole_factor(unit, target)).collect();
        let offset = match &offset {
            Some((number, unit)) => Factor::of(unit.step_to(target)?.apply(*number)),
            None => Factor::of(0.0),
        };
        Some((factors?, offset))
    };
    // A float is worth what it is worth in any unit; its offset needs no finer one.
    let counted = field.kind_of_value.is_whole() && field.scale_by.is_none();
    let fits = |(_, offset): &(Vec<Factor>, Factor)| !counted || offset.is_whole();
    let given = texts.iter().zip(&units).map(|(text, unit)| ((*text).to_owned(), unit.clone()));
    let symbol = units.first().map(|unit| unit.base().to_string()).unwrap_or_default();
    let finer = (1..=FINEST).filter_map(|places| {
        let text = format!("0.{}1 {symbol}", "0".repeat(usize::try_from(places).ok()? - 1));
        Some((text.clone(), unit(device, &text).ok()?))
    });
    let finer = finer.filter(|_| offset.is_some());
    let found =
        given.chain(finer).find_map(|(text, target)| Some((in_unit(&target).filter(fits)?, text, target)));
    match found {
        Some(((factors, offset), text, unit)) => {
            Ok(Scaling { unit: Some(unit), unit_text: Some(text), factors, offset, whole: true })
        }
        None => Err(apart(field, &units, offset.as_ref().map(|(_, unit)| unit))),
    }
}

fn whole_factor(from: &Unit, to: &Unit) -> Option<Factor> {
    let conversion = from.to(to).filter(Conversion::keeps_integers)?;
    Some(Factor::of(conversion.apply(1.0)))
}

fn apart(field: &Field, units: &[Unit], offset: Option<&Unit>) -> ScalingError {
    let strange = |unit: &&Unit| units.first().is_some_and(|own| own.to(unit).is_none());
    if let Some(unit) = offset.filter(strange) {
        let own = units.first().map(Unit::to_string).unwrap_or_default();
        let message = format!("an offset in {unit} cannot be added to a value in {own}");
        return ScalingError { option: "offset", message, help: None };
    }
    if field.variants.is_empty() {
        return ScalingError {
            option: "offset",
            message: "the offset is no decimal number in the unit of the value".to_owned(),
            help: Some("write it in the unit of the value".to_owned()),
        };
    }
    ScalingError {
        option: "variants",
        message: "the units of the variants do not go together".to_owned(),
        help: Some(
            "all must measure the same and be whole multiples of the finest: `0.1 A` and `0.01 A`".to_owned(),
        ),
    }
}

impl Field {
    /// The raw number of a value, which is given in counts of the field's own unit: the other way round of what a column holds.
    pub fn raw_of(&self, counts: f64) -> f64 {
        let own = self.unit.as_deref().and_then(|text| text.parse::<Unit>().ok());
        let offset = match self.offset.as_ref().and_then(|offset| offset.parts().ok()) {
            Some((number, Some(unit))) => {
                let step = unit.parse::<Unit>().ok().zip(own).and_then(|(unit, own)| unit.step_to(&own));
                step.map_or(0.0, |step| step.apply(number))
            }
            Some((number, None)) => number,
            None => 0.0,
        };
        let scale = self.scale.as_ref().and_then(serde_json::Number::as_f64).unwrap_or(1.0);
        let raw = (counts - offset) / scale;
        if self.negate { -raw } else { raw }
    }
}

/// A unit as the device file writes it, which may have units of its own.
pub(crate) fn unit(device: &Device, text: &str) -> Result<Unit, ParseError> {
    let own: Vec<&str> = device.units.keys().map(String::as_str).collect();
    Unit::declared(text, &own)
}

/// The least and the most that a raw number of this field can be; `None` for what is no whole number.
pub(crate) fn raw_range(field: &Field) -> Option<(i128, i128)> {
    let bits = u32::from(field.width()) * 8;
    Some(match field.kind_of_value {
        Type::Bits => (0, (1 << u32::from(field.length.unwrap_or(1)).min(64)) - 1),
        Type::Bcd => (0, field.nines().into()),
        Type::Mod10k => (-i128::from(field.nines()), field.nines().into()),
        kind if kind.is_unsigned() => (0, (1 << bits.min(64)) - 1),
        kind if kind.is_signed() => (-(1 << (bits.clamp(1, 64) - 1)), (1 << (bits.clamp(1, 64) - 1)) - 1),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::device;

    /// Unit, factors and offset of a field.
    fn of(text: &str) -> Result<(String, Vec<f64>, f64, bool), String> {
        let device =
            device(&format!("blocks: {{b: {{address: 0, count: 4, fields: {{f: {{at: 0, {text}}}}}}}}}"));
        let field = device.blocks.0[0].1.fields.get("f").unwrap();
        let scaling =
            scaling(&device, field).map_err(|error| format!("{}: {}", error.option, error.message))?;
        let factors = scaling.factors.iter().map(|factor| factor.real).collect();
        Ok((scaling.unit_text.unwrap_or_default(), factors, scaling.offset.real, scaling.whole))
    }

    #[test]
    fn whole_numbers_stay_whole_in_a_unit_that_is_fine_enough() {
        for (field, unit, factor, offset) in [
            ("type: u16", "", 1.0, 0.0),
            ("type: u16, unit: 0.1 V", "0.1 V", 1.0, 0.0),
            ("type: i32, unit: W, negate: true", "W", -1.0, 0.0),
            ("type: u16, unit: 0.1 °C, offset: -100 °C", "0.1 °C", 1.0, -1000.0),
            ("type: u16, unit: 0.1 °C, offset: -273.15 °C", "0.01 °C", 10.0, -27315.0),
            ("type: u16, unit: °C, offset: -40.5 K", "0.1 °C", 10.0, -405.0),
            ("type: u16, unit: 0.5 °C, offset: 0.3 °C, negate: true", "0.1 °C", -5.0, 3.0),
            ("type: u16, unit: Wh, offset: 1 kWh", "Wh", 1.0, 1000.0),
            ("type: u16, scale: 10, offset: -5", "", 10.0, -5.0),
            ("type: bcd, length: 2, unit: W, offset: 5 W", "W", 1.0, 5.0),
        ] {
            assert_eq!(of(field), Ok((unit.to_owned(), vec![factor], offset, true)), "{field}");
        }
        for (field, unit, factor, offset) in [
            ("type: u16, scale: 0.1", "", 0.1, 0.0),
            ("type: u16, scale: 0.1, offset: -5", "", 0.1, -5.0),
            ("type: f32, unit: °C, offset: -0.5 °C", "°C", 1.0, -0.5),
            ("type: u16, unit: V, scale_by: sf", "V", 1.0, 0.0),
        ] {
            assert_eq!(of(field), Ok((unit.to_owned(), vec![factor], offset, false)), "{field}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        for (field, said) in [
            ("type: u16, offset: 5 V", "offset: the offset is in V, and the value has no unit"),
            ("type: u16, unit: V, offset: 5", "offset: the value has a unit, and the offset has none"),
            ("type: u16, unit: V, offset: 5 A", "offset: an offset in A cannot be added to a value in V"),
            ("type: u16, unit: V, offset: much", "offset: `much` is no number"),
            (
                "type: u16, unit: Wh, offset: 1 J",
                "offset: the offset is no decimal number in the unit of the value",
            ),
        ] {
            assert_eq!(of(field), Err(said.to_owned()), "{field}");
        }
    }
}
