//! What a raw value means.

use jiff::tz::TimeZone;
use smiles_stage::Labels;

use crate::decode::scaling::Factor;
use crate::device::field::Field;
use crate::device::{Limits, When};

/// How a raw value becomes one of its column.
#[derive(Clone, Debug)]
pub(crate) struct Meaning {
    /// What a raw number is multiplied with.
    pub(crate) factor: Factor,
    /// The same in records for which a condition holds; the first wins.
    pub(crate) variants: Vec<Scale>,
    /// What is added.
    pub(crate) offset: Factor,
    /// Whether numbers of the column are whole.
    pub(crate) whole: bool,
    /// The field that holds the power of ten of the raw number, in the same data; the outer `None`: there is none.
    pub(crate) power: Option<Option<Field>>,
    /// What a value can be, in the column's unit.
    pub(crate) valid: Option<Limits>,
    /// The words that are stored in place of numbers.
    pub(crate) words: Option<Labels>,
    /// That of the device's clock.
    pub(crate) zone: TimeZone,
}

/// A factor for some records.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    pub(crate) when: When,
    /// The field the condition asks, in the same record.
    pub(crate) asked: Field,
    pub(crate) factor: Factor,
}
