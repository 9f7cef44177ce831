//! How often something strikes, as people write it.

use std::fmt;
use std::str::FromStr;

use crate::noise::chance;

/// How often a fault strikes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Rate {
    /// Not at all.
    #[default]
    Never,
    /// On every request.
    Always,
    /// On every n-th request: the third, the sixth ... for 3.
    Every(u64),
    /// With this chance on each request, 0 to 1; repeatable by seed.
    Chance(f64),
}

impl Rate {
    /// Whether it strikes the `number`-th request (from 1). `stream` keeps the faults apart.
    pub(crate) fn strikes(self, number: u64, seed: u64, stream: u64) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Every(n) => n > 0 && number.is_multiple_of(n),
            Self::Chance(share) => chance(seed, &[stream, number]) < share,
        }
    }
}

/// Why a text is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rate such as `always`, `1/5` (every fifth), `0.2` or `20%` (by chance)")]
pub struct NotARate(String);

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let bad = || NotARate(text.to_owned());
        match text {
            "always" | "" => return Ok(Self::Always),
            "never" => return Ok(Self::Never),
            _ => {}
        }
        if let Some(every) = text.strip_prefix("1/") {
            return every.parse().ok().filter(|n| *n > 0).map(Self::Every).ok_or_else(bad);
        }
        let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |percent| (percent, 100.0));
        let share = number.trim().parse::<f64>().map_err(|_| bad())? / scale;
        if (0.0..=1.0).contains(&share) { Ok(Self::Chance(share)) } else { Err(bad()) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Always => f.write_str("always"),
            Self::Every(n) => write!(f, "1/{n}"),
            Self::Chance(share) => write!(f, "{share}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_as_people_write_them() {
        let rows = [
            ("always", Some(Rate::Always)),
            ("never", Some(Rate::Never)),
            ("1/5", Some(Rate::Every(5))),
            ("0.2", Some(Rate::Chance(0.2))),
            ("20%", Some(Rate::Chance(0.2))),
            ("1", Some(Rate::Chance(1.0))),
            ("1/0", None),
            ("5", None),
            ("-1", None),
            ("often", None),
            ("NaN", None),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<Rate>().ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn rates_strike_as_often_as_they_say() {
        let rows = [(Rate::Never, 0..1), (Rate::Always, 1000..1001), (Rate::Every(4), 250..251)];
        for (rate, expected) in rows {
            let struck = (1..=1000).filter(|n| rate.strikes(*n, 1, 1)).count();
            assert!(expected.contains(&struck), "{rate}: {struck}");
        }
        let struck =
            |stream| (1..=1000).filter(|n| Rate::Chance(0.3).strikes(*n, 1, stream)).collect::<Vec<_>>();
        assert!((240..360).contains(&struck(1).len()));
        assert_ne!(struck(1), struck(2), "faults strike independently");
        assert_eq!(struck(1), struck(1), "and repeatably");
    }
}
