//! Units with dimensions: `V`, `0.1 V`, `Wh`, `°C`. A conversion is a rational factor and an offset,
//! so that 2301 tenths of a volt are exactly the double nearest to 230.1.

use std::fmt;

use crate::decimal::Decimal;

/// What is measured; only units of one dimension convert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    Number,
    Voltage,
    Current,
    Power,
    ReactivePower,
    ApparentPower,
    Energy,
    ReactiveEnergy,
    Charge,
    Frequency,
    Temperature,
    Time,
    Resistance,
    Length,
    Area,
    Volume,
    Mass,
    Pressure,
    Speed,
    Irradiance,
    Angle,
    Data,
}

/// A unit, perhaps scaled: `0.1 V` counts tenths of a volt.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    symbol: &'static str,
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
pub(crate) enum NotAUnit {
    /// The symbol is in no table.
    #[error("unknown unit `{0}`")]
    Unknown(String),
    /// The number in front is not a positive decimal.
    #[error("`{0}` is not a positive decimal number")]
    Scale(String),
}

/// A linear map between two units of one dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conversion {
    numerator: f64,
    denominator: f64,
    before: f64,
    after: f64,
}

type Row = (&'static str, Dimension, (f64, f64), f64);

const TABLE: &[Row] = {
    use Dimension::*;
    &[
        ("1", Number, (1.0, 1.0), 0.0),
        ("%", Number, (1.0, 100.0), 0.0),
        ("ppm", Number, (1.0, 1e6), 0.0),
        ("µV", Voltage, (1.0, 1e6), 0.0),
        ("mV", Voltage, (1.0, 1e3), 0.0),
        ("V", Voltage, (1.0, 1.0), 0.0),
        ("kV", Voltage, (1e3, 1.0), 0.0),
        ("mA", Current, (1.0, 1e3), 0.0),
        ("A", Current, (1.0, 1.0), 0.0),
        ("kA", Current, (1e3, 1.0), 0.0),
        ("mW", Power, (1.0, 1e3), 0.0),
        ("W", Power, (1.0, 1.0), 0.0),
        ("kW", Power, (1e3, 1.0), 0.0),
        ("MW", Power, (1e6, 1.0), 0.0),
        ("var", ReactivePower, (1.0, 1.0), 0.0),
        ("kvar", ReactivePower, (1e3, 1.0), 0.0),
        ("VA", ApparentPower, (1.0, 1.0), 0.0),
        ("kVA", ApparentPower, (1e3, 1.0), 0.0),
        ("Wh", Energy, (1.0, 1.0), 0.0),
        ("kWh", Energy, (1e3, 1.0), 0.0),
        ("MWh", Energy, (1e6, 1.0), 0.0),
        ("GWh", Energy, (1e9, 1.0), 0.0),
        ("J", Energy, (1.0, 3600.0), 0.0),
        ("kJ", Energy, (1.0, 3.6), 0.0),
        ("MJ", Energy, (1e3, 3.6), 0.0),
        ("varh", ReactiveEnergy, (1.0, 1.0), 0.0),
        ("kvarh", ReactiveEnergy, (1e3, 1.0), 0.0),
        ("mAh", Charge, (1.0, 1e3), 0.0),
        ("Ah", Charge, (1.0, 1.0), 0.0),
        ("mHz", Frequency, (1.0, 1e3), 0.0),
        ("Hz", Frequency, (1.0, 1.0), 0.0),
        ("kHz", Frequency, (1e3, 1.0), 0.0),
        ("rpm", Frequency, (1.0, 60.0), 0.0),
        ("K", Temperature, (1.0, 1.0), 0.0),
        ("°C", Temperature, (1.0, 1.0), 273.15),
        ("°F", Temperature, (5.0, 9.0), 459.67 * 5.0 / 9.0),
        ("µs", Time, (1.0, 1e6), 0.0),
        ("ms", Time, (1.0, 1e3), 0.0),
        ("s", Time, (1.0, 1.0), 0.0),
        ("min", Time, (60.0, 1.0), 0.0),
        ("h", Time, (3600.0, 1.0), 0.0),
        ("d", Time, (86400.0, 1.0), 0.0),
        ("mΩ", Resistance, (1.0, 1e3), 0.0),
        ("Ω", Resistance, (1.0, 1.0), 0.0),
        ("kΩ", Resistance, (1e3, 1.0), 0.0),
        ("mm", Length, (1.0, 1e3), 0.0),
        ("cm", Length, (1.0, 100.0), 0.0),
        ("m", Length, (1.0, 1.0), 0.0),
        ("km", Length, (1e3, 1.0), 0.0),
        ("m²", Area, (1.0, 1.0), 0.0),
        ("l", Volume, (1.0, 1e3), 0.0),
        ("m³", Volume, (1.0, 1.0), 0.0),
        ("g", Mass, (1.0, 1e3), 0.0),
        ("kg", Mass, (1.0, 1.0), 0.0),
        ("t", Mass, (1e3, 1.0), 0.0),
        ("Pa", Pressure, (1.0, 1.0), 0.0),
        ("hPa", Pressure, (100.0, 1.0), 0.0),
        ("kPa", Pressure, (1e3, 1.0), 0.0),
        ("mbar", Pressure, (100.0, 1.0), 0.0),
        ("bar", Pressure, (1e5, 1.0), 0.0),
        ("m/s", Speed, (1.0, 1.0), 0.0),
        ("km/h", Speed, (1.0, 3.6), 0.0),
        ("W/m²", Irradiance, (1.0, 1.0), 0.0),
        ("°", Angle, (1.0, 1.0), 0.0),
        ("B", Data, (1.0, 1.0), 0.0),
        ("KiB", Data, (1024.0, 1.0), 0.0),
        ("MiB", Data, (1048576.0, 1.0), 0.0),
    ]
};

/// Other spellings of symbols above.
const ALIASES: &[(&str, &str)] = &[
    ("C", "°C"),
    ("degC", "°C"),
    ("F", "°F"),
    ("degF", "°F"),
    ("deg", "°"),
    ("ohm", "Ω"),
    ("kohm", "kΩ"),
    ("uV", "µV"),
    ("us", "µs"),
    ("m2", "m²"),
    ("m3", "m³"),
    ("W/m2", "W/m²"),
    ("VAr", "var"),
    ("kVAr", "kvar"),
];

impl Unit {
    /// What it measures, for people.
    pub fn dimension(&self) -> impl fmt::Debug + use<> {
        self.dimension
    }

    /// The symbol without the number: `V` of `0.1 V`.
    pub(crate) fn symbol(&self) -> &'static str {
        self.symbol
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
        if self.dimension != target.dimension {
            return None;
        }
        let own = (self.scale.0 * self.factor.0, self.scale.1 * self.factor.1);
        let theirs = (target.scale.0 * target.factor.0, target.scale.1 * target.factor.1);
        let (mut numerator, mut denominator) = (own.0 * theirs.1, own.1 * theirs.0);
        let (mut before, mut after) = (0.0, 0.0);
        if self.offset != target.offset {
            // value * own + offset = result * theirs + offset'
            before = (self.offset - target.offset) * own.1 / own.0;
        }
        if numerator >= denominator && numerator % denominator == 0.0 {
            (numerator, denominator) = (numerator / denominator, 1.0);
        } else if denominator % numerator == 0.0 {
            (numerator, denominator) = (1.0, denominator / numerator);
        }
        if before != 0.0 && numerator == 1.0 {
            // Divide first: tenths of a degree stay exact until the offset is added.
            after = before / denominator;
            before = 0.0;
        }
        Some(Conversion { numerator, denominator, before, after })
    }

    /// As [`to`](Self::to), for a difference: 5 °C more are 9 °F more, whatever their zero points.
    pub fn step_to(&self, target: &Unit) -> Option<Conversion> {
        let without_zero = |unit: &Unit| Unit { offset: 0.0, ..unit.clone() };
        without_zero(self).to(&without_zero(target))
    }

    /// Every symbol and alias, for "did you mean".
    pub(crate) fn symbols() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|row| row.0).chain(ALIASES.iter().map(|alias| alias.0))
    }
}

impl Conversion {
    /// The value in the other unit, as it would be worked out on paper: 0.07 of `100 W` are 7 W, not
    /// 7.000000000000001 W.
    pub fn apply(&self, value: f64) -> f64 {
        const EXACT: f64 = 9_007_199_254_740_992.0;
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

impl Unit {
    /// Reads a unit as people write it.
    pub(crate) fn read(text: &str) -> Result<Self, NotAUnit> {
        let text = text.trim();
        let (scale, symbol) = match text.split_once(char::is_whitespace) {
            Some((number, symbol)) => (decimal(number)?, symbol.trim()),
            None => ((1.0, 1.0), text),
        };
        let symbol = ALIASES.iter().find(|alias| alias.0 == symbol).map_or(symbol, |alias| alias.1);
        let row =
            TABLE.iter().find(|row| row.0 == symbol).ok_or_else(|| NotAUnit::Unknown(symbol.to_owned()))?;
        Ok(Unit { symbol: row.0, dimension: row.1, factor: row.2, offset: row.3, scale })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_scaled() {
            write!(f, "{} ", self.scale.0 / self.scale.1)?;
        }
        f.write_str(self.symbol)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(value: f64, from: &str, to: &str) -> Option<f64> {
        let (from, to): (Unit, Unit) = (from.parse().unwrap(), to.parse().unwrap());
        from.to(&to).map(|conversion| conversion.apply(value))
    }

    #[test]
    fn values_convert_exactly_where_decimals_can() {
        let rows = [
            (2301.0, "0.1 V", "V", 230.1),
            (5001.0, "0.01 Hz", "Hz", 50.01),
            (-55.0, "0.1 °C", "°C", -5.5),
            (431.0, "0.1 C", "degC", 43.1),
            (545454.0, "Wh", "kWh", 545.454),
            (1.5, "kWh", "Wh", 1500.0),
            (3600.0, "J", "Wh", 1.0),
            (25.0, "°C", "K", 298.15),
            (212.0, "°F", "°C", 100.0),
            (250.0, "0.1 °C", "K", 298.15),
            (50.0, "%", "1", 0.5),
            (1500.0, "rpm", "Hz", 25.0),
            (7.0, "10 W", "W", 70.0),
        ];
        for (value, from, to, expected) in rows {
            let got = convert(value, from, to).unwrap();
            let close = (got - expected).abs() <= 1e-9 * expected.abs().max(1.0);
            assert!(close, "{value} {from} is {got} {to}, expected {expected}");
        }
        for (value, from, to, exact) in [
            (1234.567, "kWh", "Wh", 1_234_567.0),
            (1.005, "kWh", "Wh", 1005.0),
            (0.07, "100 W", "W", 7.0),
            (230.1, "V", "mV", 230_100.0),
            (43.3, "°C", "K", 316.45),
            (-5.5, "°C", "K", 267.65),
            (300.0, "K", "°C", 26.85),
            (0.1 + 0.2, "kWh", "Wh", 300.00000000000006),
        ] {
            assert_eq!(convert(value, from, to), Some(exact), "{value} {from} in {to}");
        }
        assert_eq!(convert(2301.0, "0.1 V", "V"), Some(230.1), "tenths are exact");
        assert_eq!(convert(113.0, "0.01 A", "A"), Some(1.13), "hundredths are exact");
    }

    #[test]
    fn dimensions_do_not_mix_and_nonsense_is_named() {
        assert_eq!(convert(1.0, "V", "A"), None);
        assert_eq!(Unit::read("0.1 Vx"), Err(NotAUnit::Unknown("Vx".into())));
        for scale in ["x", "-1", "0", "0.0", "1e3"] {
            assert_eq!(Unit::read(&format!("{scale} V")), Err(NotAUnit::Scale(scale.into())));
        }
    }

    #[test]
    fn a_difference_knows_no_zero_point() {
        let step = |value: f64, from: &str, to: &str| {
            let (from, to): (Unit, Unit) = (from.parse().unwrap(), to.parse().unwrap());
            from.step_to(&to).map(|conversion| conversion.apply(value))
        };
        assert_eq!(step(-100.0, "°C", "0.1 °C"), Some(-1000.0));
        assert_eq!(step(5.0, "°C", "K"), Some(5.0));
        assert_eq!(step(5.0, "°C", "°F"), Some(9.0));
        assert_eq!(step(5.0, "°C", "V"), None);
    }

    #[test]
    fn a_unit_survives_its_own_text() {
        for text in ["V", "0.1 V", "0.01 Hz", "10 W", "°C"] {
            assert_eq!(text.parse::<Unit>().unwrap().to_string(), text);
        }
        assert_eq!("0.1 V".parse::<Unit>().unwrap().base().to_string(), "V");
    }

    #[test]
    fn whole_numbers_stay_whole_where_they_can() {
        let keeps = |from: &str, to: &str| {
            from.parse::<Unit>().unwrap().to(&to.parse().unwrap()).unwrap().keeps_integers()
        };
        assert!(keeps("kWh", "Wh") && keeps("Wh", "Wh") && keeps("10 W", "W"));
        assert!(!keeps("0.1 V", "V") && !keeps("Wh", "kWh") && !keeps("K", "°C"));
    }
}
