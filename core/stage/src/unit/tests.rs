//! Units, their conversions and their texts.

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
    assert_eq!(Unit::read("0.1 Vx", &[]), Err(NotAUnit::Unknown("Vx".into())));
    for scale in ["x", "-1", "0", "0.0", "1e3"] {
        assert_eq!(Unit::read(&format!("{scale} V"), &[]), Err(NotAUnit::Scale(scale.into())));
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

#[test]
fn what_can_mean_one_unit_only_is_that_unit() {
    for (canonical, texts) in [
        ("kWh", "kwh|KWh|KWH|kWH|Kwh|kilowatthours"),
        ("MWh", "MWH|Mwh"),
        ("K", "Kelvin|kelvin"),
        ("s", "sec|Sec|seconds"),
        ("V", "v|Volt|VOLTS"),
        ("W", "Watt|watts|w"),
        ("°C", "C|degC|DegC|°c|ºC|° C|℃|Celsius|deg C"),
        ("Ω", "Ohm|ohm|OHM|\u{2126}"),
        ("MΩ", "MOhm|Mohm"),
        ("kΩ", "kOhm|kohm|KOhm"),
        ("µV", "uV|\u{3bc}V"),
        ("µS/cm", "uS/cm|\u{3bc}S/cm"),
        ("µg/m³", "ug/m3|\u{3bc}g/m^3|µg/m3"),
        ("mg/l", "mg/L"),
        ("l", "L|litre|Liter"),
        ("l/min", "L/min|lpm|L/MIN"),
        ("l/h", "L/h|l/hr"),
        ("l/s", "L/s"),
        ("m²", "m2|m^2|sqm"),
        ("m³", "m3|m^3|cbm"),
        ("m³/h", "m3/h|m^3/h|M3/H|m³/hr"),
        ("W/m²", "W/m2|w/m2|W/m^2"),
        ("rpm", "1/min|min-1|min⁻¹|RPM|U/min"),
        ("N m", "Nm|N·m|N\u{22c5}m|N  m"),
        ("var", "VAr|VAR|Var"),
        ("kvarh", "kVArh|kVARh|KVARH"),
        ("Mvarh", "MVArh|MVARh"),
        ("mmHg", "mmhg|mm Hg"),
        ("lx", "lux|Lux|LX"),
        ("dBm", "dbm|DBM"),
        ("pH", "ph|PH"),
        ("psi", "PSI"),
        ("EUR", "€|eur|Euro"),
        ("USD", "$|usd"),
        ("GBP", "£"),
        ("EUR/kWh", "€/kWh|eur/kwh|EUR/KWh"),
        ("EUR/MWh", "€/MWh"),
    ] {
        for text in texts.split('|') {
            assert_eq!(text.parse::<Unit>().map(|unit| unit.to_string()), Ok(canonical.to_owned()), "{text}");
            let scaled = format!("0.1 {text}").parse::<Unit>().map(|unit| unit.to_string());
            assert_eq!(scaled, Ok(format!("0.1 {canonical}")), "0.1 {text}");
        }
    }
}

/// What was measured must not become another quantity by the case of a letter.
#[test]
fn every_spelling_is_of_a_known_unit_and_every_symbol_is_itself() {
    for symbol in table::symbols() {
        assert_eq!(symbol.parse::<Unit>().unwrap().to_string(), symbol);
        assert_eq!(format!("0.01 {symbol}").parse::<Unit>().unwrap().to_string(), format!("0.01 {symbol}"));
    }
    for (unit, texts) in spelling::ALIASES.iter().chain(spelling::SPELLINGS) {
        assert!(table::exactly(unit).is_some(), "{unit}");
        for text in *texts {
            assert_eq!(text.parse::<Unit>().unwrap().to_string(), *unit, "{text}");
        }
    }
    for (unit, texts) in spelling::SPELLINGS {
        let others = || table::symbols().filter(|symbol| symbol != unit);
        for text in *texts {
            assert!(
                !others().any(|other| other.to_lowercase() == *text),
                "{text} may be another than {unit}"
            );
        }
    }
    for text in
        ["mw", "Mw", "mwh", "mhz", "M", "PA", "T", "mvar", "mpa", "mj", "mohm", "NM", "nm", "a", "ct", "MV"]
    {
        assert!(text.parse::<Unit>().is_err(), "{text}");
    }
}

#[test]
fn quantities_of_meters_pumps_and_sensors_convert() {
    for (value, from, to, exact) in [
        (1.1, "l/min", "m³/h", 0.066),
        (1200.0, "L/h", "l/min", 20.0),
        (1.0, "m³/s", "m³/h", 3600.0),
        (0.36, "m³/h", "l/s", 0.1),
        (1.0, "GJ", "kWh", 277.777_777_777_777_77),
        (3.6, "MJ", "kWh", 1.0),
        (1.1, "GJ", "MJ", 1100.0),
        (1.0, "psi", "Pa", 6_894.757_293_168),
        (14.5, "psi", "bar", 0.999_739_807_509_36),
        (760.0, "mmHg", "Pa", 101_325.014_435_4),
        (1.5, "MVAh", "VAh", 1_500_000.0),
        (12.0, "Mvarh", "kvarh", 12_000.0),
        (0.5, "MΩ", "Ω", 500_000.0),
        (550.0, "µS/cm", "mS/cm", 0.55),
        (1.0, "mS/cm", "S/m", 0.1),
        (35.0, "µg/m³", "mg/m³", 0.035),
        (7.2, "mg/l", "mg/m³", 7200.0),
        (400.0, "ppm", "%", 0.04),
        (1500.0, "1/min", "Hz", 25.0),
        (36.0, "km/h", "m/s", 10.0),
        (3.6, "t/h", "kg/s", 1.0),
        (85.0, "EUR/MWh", "EUR/kWh", 0.085),
        (31.4, "0.01 EUR/kWh", "EUR/kWh", 0.314),
    ] {
        assert_eq!(convert(value, from, to), Some(exact), "{value} {from} in {to}");
    }
    for (from, to) in [
        ("EUR", "USD"),
        ("EUR", "1"),
        ("EUR/kWh", "USD/kWh"),
        ("EUR/kWh", "EUR"),
        ("VAh", "kWh"),
        ("varh", "VAh"),
        ("S", "S/m"),
        ("dBm", "mW"),
        ("dB", "dBm"),
        ("pH", "1"),
        ("ppm", "mg/m³"),
        ("kg/h", "m³/h"),
        ("N m", "J"),
    ] {
        assert_eq!(convert(1.0, from, to), None, "{from} in {to}");
    }
}

#[test]
fn a_declared_unit_is_itself_and_nothing_else() {
    let known = ["widget", "gadget", "tin of paint", "V"];
    let unit = |text: &str| Unit::declared(text, &known).unwrap();
    let tenths = unit("0.1 widget").to(&unit("widget")).unwrap();
    assert_eq!(tenths.apply(23.0), 2.3);
    assert_eq!(
        (unit("0.1 widget").to_string(), unit("0.1 widget").base().to_string()),
        ("0.1 widget".into(), "widget".into())
    );
    assert_eq!(unit("10 tin of paint").to(&unit("tin of paint")).unwrap().apply(3.0), 30.0);
    assert_eq!(unit("widget").to(&unit("gadget")), None);
    assert_eq!(unit("widget").to(&unit("1")), None);
    assert_eq!(unit("V"), "V".parse().unwrap(), "what is built in wins");
    assert_eq!(unit("0.1 widget").declared_symbol(), Some("widget"));
    assert_eq!(unit("V").declared_symbol(), None);
    assert_eq!(Unit::declared("wigdet", &known).unwrap_err().message, "unknown unit `wigdet`");
    assert_eq!(Unit::beside("2 widget", Some(&unit("0.1 widget"))), Ok(unit("2 widget")));
    assert!(Unit::beside("2 gadget", Some(&unit("0.1 widget"))).is_err());
    assert!(
        Unit::may_be_declared("0.1 widget") && !Unit::may_be_declared("V") && !Unit::may_be_declared("x V")
    );
}

#[test]
fn a_symbol_can_be_declared_if_it_is_none_and_looks_like_one() {
    for symbol in ["widget", "ct", "NTU", "mw", "°dH", "tin of paint", "Bq/m³", &"x".repeat(32)] {
        assert_eq!(Unit::is_declarable(symbol), Ok(()), "{symbol}");
    }
    for (symbol, said) in [
        ("kWh", "`kWh` is a known unit already: energy"),
        ("kwh", "`kwh` is a known unit already: energy"),
        ("€", "`€` is a known unit already: money in EUR"),
        ("1", "`1` is a known unit already: a number"),
        ("", "`` is no symbol of a unit"),
        (" widget", "` widget` is no symbol of a unit"),
        ("wid\tget", "`wid\tget` is no symbol of a unit"),
        ("10 widget", "`10 widget` begins like a number"),
        ("-widget", "`-widget` begins like a number"),
        (&"x".repeat(33), &format!("`{}` is no symbol of a unit", "x".repeat(33))),
    ] {
        assert_eq!(Unit::is_declarable(symbol).unwrap_err().message, said);
    }
}
