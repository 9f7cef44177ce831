//! Which dead letters are meant: by sink, by code, by name. Names are what people copy from one command to another.

use std::fmt;
use std::str::FromStr;

use crate::api::dead_letter::{DeadLetter, DeadLetterId};

/// A dead letter as a person names it: `RUN-SEQ-ROW`, the run by its first digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterName {
    run: String,
    seq: u64,
    row: u32,
}

/// Why a text names no dead letter.
#[derive(Debug, thiserror::Error)]
#[error(
    "a dead letter is named RUN-SEQ-ROW as `smiles journal dead-letter list` prints it, such as 3f2a9c1b-17-0"
)]
pub struct NotADeadLetterName;

impl FromStr for DeadLetterName {
    type Err = NotADeadLetterName;

    fn from_str(text: &str) -> Result<Self, NotADeadLetterName> {
        let mut parts = text.split('-');
        let (Some(run), Some(seq), Some(row), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotADeadLetterName);
        };
        let is_run = (4..=32).contains(&run.len()) && run.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = |text: &str| text.parse::<u64>().map_err(|_| NotADeadLetterName);
        match (is_run, number(seq)?, u32::try_from(number(row)?)) {
            (true, seq, Ok(row)) => Ok(Self { run: run.to_ascii_lowercase(), seq, row }),
            _ => Err(NotADeadLetterName),
        }
    }
}

impl fmt::Display for DeadLetterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.run, self.seq, self.row)
    }
}

impl DeadLetterName {
    /// Whether this row is meant.
    pub fn means(&self, id: DeadLetterId) -> bool {
        self.seq == id.position.seq.0
            && self.row == id.row
            && id.position.run.to_string().starts_with(&self.run)
    }
}

/// What the letters must have in common; an empty list asks for nothing.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// One of these sinks.
    pub sinks: Vec<String>,
    /// One of these codes.
    pub codes: Vec<String>,
    /// One of these names.
    pub names: Vec<DeadLetterName>,
}

impl Selection {
    /// Whether it is one of them.
    pub fn takes(&self, letter: &StoredDeadLetter) -> bool {
        let one_of = |list: &[String], text: &String| list.is_empty() || list.contains(text);
        let id = letter.letter.id();
        one_of(&self.sinks, &letter.sink)
            && one_of(&self.codes, &letter.letter.code)
            && (self.names.is_empty() || self.names.iter().any(|name| name.means(id)))
    }
}

/// A dead letter as the journal keeps it.
#[derive(Clone, Debug)]
pub struct StoredDeadLetter {
    /// The sink that did not get the row.
    pub sink: String,
    /// Which row, and why.
    pub letter: DeadLetter,
    /// Whether a copy of the row is kept, so that it can be replayed.
    pub has_row: bool,
    /// Whether a replay of it has begun and not ended: it may be in the target.
    pub in_replay: bool,
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use smiles_stage::{Position, RunId, Seq};

    use super::*;

    fn letter(sink: &str, code: &str, run: u8, row: u32) -> StoredDeadLetter {
        let position = Position { run: RunId([run; 16]), seq: Seq(17) };
        let (code, reason) = (code.to_owned(), "no".to_owned());
        let letter = DeadLetter { position, row, code, reason, at: Timestamp::UNIX_EPOCH };
        StoredDeadLetter { sink: sink.to_owned(), letter, has_row: true, in_replay: false }
    }

    #[test]
    fn a_name_means_the_letters_it_was_printed_for() {
        let one = letter("store", "22", 0xab, 3).letter.id();
        let other = letter("store", "22", 0xac, 3).letter.id();
        assert_eq!(one.short(), "abababab-17-3");
        for text in [one.to_string(), one.short(), "ABAB-17-3".to_owned()] {
            let name: DeadLetterName = text.parse().unwrap();
            assert!(name.means(one) && !name.means(other), "{text}");
            assert!(!name.means(DeadLetterId { row: 4, ..one }), "{text}");
        }
        for bad in ["", "abab", "abab-17", "abab-17-3-1", "aba-17-3", "xyzt-17-3", "abab-a-3", "abab-17-"] {
            assert!(bad.parse::<DeadLetterName>().is_err(), "{bad} was taken for a name");
        }
    }

    #[test]
    fn what_is_selected_has_one_of_each_list() {
        let dead_letters = [letter("a", "22", 1, 0), letter("a", "23", 1, 1), letter("b", "22", 1, 0)];
        type Words = &'static [&'static str];
        let rows: [(Words, Words, Words, &[bool; 3]); 5] = [
            (&[], &[], &[], &[true, true, true]),
            (&["a"], &[], &[], &[true, true, false]),
            (&["a", "b"], &["22"], &[], &[true, false, true]),
            (&[], &[], &["0101-17-0"], &[true, false, true]),
            (&["b"], &["23"], &[], &[false, false, false]),
        ];
        for (sinks, codes, names, expected) in rows {
            let owned = |words: Words| words.iter().map(|word| (*word).to_owned()).collect();
            let names = names.iter().map(|name| name.parse().unwrap()).collect();
            let selection = Selection { sinks: owned(sinks), codes: owned(codes), names };
            assert_eq!(
                dead_letters.each_ref().map(|letter| selection.takes(letter)),
                *expected,
                "{selection:?}"
            );
        }
    }
}
