//! Units as people write them. What can mean one unit only is that unit; what can mean two is none, since a wrong guess
//! would spoil every reading: `mw` may be milliwatts or megawatts, `T` tesla or tonnes.

use super::{Unit, table};

/// Other spellings, in these letters only.
pub(super) const ALIASES: &[(&str, &[&str])] = &[
    ("°C", &["C"]),
    ("°F", &["F"]),
    ("Mvar", &["MVAr", "MVAR", "MVar"]),
    ("Mvarh", &["MVArh", "MVARh", "MVARH", "MVarh"]),
    ("MVAh", &["MVAH"]),
    ("MWh", &["MWH", "Mwh"]),
    ("MHz", &["MHZ", "Mhz"]),
    ("MΩ", &["Mohm", "MOhm", "MOHM"]),
    ("mbar", &["mBar"]),
    ("N m", &["Nm", "N·m"]),
    ("rpm", &["1/min", "min⁻¹", "min-1", "U/min", "r/min", "rev/min", "RPM"]),
];

/// Other spellings, in lower case, of which capitals make no other unit.
pub(super) const SPELLINGS: &[(&str, &[&str])] = &[
    ("%", &["percent", "pct"]),
    ("ppm", &["ppm"]),
    ("ppb", &["ppb"]),
    ("V", &["v", "volt", "volts"]),
    ("kV", &["kv"]),
    ("A", &["amp", "amps", "ampere", "amperes"]),
    ("W", &["w", "watt", "watts"]),
    ("kW", &["kw", "kilowatt", "kilowatts"]),
    ("GW", &["gw"]),
    ("var", &["var"]),
    ("kvar", &["kvar"]),
    ("VA", &["va"]),
    ("kVA", &["kva"]),
    ("Wh", &["wh", "watthour", "watthours"]),
    ("kWh", &["kwh", "kilowatthour", "kilowatthours"]),
    ("GWh", &["gwh"]),
    ("TWh", &["twh"]),
    ("J", &["joule", "joules"]),
    ("kJ", &["kj"]),
    ("GJ", &["gj"]),
    ("varh", &["varh"]),
    ("kvarh", &["kvarh"]),
    ("VAh", &["vah"]),
    ("kVAh", &["kvah"]),
    ("Ah", &["ah"]),
    ("Hz", &["hz", "hertz"]),
    ("kHz", &["khz"]),
    ("K", &["kelvin"]),
    ("°C", &["°c", "degc", "deg_c", "deg c", "celsius"]),
    ("°F", &["°f", "degf", "deg_f", "deg f", "fahrenheit"]),
    ("ms", &["msec"]),
    ("s", &["sec", "secs", "second", "seconds"]),
    ("min", &["min", "mins", "minute", "minutes"]),
    ("h", &["hr", "hrs", "hour", "hours"]),
    ("d", &["day", "days"]),
    ("Ω", &["ohm", "ohms"]),
    ("kΩ", &["kohm", "kohms"]),
    ("S", &["siemens"]),
    ("l", &["litre", "litres", "liter", "liters"]),
    ("m²", &["sqm"]),
    ("m³", &["cbm"]),
    ("l/h", &["l/h", "l/hr", "lph"]),
    ("l/min", &["l/min", "lpm"]),
    ("m³/h", &["m³/h", "m³/hr", "cbm/h"]),
    ("kg", &["kg"]),
    ("kg/h", &["kg/h", "kg/hr"]),
    ("pH", &["ph"]),
    ("hPa", &["hpa"]),
    ("kPa", &["kpa"]),
    ("bar", &["bar"]),
    ("psi", &["psi"]),
    ("mmHg", &["mmhg", "mm hg"]),
    ("km/h", &["km/h", "kmh", "kph"]),
    ("W/m²", &["w/m²"]),
    ("lx", &["lx", "lux"]),
    ("klx", &["klx", "klux"]),
    ("°", &["deg"]),
    ("dB", &["db"]),
    ("dBm", &["dbm"]),
    ("EUR", &["€", "euro", "euros"]),
    ("USD", &["$"]),
    ("GBP", &["£"]),
];

/// Texts, in lower case, that may mean either of two; `MW` itself is written as its table has it.
const EITHER: &[(&str, &str, &str)] = &[
    ("mw", "mW", "MW"),
    ("mwh", "mWh", "MWh"),
    ("mhz", "mHz", "MHz"),
    ("mohm", "mΩ", "MΩ"),
    ("mohms", "mΩ", "MΩ"),
];

/// The unit that this can mean, if there is one only.
pub(super) fn find(written: &str) -> Option<Unit> {
    let symbol = uniform(written);
    let symbol = symbol.as_str();
    let in_any_case = |symbol: &str| spelled(SPELLINGS, &uniform(&symbol.to_lowercase()));
    table::exactly(symbol)
        .or_else(|| table::exactly(&in_our_letters(symbol)))
        .or_else(|| table::exactly(spelled(ALIASES, symbol)?))
        .or_else(|| table::exactly(in_any_case(symbol)?))
        .or_else(|| price(symbol))
}

/// The two units, either of which it can mean.
pub(super) fn either(symbol: &str) -> Option<(&'static str, &'static str)> {
    let lower = symbol.to_lowercase();
    EITHER.iter().find(|(text, _, _)| *text == lower).map(|(_, small, large)| (*small, *large))
}

fn spelled(spellings: &[(&'static str, &[&str])], symbol: &str) -> Option<&'static str> {
    spellings.iter().find(|(_, texts)| texts.contains(&symbol)).map(|(unit, _)| *unit)
}

/// `€/kWh` and `eur/kwh`: whatever says the currency, and whatever says the energy.
fn price(symbol: &str) -> Option<Unit> {
    let code = |text: &str| {
        let upper = text.to_uppercase();
        let known = table::CURRENCIES.iter().find(|currency| **currency == upper).copied();
        known.or_else(|| spelled(SPELLINGS, &text.to_lowercase()))
    };
    match symbol.split_once('/') {
        None => table::exactly(code(symbol)?),
        Some((money, energy)) => {
            let (money, energy) = (code(money)?, find(energy)?);
            table::exactly(&format!("{money}/{}", energy.symbol()))
        }
    }
}

/// One character where Unicode and keyboards have several, one space where there are more.
fn uniform(written: &str) -> String {
    let words: Vec<&str> = written.split_whitespace().collect();
    let pairs = [
        ("\u{3bc}", "µ"),
        ("\u{2126}", "Ω"),
        ("\u{ba}", "°"),
        ("\u{2da}", "°"),
        ("\u{2103}", "°C"),
        ("\u{2109}", "°F"),
        ("° ", "°"),
        ("\u{22c5}", "·"),
        ("^2", "²"),
        ("^3", "³"),
        ("m2", "m²"),
        ("m3", "m³"),
    ];
    pairs.iter().fold(words.join(" "), |text, (from, to)| text.replace(from, to))
}

/// With a micro sign for its `u`, and a small letter for litres, of which no symbol of ours has any.
fn in_our_letters(symbol: &str) -> String {
    let litres = symbol.replace('L', "l");
    litres.strip_prefix('u').map_or(litres.clone(), |rest| format!("µ{rest}"))
}
