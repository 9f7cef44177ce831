//! What the numbers of registers in a manual mean.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::device::table::Table;

/// A register, or a coil, as a manual numbers it.
pub type Register = u32;

/// What the numbers of registers mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Numbering {
    /// They are the addresses of the protocol, from 0.
    #[default]
    Zero,
    /// They count from 1: register 1 is address 0.
    One,
    /// Five digits, of which the first is the table: coils from 1, discrete inputs from 10001, input registers from 30001,
    /// holding registers from 40001.
    Modicon5,
    /// Six digits: coils from 1, discrete inputs from 100001, input registers from 300001, holding registers from 400001.
    Modicon6,
}

/// Which number is the first of each table.
const TABLES: [(Table, u32); 4] =
    [(Table::Holding, 4), (Table::Input, 3), (Table::Discrete, 1), (Table::Coils, 0)];

impl Numbering {
    /// As the device file writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::One => "one",
            Self::Modicon5 => "modicon5",
            Self::Modicon6 => "modicon6",
        }
    }

    /// Table and address; without a table where the number says none. `None`: there is no such register.
    pub(crate) fn address(self, register: Register) -> Option<(Option<Table>, u16)> {
        let step = match self {
            Self::Zero => return Some((None, u16::try_from(register).ok()?)),
            Self::One => return Some((None, u16::try_from(register.checked_sub(1)?).ok()?)),
            Self::Modicon5 => 10_000,
            Self::Modicon6 => 100_000,
        };
        let (table, first) = TABLES.iter().find(|(_, digit)| register > digit * step)?;
        let address = register - first * step - 1;
        let within = address < step - 1 && register.div_euclid(step) == *first;
        Some((Some(*table), u16::try_from(address).ok().filter(|_| within)?))
    }

    /// The number of an address, as this numbering has it.
    pub(crate) fn register(self, table: Table, address: u16) -> Register {
        let step = match self {
            Self::Zero => return address.into(),
            Self::One => return Register::from(address) + 1,
            Self::Modicon5 => 10_000,
            Self::Modicon6 => 100_000,
        };
        let first = TABLES.iter().find(|(known, _)| *known == table).map_or(0, |(_, digit)| digit * step);
        first + Register::from(address) + 1
    }

    /// What numbers it has, for people.
    pub(crate) fn range(self) -> &'static str {
        match self {
            Self::Zero => "0 to 65535",
            Self::One => "1 to 65536",
            Self::Modicon5 => {
                "1 to 9999 (coils), 10001 to 19999 (discrete inputs), 30001 to 39999 (input registers) and 40001 to 49999 \
                 (holding registers)"
            }
            Self::Modicon6 => {
                "1 to 65536 (coils), 100001 to 165536 (discrete inputs), 300001 to 365536 (input registers) and 400001 to \
                 465536 (holding registers)"
            }
        }
    }

    /// What may have been meant by a register that this numbering has not.
    pub(crate) fn advice(self, register: Register) -> String {
        let others = [Self::Modicon5, Self::Modicon6, Self::One];
        let fits = others.into_iter().filter(|other| *other != self).find_map(|other| {
            match other.address(register)? {
                (Some(table), address) => Some((other, format!("{} {address}", described(table)))),
                (None, address) => Some((other, format!("address {address}"))),
            }
        });
        match fits {
            Some((other, meant)) => format!(
                "with `numbering: {}` at the top of the device, {register} is {meant} (`{}` has {})",
                other.name(),
                self.name(),
                self.range()
            ),
            None => format!("`numbering: {}` has {}", self.name(), self.range()),
        }
    }
}

fn described(table: Table) -> &'static str {
    match table {
        Table::Holding => "holding register",
        Table::Input => "input register",
        Table::Coils => "coil",
        Table::Discrete => "discrete input",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_mean_what_manuals_mean() {
        use Numbering::{Modicon5, Modicon6, One, Zero};
        use Table::{Coils, Discrete, Holding, Input};
        for (numbering, register, expected) in [
            (Zero, 0, Some((None, 0))),
            (Zero, 65535, Some((None, 65535))),
            (Zero, 65536, None),
            (One, 0, None),
            (One, 1, Some((None, 0))),
            (One, 65536, Some((None, 65535))),
            (Modicon5, 40001, Some((Some(Holding), 0))),
            (Modicon5, 49999, Some((Some(Holding), 9998))),
            (Modicon5, 40000, None),
            (Modicon5, 50000, None),
            (Modicon5, 50001, None),
            (Modicon5, 30001, Some((Some(Input), 0))),
            (Modicon5, 39999, Some((Some(Input), 9998))),
            (Modicon5, 20001, None),
            (Modicon5, 10001, Some((Some(Discrete), 0))),
            (Modicon5, 10000, None),
            (Modicon5, 9999, Some((Some(Coils), 9998))),
            (Modicon5, 1, Some((Some(Coils), 0))),
            (Modicon5, 0, None),
            (Modicon6, 400_083, Some((Some(Holding), 82))),
            (Modicon6, 465_536, Some((Some(Holding), 65535))),
            (Modicon6, 465_537, None),
            (Modicon6, 365_536, Some((Some(Input), 65535))),
            (Modicon6, 100_001, Some((Some(Discrete), 0))),
            (Modicon6, 65_536, Some((Some(Coils), 65535))),
            (Modicon6, 65_537, None),
            (Modicon6, u32::MAX, None),
        ] {
            assert_eq!(numbering.address(register), expected, "{numbering:?} {register}");
            if let Some((table, address)) = expected {
                assert_eq!(numbering.register(table.unwrap_or_default(), address), register);
            }
        }
    }

    #[test]
    fn a_number_that_does_not_fit_names_the_numbering_that_it_fits() {
        assert!(Numbering::Zero.advice(400_083).starts_with("with `numbering: modicon6`"));
        assert!(Numbering::Zero.advice(400_083).contains("is holding register 82"));
        assert!(Numbering::Modicon6.advice(40_083 + 30_000).starts_with("`numbering: modicon6` has 1 to"));
        assert!(Numbering::One.advice(0).contains("`numbering: one` has 1 to 65536"));
        assert!(Numbering::Modicon5.advice(400_001).contains("modicon6"));
    }
}
