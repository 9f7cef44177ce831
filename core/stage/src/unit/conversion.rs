//! From one unit to another: a rational factor and perhaps an offset, worked out as on paper.

use crate::decimal::Decimal;

/// Up to here a double is every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A linear map between two units of one dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conversion {
    numerator: f64,
    denominator: f64,
    before: f64,
    after: f64,
}

impl Conversion {
    /// By this factor, after `before` was added.
    pub(super) fn new((numerator, denominator): (f64, f64), before: f64) -> Self {
        let (numerator, denominator) = reduced(numerator, denominator);
        if before != 0.0 && numerator == 1.0 {
            // Divide first: tenths of a degree stay exact until the offset is added.
            return Self { numerator, denominator, before: 0.0, after: before / denominator };
        }
        Self { numerator, denominator, before, after: 0.0 }
    }

    /// The value in the other unit, as it would be worked out on paper: 0.07 of `100 W` are 7 W, not
    /// 7.000000000000001 W.
    pub fn apply(&self, value: f64) -> f64 {
        let exact = value.fract() == 0.0 && (value * self.numerator).abs() < EXACT;
        let plain = self.before == 0.0 && self.after == 0.0;
        if self.is_identity() {
            return value;
        }
        let in_doubles = || (value + self.before) * self.numerator / self.denominator + self.after;
        if exact && plain { in_doubles() } else { self.in_decimals(value).unwrap_or_else(in_doubles) }
    }

    fn in_decimals(&self, value: f64) -> Option<f64> {
        let of = Decimal::of;
        let scaled = of(value)?.plus(of(self.before)?)?.times(of(self.numerator)?)?;
        scaled.over(of(self.denominator)?)?.plus(of(self.after)?)?.value()
    }

    /// Whether nothing changes.
    pub fn is_identity(&self) -> bool {
        self.numerator == self.denominator && self.before == 0.0 && self.after == 0.0
    }

    /// Whether whole numbers stay whole (a factor without a fraction and no offset).
    pub fn keeps_integers(&self) -> bool {
        self.denominator == 1.0 && self.numerator.fract() == 0.0 && self.before == 0.0 && self.after == 0.0
    }
}

/// The same fraction in its least numbers.
fn reduced(numerator: f64, denominator: f64) -> (f64, f64) {
    let (mut divisor, mut rest) = (numerator, denominator);
    while rest != 0.0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    (numerator / divisor, denominator / divisor)
}
