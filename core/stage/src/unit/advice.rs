//! What to write in place of a text that is no unit. Advice that were taken and wrong would spoil every reading, so
//! it never names another quantity or scale: `l/m` is not `km/h`, `mw` may be either of two.

use super::{NotAUnit, Unit, spelling, table};
use crate::ParseError;

/// Why the text is refused, with advice.
pub(super) fn refusal(text: &str, error: &NotAUnit) -> ParseError {
    ParseError { message: error.to_string(), help: Some(advice(text)) }
}

fn advice(text: &str) -> String {
    let text = text.trim();
    let numeral = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, rest) = text.split_at(numeral);
    if !number.is_empty() && rest.is_empty() {
        return format!("a number without a unit is written `{number} 1`");
    }
    if !number.is_empty()
        && !rest.starts_with(char::is_whitespace)
        && let Ok(unit) = Unit::read(&format!("{number} {rest}"), &[])
    {
        return format!("put a space between number and unit: `{number} {}`", unit.symbol());
    }
    match Unit::read(text, &[]) {
        Err(NotAUnit::Unknown(symbol)) => unknown(&symbol),
        _ => "the number in front says how much of the unit one count is and is positive, as in `0.1 V`; no unit \
              turns the sign of a reading"
            .to_owned(),
    }
}

fn unknown(symbol: &str) -> String {
    if let Some((small, large)) = spelling::either(symbol) {
        return format!("it may be `{small}` or `{large}`: write which of them is meant");
    }
    let money = symbol.split('/').next().unwrap_or_default().to_lowercase();
    if ["ct", "ct.", "cent", "cents", "¢"].contains(&money.as_str()) {
        let help = "a cent is a hundredth of which currency? say it in the number, as in `0.01 EUR` or `0.01 EUR/kWh`";
        return help.to_owned();
    }
    let known: Vec<&str> = table::symbols().collect();
    format!(
        "known here: {}, and prices such as EUR/kWh; a device file may declare another under `units:`",
        known.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_never_names_another_quantity_or_scale() {
        for text in [
            "PA", "T", "H", "M", "k", "V/m", "m/l", "mpa", "mj", "mvar", "MV", "ma", "NM", "nm", "a", "L/kg",
            "psig", "kWh/h", "G", "c", "u", "EUR/l",
        ] {
            assert!(advice(text).starts_with("known here: 1, %"), "{text}: {}", advice(text));
        }
        for (text, told) in [
            ("mw", "it may be `mW` or `MW`: write which of them is meant"),
            ("0.1 Mw", "it may be `mW` or `MW`: write which of them is meant"),
            ("mwh", "it may be `mWh` or `MWh`: write which of them is meant"),
            ("mhz", "it may be `mHz` or `MHz`: write which of them is meant"),
            ("mOhm", "it may be `mΩ` or `MΩ`: write which of them is meant"),
        ] {
            assert_eq!(advice(text), told, "{text}");
        }
        let sign = advice("-1 W");
        assert!(sign.starts_with("the number in front") && !sign.contains("did you mean"), "{sign}");
        assert!(advice("ct/kWh").starts_with("a cent is a hundredth of which currency?"));
    }

    #[test]
    fn a_missing_space_and_a_missing_unit_are_told() {
        for (text, told) in [
            ("0.1kWh", "put a space between number and unit: `0.1 kWh`"),
            ("0.1kwh", "put a space between number and unit: `0.1 kWh`"),
            ("0.01", "a number without a unit is written `0.01 1`"),
        ] {
            assert_eq!(advice(text), told, "{text}");
        }
    }
}
