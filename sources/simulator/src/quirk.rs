//! `NAME[=VALUE]`: the one way to name everything a simulated device can get wrong, on a command line or in a test.

use std::str::FromStr;

use smiles_stage::did_you_mean;
use smiles_stage::option::Period;

use crate::Options;
use crate::faults::Rate;

/// A change of [`Options`], parsed from `NAME` or `NAME=VALUE`.
#[derive(Clone, Copy, Debug)]
pub struct Quirk {
    row: &'static QuirkEntry,
    value: QuirkValue,
}

/// Why a text is no quirk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuirkError {
    /// No quirk has this name.
    #[error("unknown quirk `{name}`; {help}")]
    Unknown {
        /// As written.
        name: String,
        /// What is known instead.
        help: String,
    },
    /// The value is not what this quirk takes.
    #[error("quirk `{name}` takes {takes}, not `{value}`")]
    Value {
        /// The quirk.
        name: &'static str,
        /// As written.
        value: String,
        /// What it takes, for people.
        takes: &'static str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum QuirkValue {
    None,
    Rate(Rate),
    Byte(u8),
    Count(u64),
    PerDay(f64),
    Time(std::time::Duration),
}

#[derive(Clone, Copy, Debug)]
enum Argument {
    Nothing,
    Rate,
    Byte,
    Count,
    PerDay,
    Time,
}

/// One quirk.
#[derive(Debug)]
struct QuirkEntry {
    name: &'static str,
    about: &'static str,
    takes: Argument,
    /// What it is without `=VALUE`.
    default: QuirkValue,
    apply: fn(&mut Options, QuirkValue),
}

macro_rules! row {
    ($name:literal, $takes:ident, $default:expr, $about:literal, $pattern:pat => $($field:ident).+ = $value:expr) => {
        QuirkEntry {
            name: $name,
            about: $about,
            takes: Argument::$takes,
            default: $default,
            apply: |options, value| {
                if let $pattern = value {
                    options.$($field).+ = $value;
                }
            },
        }
    };
}

const MILLISECOND: std::time::Duration = std::time::Duration::from_millis(1);
const ALWAYS: QuirkValue = QuirkValue::Rate(Rate::Always);

static ROWS: &[QuirkEntry] = &[
    row!("wrong_byte_count", Byte, QuirkValue::Byte(0xFF), "the byte count of every answer is VALUE",
        QuirkValue::Byte(byte) => faults.wrong_byte_count = Some(byte)),
    row!("surplus_data", Nothing, QuirkValue::None, "the answer behind the end of the list has twice the data",
        QuirkValue::None => faults.surplus_data = true),
    row!("no_data", Nothing, QuirkValue::None, "answers about the list have no data: nothing is mapped yet",
        QuirkValue::None => faults.no_data = true),
    row!("delay", Time, QuirkValue::Time(MILLISECOND.saturating_mul(150)), "waits before each answer",
        QuirkValue::Time(time) => faults.delay = time),
    row!("silent", Rate, ALWAYS, "does not answer", QuirkValue::Rate(rate) => faults.silent = rate),
    row!("exception", Rate, ALWAYS, "answers with an exception", QuirkValue::Rate(rate) => faults.exception = rate),
    row!("exception_code", Byte, QuirkValue::Byte(4), "the code of such an exception",
        QuirkValue::Byte(byte) => faults.exception_code = byte),
    row!("garbage", Rate, ALWAYS, "answers with noise", QuirkValue::Rate(rate) => faults.garbage = rate),
    row!("truncate", Rate, ALWAYS, "sends half of the answer and hangs up",
        QuirkValue::Rate(rate) => faults.truncate = rate),
    row!("short", Rate, ALWAYS, "sends a sound answer with half of the data",
        QuirkValue::Rate(rate) => faults.short = rate),
    row!("wrong_unit", Rate, ALWAYS, "answers for another unit", QuirkValue::Rate(rate) => faults.wrong_unit = rate),
    row!("wrong_transaction", Rate, ALWAYS, "answers for another transaction",
        QuirkValue::Rate(rate) => faults.wrong_transaction = rate),
    row!("dribble", Time, QuirkValue::Time(MILLISECOND), "sends byte by byte, VALUE apart",
        QuirkValue::Time(time) => faults.dribble = Some(time)),
    row!("refuse", Count, QuirkValue::Count(0), "after VALUE requests closes every connection at once",
        QuirkValue::Count(count) => faults.refuse_after = Some(count)),
    row!("glitch", Rate, QuirkValue::Rate(Rate::Chance(0.05)), "a unit reads all zero for one pass",
        QuirkValue::Rate(rate) => rates.glitch = share(rate)),
    row!("spike", Rate, QuirkValue::Rate(Rate::Chance(0.01)), "a unit reads far too much energy for one pass",
        QuirkValue::Rate(rate) => rates.spike = share(rate)),
    row!("today_zero", Rate, QuirkValue::Rate(Rate::Chance(0.01)), "a unit reads 0 for the energy of today for one pass",
        QuirkValue::Rate(rate) => rates.today_zero = share(rate)),
    row!("uploads", Time, QuirkValue::Time(MILLISECOND.saturating_mul(900_000)),
        "for a minute after every multiple of VALUE half of the units read all zero",
        QuirkValue::Time(time) => rates.upload_period_s = u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
    row!("restarts", PerDay, QuirkValue::PerDay(1.0), "units restart by day, VALUE times a day",
        QuirkValue::PerDay(times) => rates.restarts_per_day = times),
    row!("link_losses", PerDay, QuirkValue::PerDay(1.0), "units are out of reach for a while, VALUE times a day",
        QuirkValue::PerDay(times) => rates.link_losses_per_day = times),
];

/// The share of passes a rate stands for.
fn share(rate: Rate) -> f64 {
    match rate {
        Rate::Never => 0.0,
        Rate::Always => 1.0,
        Rate::Every(n) => 1.0 / n as f64,
        Rate::Chance(share) => share,
    }
}

impl Quirk {
    /// Every quirk: its name, what value it takes (empty: none), and what it does.
    pub fn all() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        ROWS.iter().map(|row| (row.name, row.takes.about(), row.about))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.row.name
    }

    /// Makes the device have it.
    pub fn apply(&self, options: &mut Options) {
        (self.row.apply)(options, self.value);
    }
}

impl FromStr for Quirk {
    type Err = QuirkError;

    fn from_str(text: &str) -> Result<Self, QuirkError> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let name = name.trim().replace('-', "_");
        let row = ROWS.iter().find(|row| row.name == name).ok_or_else(|| QuirkError::Unknown {
            help: did_you_mean(&name, ROWS.iter().map(|row| row.name)).unwrap_or_default(),
            name: name.clone(),
        })?;
        let Some(value) = value.map(str::trim) else { return Ok(Self { row, value: row.default }) };
        let parsed = row.takes.parse(value);
        let value = parsed.ok_or_else(|| QuirkError::Value {
            name: row.name,
            value: value.to_owned(),
            takes: if matches!(row.takes, Argument::Nothing) { "no value" } else { row.takes.about() },
        })?;
        Ok(Self { row, value })
    }
}

impl Argument {
    fn about(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Rate => "a rate such as `always`, `1/5`, `0.2` or `20%`",
            Self::Byte => "a number from 0 to 255",
            Self::Count => "a number of requests",
            Self::PerDay => "a number of times per day",
            Self::Time => "a duration such as `150ms`",
        }
    }

    fn parse(self, text: &str) -> Option<QuirkValue> {
        match self {
            Self::Nothing => None,
            Self::Rate => text.parse().ok().filter(|_| !text.is_empty()).map(QuirkValue::Rate),
            Self::Byte => match text.strip_prefix("0x") {
                Some(hex) => u8::from_str_radix(hex, 16).ok(),
                None => text.parse().ok(),
            }
            .map(QuirkValue::Byte),
            Self::Count => text.parse().ok().map(QuirkValue::Count),
            Self::PerDay => text
                .parse()
                .ok()
                .filter(|times: &f64| times.is_finite() && *times >= 0.0)
                .map(QuirkValue::PerDay),
            Self::Time => text.parse::<Period>().ok().map(|period| QuirkValue::Time(period.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn options(text: &str) -> Options {
        let mut options = Options::default();
        text.parse::<Quirk>().unwrap().apply(&mut options);
        options
    }

    #[test]
    fn quirks_change_what_they_name() {
        assert_eq!(options("wrong_byte_count").faults.wrong_byte_count, Some(0xFF));
        assert_eq!(options("wrong-byte-count=0x50").faults.wrong_byte_count, Some(0x50));
        assert!(options("surplus_data").faults.surplus_data && options("no_data").faults.no_data);
        assert_eq!(options("delay=20ms").faults.delay, Duration::from_millis(20));
        assert_eq!(options("silent").faults.silent, Rate::Always);
        assert_eq!(options("silent=1/3").faults.silent, Rate::Every(3));
        assert_eq!(options("refuse=7").faults.refuse_after, Some(7));
        assert_eq!(options("glitch=5%").rates.glitch, 0.05);
        assert_eq!(options("uploads").rates.upload_period_s, 900);
        assert_eq!(options("restarts=0.5").rates.restarts_per_day, 0.5);
    }

    #[test]
    fn every_quirk_changes_the_options_without_a_value() {
        for (name, takes, about) in Quirk::all() {
            assert_ne!(format!("{:?}", options(name)), format!("{:?}", Options::default()), "{name}");
            assert!(!about.is_empty() && !takes.contains("VALUE"), "{name}");
        }
    }

    #[test]
    fn what_is_no_quirk_is_explained() {
        let rows = [
            ("silnt", "unknown quirk `silnt`; did you mean `silent`?"),
            ("zzzzzz", "known here: wrong_byte_count, surplus_data"),
            (
                "silent=often",
                "quirk `silent` takes a rate such as `always`, `1/5`, `0.2` or `20%`, not `often`",
            ),
            ("surplus_data=3", "quirk `surplus_data` takes no value, not `3`"),
            ("wrong_byte_count=256", "takes a number from 0 to 255, not `256`"),
            ("delay=3", "takes a duration such as `150ms`, not `3`"),
            ("restarts=-1", "takes a number of times per day, not `-1`"),
            ("silent=", "not ``"),
        ];
        for (text, message) in rows {
            let error = text.parse::<Quirk>().unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
