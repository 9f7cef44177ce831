//! Units read from text, and what to write in place of one that is no unit. Advice that were taken and wrong would spoil every reading, so
//! it never names another quantity or scale: `l/h` is not `km/h`, `MΩ` is not `MW`, `mw` may be either of two.

use std::str::FromStr;

use crate::ParseError;
use crate::unit::{NotAUnit, Unit};

/// Spellings, in lower case, that mean one unit and can mean no other.
const SPELLINGS: &[(&str, &[&str])] = &[
    ("V", &["v", "volt", "volts"]),
    ("kV", &["kv"]),
    ("A", &["a", "amp", "amps", "ampere", "amperes"]),
    ("W", &["w", "watt", "watts"]),
    ("kW", &["kw", "kilowatt", "kilowatts"]),
    ("var", &["var"]),
    ("kvar", &["kvar"]),
    ("VA", &["va"]),
    ("kVA", &["kva"]),
    ("Wh", &["wh", "watthours"]),
    ("kWh", &["kwh", "kilowatthours"]),
    ("GWh", &["gwh"]),
    ("varh", &["varh"]),
    ("kvarh", &["kvarh"]),
    ("Ah", &["ah"]),
    ("Hz", &["hz", "hertz"]),
    ("kHz", &["khz"]),
    ("rpm", &["rpm"]),
    ("K", &["kelvin"]),
    ("°C", &["°c", "ºc", "celsius", "deg_c"]),
    ("°F", &["°f", "ºf", "fahrenheit", "deg_f"]),
    ("%", &["percent", "pct"]),
    ("s", &["sec", "secs", "second", "seconds"]),
    ("min", &["mins", "minute", "minutes"]),
    ("h", &["hr", "hrs", "hour", "hours"]),
    ("d", &["day", "days"]),
    ("Ω", &["ohms"]),
    ("hPa", &["hpa"]),
    ("kPa", &["kpa"]),
    ("l", &["litre", "litres", "liter", "liters"]),
    ("kg", &["kg"]),
    ("km/h", &["km/h", "kmh", "kph"]),
    ("W/m²", &["w/m²", "w/m2", "w/m^2"]),
    ("m²", &["m^2", "sqm"]),
    ("m³", &["m^3", "cbm"]),
];

impl FromStr for Unit {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = |error: NotAUnit| ParseError { message: error.to_string(), help: Some(advice(text)) };
        Self::read(text).map_err(wrong)
    }
}

/// Advice for a text that [`Unit`] refuses.
fn advice(text: &str) -> String {
    let text = text.trim();
    let numeral = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, rest) = text.split_at(numeral);
    if !number.is_empty() && rest.is_empty() {
        return format!("a number without a unit is written `{number} 1`");
    }
    if !number.is_empty()
        && !rest.starts_with(char::is_whitespace)
        && let Ok(unit) = Unit::read(&format!("{number} {rest}"))
    {
        return format!("put a space between number and unit: `{number} {}`", unit.symbol());
    }
    match Unit::read(text) {
        Err(NotAUnit::Unknown(symbol)) => spelled(&symbol).map_or_else(known, |unit| format!("did you mean `{unit}`?")),
        _ => "the number in front says how much of the unit one count is and is positive, as in `0.1 V`; no unit \
              turns the sign of a reading"
            .to_owned(),
    }
}

fn spelled(symbol: &str) -> Option<&'static str> {
    let lower = symbol.to_lowercase();
    SPELLINGS.iter().find(|(_, spellings)| spellings.contains(&lower.as_str())).map(|(unit, _)| *unit)
}

fn known() -> String {
    format!("known here: {}", Unit::symbols().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_never_names_another_quantity_or_scale() {
        for text in
            ["MΩ", "l/h", "1/min", "mw", "mwh", "mhz", "PA", "S", "T", "H", "Nm", "kg/h", "m3/h", "V/m"]
        {
            assert!(advice(text).starts_with("known here: 1, %"), "{text}: {}", advice(text));
        }
        let sign = advice("-1 W");
        assert!(sign.starts_with("the number in front") && !sign.contains("did you mean"), "{sign}");
    }

    #[test]
    fn a_spelling_that_means_one_unit_is_told() {
        for (text, told) in [
            ("kwh", "did you mean `kWh`?"),
            ("0.1 KWH", "did you mean `kWh`?"),
            ("Volt", "did you mean `V`?"),
            ("0.1kWh", "put a space between number and unit: `0.1 kWh`"),
            ("0.01", "a number without a unit is written `0.01 1`"),
        ] {
            assert_eq!(advice(text), told, "{text}");
        }
        for (unit, _) in SPELLINGS {
            assert_eq!(unit.parse::<Unit>().unwrap().to_string(), *unit);
        }
    }
}
