//! `NAME[=VALUE]`: the one way to name everything a simulated device can get wrong, on a command line or in a test.

mod rows;
mod value;

use std::str::FromStr;

use smiles_stage::did_you_mean;

use crate::options::Options;
use rows::{QuirkEntry, ROWS};
use value::{Argument, QuirkValue};

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
        let value = match value.map(str::trim) {
            None if row.default != QuirkValue::Needed => return Ok(Self { row, value: row.default }),
            value => value.unwrap_or_default(),
        };
        let parsed = row.takes.parse(value);
        let value = parsed.ok_or_else(|| QuirkError::Value {
            name: row.name,
            value: value.to_owned(),
            takes: if matches!(row.takes, Argument::Nothing) { "no value" } else { row.takes.about() },
        })?;
        Ok(Self { row, value })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::faults::{Clients, OtherTransaction};
    use crate::rate::Rate;

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
        let faults = |text| options(text).faults;
        let seconds = Duration::from_millis;
        assert_eq!(faults("late=1.9s..2.5s").late, Some((seconds(1900), seconds(2500))));
        assert_eq!(faults("missing=0x10..19").missing, [(16, 19)]);
        assert_eq!(faults("missing=7").missing, [(7, 7)]);
        let transaction = |text| (faults(text).other_transaction, faults(text).wrong_transaction);
        for (text, expected) in [
            ("wrong_transaction", (OtherTransaction::Far, Rate::Always)),
            ("wrong_transaction=1/5", (OtherTransaction::Far, Rate::Every(5))),
            ("wrong_transaction=zero", (OtherTransaction::Zero, Rate::Always)),
            ("wrong_transaction=swapped:1/5", (OtherTransaction::Swapped, Rate::Every(5))),
            ("wrong_transaction=ahead:20%", (OtherTransaction::Ahead, Rate::Chance(0.2))),
        ] {
            assert_eq!(transaction(text), expected, "{text}");
        }
        assert_eq!(faults("one_client").clients, Clients::One);
        assert_eq!(options("restarts=0.5").rates.restarts_per_day, 0.5);
    }

    #[test]
    fn every_quirk_changes_the_options_without_a_value() {
        for (name, takes, about) in Quirk::all() {
            let text = if name == "missing" { "missing=0" } else { name };
            assert_ne!(format!("{:?}", options(text)), format!("{:?}", Options::default()), "{name}");
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
            ("missing", "quirk `missing` takes an address such as `0x1000`, or the first and last"),
            ("missing=3..2", "not `3..2`"),
            ("late=2s", "takes two durations such as `1.9s..2.5s`, not `2s`"),
            ("late=2s..1s", "not `2s..1s`"),
            ("max_registers=126", "a number of registers, 1 to 125, not `126`"),
            ("wrong_transaction=first", "not `first`"),
            ("wrong_transaction=far:1/2", "not `far:1/2`"),
        ];
        for (text, message) in rows {
            let error = text.parse::<Quirk>().unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
