//! Units with dimensions: `V`, `0.1 V`, `Wh`, `°C`. A conversion is a rational factor and an offset,
//! so that 2301 tenths of a volt are exactly the double nearest to 230.1.

mod advice;
mod conversion;
#[cfg(test)]
mod document;
mod spelling;
mod table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::ParseError;

pub use conversion::Conversion;
use table::Dimension;

/// The most characters of a symbol that a device file declares.
const LONGEST: usize = 32;

/// A unit, perhaps scaled: `0.1 V` counts tenths of a volt.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    symbol: Cow<'static, str>,
    dimension: Dimension,
    /// One of this unit in the dimension's own unit, as numerator and denominator.
    factor: (f64, f64),
    /// Added after scaling to reach the dimension's own unit (temperatures).
    offset: f64,
    /// The number in front of the symbol, as numerator and denominator.
    scale: (f64, f64),
}

/// Why a text is not a unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum NotAUnit {
    /// The symbol is in no table.
    #[error("unknown unit `{0}`")]
    Unknown(String),
    /// The number in front is not a positive decimal.
    #[error("`{0}` is not a positive decimal number")]
    Scale(String),
}

impl Unit {
    /// Reads a unit that may be one of `known`: symbols that a device file declares beside those of the table. A symbol of the
    /// table means what it means there.
    ///
    /// # Errors
    /// The text is no unit, with advice.
    pub fn declared(text: &str, known: &[&str]) -> Result<Unit, ParseError> {
        Self::read(text, known).map_err(|error| advice::refusal(text, &error))
    }

    /// Reads a unit that is held against a column: it may be the one that the device file of the column declares.
    ///
    /// # Errors
    /// The text is no unit, with advice.
    pub fn beside(text: &str, column: Option<&Unit>) -> Result<Unit, ParseError> {
        let own = column.and_then(Unit::declared_symbol);
        Self::declared(text, own.as_slice())
    }

    /// Whether a device file may declare this symbol.
    ///
    /// # Errors
    /// It is known already, or cannot stand where a unit does.
    pub fn is_declarable(symbol: &str) -> Result<(), ParseError> {
        let refused = |message: String, help: &str| Err(ParseError { message, help: Some(help.to_owned()) });
        if let Some(unit) = spelling::find(symbol) {
            let message = format!("`{symbol}` is a known unit already: {}", unit.dimension);
            return refused(message, "remove it here: fields can name it without");
        }
        if symbol.is_empty() || symbol.chars().count() > LONGEST {
            return refused(format!("`{symbol}` is no symbol of a unit"), "write 1 to 32 characters");
        }
        if symbol.trim() != symbol || symbol.chars().any(char::is_control) {
            let help = "write it without spaces at its ends and without control characters";
            return refused(format!("`{symbol}` is no symbol of a unit"), help);
        }
        if symbol.starts_with(|first: char| first.is_ascii_digit() || ".-+".contains(first)) {
            let help = "begin with a letter: a number stands in front of a unit, as in `0.1 V`";
            return refused(format!("`{symbol}` begins like a number"), help);
        }
        Ok(())
    }

    /// Whether a text is a unit if its symbol is declared somewhere.
    pub fn may_be_declared(text: &str) -> bool {
        matches!(Self::read(text, &[]), Err(NotAUnit::Unknown(symbol)) if Self::is_declarable(&symbol).is_ok())
    }

    /// Its symbol, if it is not in the table.
    pub fn declared_symbol(&self) -> Option<&str> {
        (self.dimension == Dimension::Declared).then_some(&*self.symbol)
    }

    /// What it measures, for people.
    pub fn dimension(&self) -> impl fmt::Display + use<> {
        self.dimension
    }

    /// The symbol without the number: `V` of `0.1 V`.
    fn symbol(&self) -> &str {
        &self.symbol
    }

    /// The unit without the number: `V` of `0.1 V`.
    #[must_use]
    pub fn base(&self) -> Unit {
        Unit { scale: (1.0, 1.0), ..self.clone() }
    }

    /// Whether it has a number in front.
    fn is_scaled(&self) -> bool {
        self.scale != (1.0, 1.0)
    }

    /// How values of this unit become values of `target`; `None` if they measure different things.
    pub fn to(&self, target: &Unit) -> Option<Conversion> {
        if self.dimension != target.dimension || self.declared_symbol() != target.declared_symbol() {
            return None;
        }
        let own = (self.scale.0 * self.factor.0, self.scale.1 * self.factor.1);
        let theirs = (target.scale.0 * target.factor.0, target.scale.1 * target.factor.1);
        // value * own + offset = result * theirs + offset'
        let before = (self.offset - target.offset) * own.1 / own.0;
        Some(Conversion::new((own.0 * theirs.1, own.1 * theirs.0), before))
    }

    /// As [`to`](Self::to), for a difference: 5 °C more are 9 °F more, whatever their zero points.
    pub fn step_to(&self, target: &Unit) -> Option<Conversion> {
        let without_zero = |unit: &Unit| Unit { offset: 0.0, ..unit.clone() };
        without_zero(self).to(&without_zero(target))
    }

    /// Reads a unit as people write it: a symbol, or a number and a symbol.
    fn read(text: &str, known: &[&str]) -> Result<Self, NotAUnit> {
        let text = text.trim();
        let find = |symbol: &str| spelling::find(symbol).or_else(|| Self::among(known, symbol));
        // A symbol may have a space within: newton metres.
        if let Some(unit) = find(text) {
            return Ok(unit);
        }
        let (scale, symbol) = match text.split_once(char::is_whitespace) {
            Some((number, symbol)) => (decimal(number)?, symbol.trim()),
            None => ((1.0, 1.0), text),
        };
        let unit = find(symbol).ok_or_else(|| NotAUnit::Unknown(symbol.to_owned()))?;
        Ok(Unit { scale, ..unit })
    }

    fn among(known: &[&str], symbol: &str) -> Option<Self> {
        known.contains(&symbol).then(|| Unit {
            symbol: Cow::Owned(symbol.to_owned()),
            dimension: Dimension::Declared,
            factor: (1.0, 1.0),
            offset: 0.0,
            scale: (1.0, 1.0),
        })
    }
}

impl FromStr for Unit {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::declared(text, &[])
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_scaled() {
            write!(f, "{} ", self.scale.0 / self.scale.1)?;
        }
        f.write_str(&self.symbol)
    }
}

/// `0.01` as (1, 100): digits over a power of ten, both exact.
fn decimal(text: &str) -> Result<(f64, f64), NotAUnit> {
    let bad = || NotAUnit::Scale(text.to_owned());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 12 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let numerator: f64 = digits.parse().map_err(|_| bad())?;
    let denominator = (0..fraction.len()).fold(1.0, |power, _| power * 10.0);
    if numerator == 0.0 {
        return Err(bad());
    }
    let (mut numerator, mut denominator) = (numerator, denominator);
    while numerator % 10.0 == 0.0 && denominator % 10.0 == 0.0 {
        (numerator, denominator) = (numerator / 10.0, denominator / 10.0);
    }
    if numerator % denominator == 0.0 {
        (numerator, denominator) = (numerator / denominator, 1.0);
    }
    Ok((numerator, denominator))
}
