//! `65536 Wh`: an amount in any unit of its column's dimension, or a plain number in the column's own.

use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::unit::Unit;
use smiles_stage::{Path, Problem};

/// An amount as an option: `65536 Wh`, or a plain number in the unit of its column.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a number, or a number and a unit such as `1 kWh`")]
pub(crate) enum Quantity {
    /// In the unit of the column.
    Plain(f64),
    /// A number and a unit, such as `1 kWh`.
    Text(String),
}

impl Quantity {
    /// The amount in the unit of a column, above zero.
    pub(crate) fn resolve(&self, column: Option<&Unit>, at: &Path) -> Result<f64, Problem> {
        let problem = |message: String| {
            Problem::error(at.clone(), message)
                .help("write a number above zero, or one with a unit such as `1 kWh`")
        };
        let amount = match self {
            Self::Plain(number) => *number,
            Self::Text(text) => match text.trim().parse() {
                Ok(number) => number,
                Err(_) => in_unit(text, column).map_err(problem)?,
            },
        };
        if amount.is_finite() && amount > 0.0 {
            Ok(amount)
        } else {
            Err(problem(format!("`{amount}` is no amount")))
        }
    }
}

fn in_unit(text: &str, column: Option<&Unit>) -> Result<f64, String> {
    let unit = |text: &str| Unit::beside(text, column).map_err(|error| error.to_string());
    let (amount, column) = (unit(text)?, column.cloned().map_or_else(|| unit("1"), Ok)?);
    let conversion =
        amount.to(&column).ok_or_else(|| format!("`{text}` is no amount of a column in `{column}`"))?;
    Ok(conversion.apply(1.0) - conversion.apply(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_in_the_unit_of_its_column() {
        for (text, unit, expected) in [
            ("65536", Some("Wh"), Ok(65_536.0)),
            ("\"65536\"", Some("Wh"), Ok(65_536.0)),
            ("\"65536 Wh\"", Some("Wh"), Ok(65_536.0)),
            ("\"65536 Wh\"", Some("kWh"), Ok(65.536)),
            ("\"0.1 kWh\"", Some("Wh"), Ok(100.0)),
            ("1.5", None, Ok(1.5)),
            ("\"100 widget\"", Some("10 widget"), Ok(10.0)),
            ("\"100 widget\"", Some("Wh"), Err("unknown unit `widget`")),
            ("0", None, Err("`0` is no amount")),
            ("-1", Some("Wh"), Err("`-1` is no amount")),
            ("\"1 V\"", Some("Wh"), Err("`1 V` is no amount of a column in `Wh`")),
            ("\"1 Wx\"", Some("Wh"), Err("unknown unit `Wx`")),
        ] {
            let unit = unit.map(|unit| Unit::declared(unit, &["widget"]).unwrap());
            let quantity: Quantity = serde_json::from_str(text).unwrap();
            let found = quantity.resolve(unit.as_ref(), &Path::root()).map_err(|problem| problem.message);
            assert_eq!(found, expected.map_err(str::to_owned), "{text} in {unit:?}");
        }
    }
}
