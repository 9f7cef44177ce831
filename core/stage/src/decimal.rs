//! Numbers as they were said: a device that says 230.1 in single precision means 230.1, not 230.10000610351562, and
//! 1.005 kWh are 1005 Wh, not 1004.9999999999999. The one place where single precision is widened.

/// Up to here every whole number of single precision is its own shortest decimal.
const WHOLE_F32: f32 = 16_777_216.0;

/// The most digits that are certain to come back from a double as they went in.
const DIGITS: u64 = 10_u64.pow(15);

/// The double of the fewest digits that mean this single: 230.1 stays 230.1.
pub fn widened(single: f32) -> f64 {
    let bits = f64::from(single);
    if !single.is_finite() || (single.trunc() == single && single.abs() < WHOLE_F32) {
        return bits;
    }
    // Narrowed again it must be the single that was said, whatever the double in between was rounded to.
    single.to_string().parse().ok().filter(|wide| narrowed(*wide) == single).unwrap_or(bits)
}

/// A number multiplied, in decimal where both have one: 1.005 times 1000 is 1005.
pub fn product(value: f64, factor: f64) -> f64 {
    let exact = || Decimal::of(value)?.times(Decimal::of(factor)?)?.value();
    exact().unwrap_or(value * factor)
}

/// A number multiplied with `factor` and a power of ten, and `offset` more, in decimal where all have one: 2301 times 1
/// times 10 to the power of -1 are 230.1.
pub fn linear(value: f64, factor: f64, power: i32, offset: f64) -> f64 {
    let exact = || {
        let scaled = Decimal::of(value)?.times(Decimal::of(factor)?)?;
        let scaled = Decimal { exponent: scaled.exponent.checked_add(power)?, ..scaled };
        scaled.plus(Decimal::of(offset)?)?.value()
    };
    exact().unwrap_or_else(|| value * factor * 10_f64.powi(power) + offset)
}

#[expect(clippy::cast_possible_truncation, reason = "to the nearest single is what is meant")]
fn narrowed(wide: f64) -> f32 {
    wide as f32
}

/// A quotient of so many digits is the nearest double, or next to the middle of two.
const ENOUGH: u64 = 10_u64.pow(18);

/// The most places that are looked at behind a quotient: the digits of a divisor are 16 at most.
const PLACES: u32 = 34;

/// A number in decimal: `digits` times ten to the power of `exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    digits: i128,
    exponent: i32,
}

impl Decimal {
    /// The number in its fewest digits; `None` where those are more than a decimal was ever written with, which is
    /// the outcome of a calculation and best left to doubles.
    pub(crate) fn of(value: f64) -> Option<Self> {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e')?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let exponent = exponent.parse::<i32>().ok()? - i32::try_from(fraction.len()).ok()?;
        (digits.unsigned_abs() <= DIGITS.into()).then_some(Self { digits, exponent })
    }

    pub(crate) fn times(self, other: Self) -> Option<Self> {
        let digits = self.digits.checked_mul(other.digits)?;
        Some(Self { digits, exponent: self.exponent + other.exponent })
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let shifted = |number: Self| {
            let places = u32::try_from(number.exponent - exponent).ok()?;
            number.digits.checked_mul(10_i128.checked_pow(places)?)
        };
        Some(Self { digits: shifted(self)?.checked_add(shifted(other)?)?, exponent })
    }

    /// One part of `parts`, of which there are some: to more digits than a double has where it has no end.
    pub(crate) fn over(self, parts: Self) -> Option<Self> {
        let quotient = |places: u32| {
            let digits = self.digits.checked_mul(10_i128.checked_pow(places)?)?;
            let (whole, rest) = (digits.checked_div(parts.digits)?, digits.checked_rem(parts.digits)?);
            let exponent = self.exponent - parts.exponent - i32::try_from(places).ok()?;
            let enough = rest == 0 || whole.unsigned_abs() >= ENOUGH.into();
            enough.then_some(Self { digits: whole, exponent })
        };
        (0..=PLACES).find_map(quotient)
    }

    /// The nearest double.
    pub(crate) fn value(self) -> Option<f64> {
        format!("{}e{}", self.digits, self.exponent).parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_scaled_number_is_what_paper_says() {
        assert_eq!(linear(2301.0, 1.0, -1, 0.0), 230.1);
        assert_eq!(linear(5.0, 0.1, 0, -40.2), -39.7);
        assert_eq!(linear(-50.0, 1.0, 2, 0.0), -5000.0);
        assert_eq!(linear(0.1 + 0.2, 1.0, 0, 1.0), 0.1 + 0.2 + 1.0, "more digits than were ever written");
        assert_eq!(linear(1.0, 1.0, i32::MAX, 1.0), f64::INFINITY);
    }

    #[test]
    fn a_single_keeps_its_digits() {
        for (single, wide) in [
            (230.1_f32, 230.1_f64),
            (1234.567, 1234.567),
            (-9999.9, -9999.9),
            (0.1, 0.1),
            (-0.0, 0.0),
            (16_777_213.0, 16_777_213.0),
            (1e-45, 1e-45),
            (f32::MAX, 3.402_823_5e38),
            (f32::INFINITY, f64::INFINITY),
        ] {
            assert_eq!(widened(single), wide);
        }
        assert!(widened(f32::NAN).is_nan());
        assert!(widened(-0.0).is_sign_negative());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
        cases: 20_000,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

        #[test]
        fn any_single_reads_back_and_prints_as_short_as_it_is(bits: u32) {
            let single = f32::from_bits(bits);
            prop_assume!(single.is_finite());
            let wide = widened(single);
            prop_assert_eq!((wide as f32).to_bits(), bits);
            prop_assert_eq!(wide.to_string(), single.to_string());
        }

        #[test]
        fn any_decimal_is_taken_apart_and_put_together(digits in -999_999_999_999_999_i64..=999_999_999_999_999, places in 0..20_i32) {
            let value: f64 = format!("{digits}e-{places}").parse().unwrap();
            prop_assert_eq!(Decimal::of(value).and_then(Decimal::value), Some(value));
        }
    }
}
