//! Where a batch stands in the journal: the run it was accepted in and its number within that run.

use std::fmt;
use std::str::FromStr;

use crate::ParseError;

use serde::{Deserialize, Serialize};

/// One opening of a journal: a random 128-bit id, so that a journal that was rolled back can never
/// reuse a position for different readings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub [u8; 16]);

/// The number of a batch within its run; the first is 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

/// A batch's place: positions of different runs are not comparable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Position {
    /// The run the batch was accepted in.
    pub run: RunId,
    /// Its number within that run.
    pub seq: Seq,
}

impl Seq {
    /// Below every batch: the watermark of a run of which nothing was delivered.
    pub const ZERO: Seq = Seq(0);

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RunId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut id = [0; 16];
        let wrong = |_| ParseError::new("a run id is 32 hexadecimal digits");
        hex::decode_to_slice(text, &mut id).map(|()| Self(id)).map_err(wrong)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.run, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_survives_its_own_text() {
        let run = RunId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(run.to_string(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(run.to_string().parse::<RunId>().unwrap(), run);
        for bad in ["", "0", "zz0102030405060708090a0b0c0d0eff", "+00102030405060708090a0b0c0d0eff"] {
            assert!(bad.parse::<RunId>().is_err(), "{bad} was taken for a run id");
        }
    }
}
