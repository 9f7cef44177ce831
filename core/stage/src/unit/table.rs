//! The units that are known, and what each measures.

use std::borrow::Cow;
use std::fmt;

use super::Unit;

/// What is measured; only units of one dimension convert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dimension {
    Number,
    Voltage,
    Current,
    Power,
    ReactivePower,
    ApparentPower,
    Energy,
    ReactiveEnergy,
    ApparentEnergy,
    Charge,
    Frequency,
    Temperature,
    Time,
    Resistance,
    Conductance,
    Conductivity,
    Length,
    Area,
    Volume,
    VolumeFlow,
    Mass,
    MassFlow,
    Concentration,
    Acidity,
    Pressure,
    Torque,
    Speed,
    Irradiance,
    Illuminance,
    Angle,
    Level,
    SignalStrength,
    Data,
    /// Of one currency: what a euro is worth in dollars is no constant.
    Money(&'static str),
    /// Money of one currency for energy.
    Price(&'static str),
    /// Of a unit that a device file declares: nothing but itself.
    Declared,
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a number",
            Self::Voltage => "voltage",
            Self::Current => "current",
            Self::Power => "power",
            Self::ReactivePower => "reactive power",
            Self::ApparentPower => "apparent power",
            Self::Energy => "energy",
            Self::ReactiveEnergy => "reactive energy",
            Self::ApparentEnergy => "apparent energy",
            Self::Charge => "charge",
            Self::Frequency => "frequency",
            Self::Temperature => "temperature",
            Self::Time => "time",
            Self::Resistance => "resistance",
            Self::Conductance => "conductance",
            Self::Conductivity => "conductivity",
            Self::Length => "length",
            Self::Area => "area",
            Self::Volume => "volume",
            Self::VolumeFlow => "volume flow",
            Self::Mass => "mass",
            Self::MassFlow => "mass flow",
            Self::Concentration => "concentration",
            Self::Acidity => "acidity",
            Self::Pressure => "pressure",
            Self::Torque => "torque",
            Self::Speed => "speed",
            Self::Irradiance => "irradiance",
            Self::Illuminance => "illuminance",
            Self::Angle => "angle",
            Self::Level => "level",
            Self::SignalStrength => "signal strength",
            Self::Data => "data",
            Self::Money(currency) => return write!(f, "money in {currency}"),
            Self::Price(currency) => return write!(f, "an energy price in {currency}"),
            Self::Declared => "a unit of its own",
        })
    }
}

/// Symbol, dimension, what one is in the dimension's own unit (numerator and denominator, both whole), and what is added
/// to that.
pub(super) type Row = (&'static str, Dimension, (f64, f64), f64);

/// What is no money.
pub(super) const TABLE: &[Row] = {
    use Dimension::*;
    &[
        ("1", Number, (1.0, 1.0), 0.0),
        ("%", Number, (1.0, 100.0), 0.0),
        ("ppm", Number, (1.0, 1e6), 0.0),
        ("ppb", Number, (1.0, 1e9), 0.0),
        ("µV", Voltage, (1.0, 1e6), 0.0),
        ("mV", Voltage, (1.0, 1e3), 0.0),
        ("V", Voltage, (1.0, 1.0), 0.0),
        ("kV", Voltage, (1e3, 1.0), 0.0),
        ("µA", Current, (1.0, 1e6), 0.0),
        ("mA", Current, (1.0, 1e3), 0.0),
        ("A", Current, (1.0, 1.0), 0.0),
        ("kA", Current, (1e3, 1.0), 0.0),
        ("mW", Power, (1.0, 1e3), 0.0),
        ("W", Power, (1.0, 1.0), 0.0),
        ("kW", Power, (1e3, 1.0), 0.0),
        ("MW", Power, (1e6, 1.0), 0.0),
        ("GW", Power, (1e9, 1.0), 0.0),
        ("var", ReactivePower, (1.0, 1.0), 0.0),
        ("kvar", ReactivePower, (1e3, 1.0), 0.0),
        ("Mvar", ReactivePower, (1e6, 1.0), 0.0),
        ("VA", ApparentPower, (1.0, 1.0), 0.0),
        ("kVA", ApparentPower, (1e3, 1.0), 0.0),
        ("MVA", ApparentPower, (1e6, 1.0), 0.0),
        ("mWh", Energy, (1.0, 1e3), 0.0),
        ("Wh", Energy, (1.0, 1.0), 0.0),
        ("kWh", Energy, (1e3, 1.0), 0.0),
        ("MWh", Energy, (1e6, 1.0), 0.0),
        ("GWh", Energy, (1e9, 1.0), 0.0),
        ("TWh", Energy, (1e12, 1.0), 0.0),
        ("J", Energy, (1.0, 3600.0), 0.0),
        ("kJ", Energy, (5.0, 18.0), 0.0),
        ("MJ", Energy, (2500.0, 9.0), 0.0),
        ("GJ", Energy, (25e5, 9.0), 0.0),
        ("varh", ReactiveEnergy, (1.0, 1.0), 0.0),
        ("kvarh", ReactiveEnergy, (1e3, 1.0), 0.0),
        ("Mvarh", ReactiveEnergy, (1e6, 1.0), 0.0),
        ("VAh", ApparentEnergy, (1.0, 1.0), 0.0),
        ("kVAh", ApparentEnergy, (1e3, 1.0), 0.0),
        ("MVAh", ApparentEnergy, (1e6, 1.0), 0.0),
        ("mAh", Charge, (1.0, 1e3), 0.0),
        ("Ah", Charge, (1.0, 1.0), 0.0),
        ("mHz", Frequency, (1.0, 1e3), 0.0),
        ("Hz", Frequency, (1.0, 1.0), 0.0),
        ("kHz", Frequency, (1e3, 1.0), 0.0),
        ("MHz", Frequency, (1e6, 1.0), 0.0),
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
        ("MΩ", Resistance, (1e6, 1.0), 0.0),
        ("µS", Conductance, (1.0, 1e6), 0.0),
        ("mS", Conductance, (1.0, 1e3), 0.0),
        ("S", Conductance, (1.0, 1.0), 0.0),
        ("µS/cm", Conductivity, (1.0, 1e4), 0.0),
        ("mS/cm", Conductivity, (1.0, 10.0), 0.0),
        ("S/m", Conductivity, (1.0, 1.0), 0.0),
        ("mm", Length, (1.0, 1e3), 0.0),
        ("cm", Length, (1.0, 100.0), 0.0),
        ("m", Length, (1.0, 1.0), 0.0),
        ("km", Length, (1e3, 1.0), 0.0),
        ("m²", Area, (1.0, 1.0), 0.0),
        ("ml", Volume, (1.0, 1e6), 0.0),
        ("l", Volume, (1.0, 1e3), 0.0),
        ("m³", Volume, (1.0, 1.0), 0.0),
        ("l/h", VolumeFlow, (1.0, 36e5), 0.0),
        ("l/min", VolumeFlow, (1.0, 6e4), 0.0),
        ("l/s", VolumeFlow, (1.0, 1e3), 0.0),
        ("m³/h", VolumeFlow, (1.0, 3600.0), 0.0),
        ("m³/min", VolumeFlow, (1.0, 60.0), 0.0),
        ("m³/s", VolumeFlow, (1.0, 1.0), 0.0),
        ("g", Mass, (1.0, 1e3), 0.0),
        ("kg", Mass, (1.0, 1.0), 0.0),
        ("t", Mass, (1e3, 1.0), 0.0),
        ("kg/h", MassFlow, (1.0, 3600.0), 0.0),
        ("kg/s", MassFlow, (1.0, 1.0), 0.0),
        ("t/h", MassFlow, (5.0, 18.0), 0.0),
        ("µg/m³", Concentration, (1.0, 1e6), 0.0),
        ("mg/m³", Concentration, (1.0, 1e3), 0.0),
        ("g/m³", Concentration, (1.0, 1.0), 0.0),
        ("mg/l", Concentration, (1.0, 1.0), 0.0),
        ("pH", Acidity, (1.0, 1.0), 0.0),
        ("Pa", Pressure, (1.0, 1.0), 0.0),
        ("hPa", Pressure, (100.0, 1.0), 0.0),
        ("kPa", Pressure, (1e3, 1.0), 0.0),
        ("MPa", Pressure, (1e6, 1.0), 0.0),
        ("mbar", Pressure, (100.0, 1.0), 0.0),
        ("bar", Pressure, (1e5, 1.0), 0.0),
        ("psi", Pressure, (6_894_757_293_168.0, 1e9), 0.0),
        ("mmHg", Pressure, (133_322_387_415.0, 1e9), 0.0),
        ("N m", Torque, (1.0, 1.0), 0.0),
        ("m/s", Speed, (1.0, 1.0), 0.0),
        ("km/h", Speed, (5.0, 18.0), 0.0),
        ("W/m²", Irradiance, (1.0, 1.0), 0.0),
        ("lx", Illuminance, (1.0, 1.0), 0.0),
        ("klx", Illuminance, (1e3, 1.0), 0.0),
        ("°", Angle, (1.0, 1.0), 0.0),
        ("dB", Level, (1.0, 1.0), 0.0),
        ("dBm", SignalStrength, (1.0, 1.0), 0.0),
        ("B", Data, (1.0, 1.0), 0.0),
        ("KiB", Data, (1024.0, 1.0), 0.0),
        ("MiB", Data, (1048576.0, 1.0), 0.0),
    ]
};

/// Money by its code in ISO 4217. Cents are missing: a hundredth of which of these they are, `ct` does not say.
pub(super) const CURRENCIES: &[&str] = &[
    "EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "AUD", "NZD", "CAD", "JPY",
    "CNY", "INR", "BRL", "ZAR",
];

/// What money is paid for, and how many kilowatt-hours that is.
const PER_ENERGY: &[(&str, f64)] = &[("kWh", 1.0), ("MWh", 1e3)];

/// The unit of this symbol, written as here and no other way.
pub(super) fn exactly(symbol: &str) -> Option<Unit> {
    let row = TABLE.iter().find(|row| row.0 == symbol);
    row.map(|(symbol, dimension, factor, offset)| Unit {
        symbol: Cow::Borrowed(symbol),
        dimension: *dimension,
        factor: *factor,
        offset: *offset,
        scale: (1.0, 1.0),
    })
    .or_else(|| money(symbol))
}

fn money(symbol: &str) -> Option<Unit> {
    let (code, energy) = symbol.split_once('/').map_or((symbol, None), |(code, rest)| (code, Some(rest)));
    let currency = CURRENCIES.iter().find(|currency| **currency == code)?;
    let unit = |dimension, parts| Unit {
        symbol: Cow::Owned(symbol.to_owned()),
        dimension,
        factor: (1.0, parts),
        offset: 0.0,
        scale: (1.0, 1.0),
    };
    match energy {
        None => Some(unit(Dimension::Money(currency), 1.0)),
        Some(energy) => {
            let (_, parts) = PER_ENERGY.iter().find(|(symbol, _)| *symbol == energy)?;
            Some(unit(Dimension::Price(currency), *parts))
        }
    }
}

/// Every symbol but those of prices.
pub(super) fn symbols() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.0).chain(CURRENCIES.iter().copied())
}
