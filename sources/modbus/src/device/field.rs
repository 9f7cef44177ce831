//! A value within a block: where it is, how it is coded, what it means.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Number;
use smiles_stage::option::Period;

use crate::device::between::Between;
use crate::device::limits::{Limits, Offset};
use crate::device::numbering::Register;
use crate::device::order::Order;
use crate::device::simulate::{Simulate, simulate};
use crate::device::table::Table;
use crate::device::types::{Encoding, Type, Word};
use crate::device::variant::{Otherwise, Variant, otherwise};
use crate::device::words::{ShownAs, Words};
use crate::device::written::Sentinel;

/// Declares what a value may say of itself, whether it stands in a block or by its register. (A macro: with serde's `flatten` an
/// error would lose its place in the file.)
macro_rules! with_meaning {
    ($(#[$about:meta])* pub struct $name:ident { $($place:tt)* }) => {
        $(#[$about])*
        pub struct $name {
            /// What the column means, for people.
            pub description: Option<String>,
            $($place)*
            /// How the bytes are read.
            #[serde(rename = "type")]
            pub kind_of_value: Type,
            /// Bytes, for texts, `bcd` and `mod10k`; bits, for `bits`; 6 or 3 for a `datetime` or `date` of a byte each. The other
            /// types know their own.
            pub length: Option<u16>,
            /// For `bool` and the lowest of `bits`: which bit, 0 the lowest, of the number that `of` names.
            pub bit: Option<u8>,
            /// The number whose bits `bit` counts. Unset: by register `u16`; in a block, `u8` for `bool` and `u16` for `bits`.
            pub of: Option<Word>,
            /// Byte and word order of this value. Text stands as sent unless this is set. Where the registers are named one by
            /// one, it says how the bytes stand within each.
            pub order: Option<Order>,
            /// How the characters of a `text` are coded. Unset: UTF-8 where the bytes are, else Latin-1.
            pub encoding: Option<Encoding>,
            /// Unit of the raw number, with its scale: `V`, `0.1 V`, `Wh`.
            pub unit: Option<String>,
            /// What the column measures.
            pub kind: Option<Kind>,
            /// Raw values that mean "not available", as number, bit pattern (`0x8000`), text or truth value; they become null.
            #[serde(default)]
            pub null_when: Vec<Sentinel>,
            /// What a value can be at all, in its unit without the number: `0 .. 100`, `0 ..`. Others become null and are counted.
            pub valid: Option<Limits>,
            /// Whether the device counts with the other sign.
            #[serde(default)]
            pub negate: bool,
            /// What a number without a unit is multiplied with. With a unit the scale is part of that: `unit: 0.1 V`.
            pub scale: Option<Number>,
            /// A column of the device, the power of ten of the raw number: -1 for tenths.
            pub scale_by: Option<String>,
            /// What is added to the scaled value, with a unit where it has one: `-100 °C`.
            pub offset: Option<Offset>,
            /// Words for codes: `{0: standby, 512: on grid}`. The column keeps the number.
            pub values: Option<Words>,
            /// Words for bits that are set, 0 the lowest: `{0: too hot, 3: earth fault}`. The column keeps the number.
            pub flags: Option<Words>,
            /// What the column holds where there are `values` or `flags`.
            #[serde(rename = "as")]
            pub shown_as: Option<ShownAs>,
            /// Adds a column `NAME_raw` of the number as it was read, whatever becomes of the value.
            #[serde(default)]
            pub raw: bool,
            /// Other units, by record. The column gets the finest of all units named, so that it has one.
            #[serde(default)]
            pub variants: Vec<Variant>,
            /// What holds in records that are none of the `variants`.
            #[serde(default, deserialize_with = "otherwise")]
            pub otherwise: Option<Otherwise>,
            /// What a simulated device should put here.
            #[serde(default, deserialize_with = "simulate")]
            pub simulate: Option<Simulate>,
        }
    };
}

/// A field of the same meaning as `$from`.
macro_rules! same_meaning {
    ($from:expr, $($name:ident),*) => {
        Field { at: 0, words: Vec::new(), $($name: $from.$name.clone()),* }
    };
}

with_meaning! {
    /// One column.
    #[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[schemars(extend("x-instead" = {
        "factor": "the scale is part of the unit: `unit: 0.1 V`; a number without a unit has `scale: 0.1`",
        "multiplier": "the scale is part of the unit: `unit: 0.1 V`; a number without a unit has `scale: 0.1`",
        "gain": "the scale is part of the unit, as what one count is worth: `unit: 0.1 V` for a gain of 10",
        "register": "the block says the first `address:`, and `at:` counts bytes from there: the second register is at 2. \
                     Or name registers in `points:` at the top of the device",
        "address": "the block says the first `address:`, and `at:` counts bytes from there: the second register is at 2. \
                    Or name registers in `points:` at the top of the device"
    }))]
    pub struct Field {
        /// Bytes from the start of the block's data (the second register is at 2). In `coils` and `discrete`
        /// blocks: coils from the start.
        pub at: u16,
        /// Where each register of it begins, the highest first, where they do not follow each other from `at`: what `points`
        /// become.
        #[serde(skip)]
        pub(crate) words: Vec<u16>,
    }
}

with_meaning! {
    /// One column, by its register.
    #[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[schemars(extend("x-instead" = {
        "factor": "the scale is part of the unit: `unit: 0.1 V`; a number without a unit has `scale: 0.1`",
        "multiplier": "the scale is part of the unit: `unit: 0.1 V`; a number without a unit has `scale: 0.1`",
        "gain": "the scale is part of the unit, as what one count is worth: `unit: 0.1 V` for a gain of 10",
        "address": "a point names its `register:`, and `numbering:` of the device says what the numbers mean",
        "at": "a point names its `register:`; `at:` counts bytes in a block"
    }))]
    pub struct Point {
        /// Its first register, or its coil, as the manual numbers it (`numbering`).
        pub register: Option<Register>,
        /// Its registers where they do not follow each other, the highest first: `[690, 625]`.
        #[serde(default)]
        pub registers: Vec<Register>,
        /// Which table of the device. Unset: that of the device.
        pub read: Option<Table>,
        /// The unit it is in, where the device is several. Unset: that of the source.
        pub unit_id: Option<u8>,
        /// How often it is read, where that is less often than `every` of the source.
        pub every: Option<Period>,
        /// What it holds between, and where it could not be read.
        pub between: Option<Between>,
        /// Read once and remembered.
        #[serde(default)]
        pub once: bool,
        /// The device may lack it: it is null then.
        #[serde(default)]
        pub optional: bool,
    }
}
/// What a column measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A value that may go anywhere: a voltage.
    Gauge,
    /// A sum that only grows: energy.
    Counter,
    /// A code: an operating status.
    State,
}

impl Point {
    /// The same value at the start of a block.
    pub(crate) fn field(&self) -> Field {
        same_meaning!(
            self,
            description,
            kind_of_value,
            length,
            bit,
            of,
            order,
            encoding,
            unit,
            kind,
            null_when,
            valid,
            negate,
            scale,
            scale_by,
            offset,
            values,
            flags,
            shown_as,
            raw,
            variants,
            otherwise,
            simulate
        )
    }
}

impl Field {
    /// Bytes it covers in the data of a register block, where they follow each other.
    pub fn width(&self) -> u16 {
        let kind = self.kind_of_value;
        match (kind, self.of) {
            (Type::Bool | Type::Bits, Some(word)) => word.width(),
            _ => kind.width().or(self.length).or(kind.usual_length()).unwrap_or(0),
        }
    }

    /// The byte and word order that holds for it, given the device's.
    pub fn order_within(&self, device: Order) -> Order {
        let own = self.order.unwrap_or(if self.kind_of_value.is_text() { Order::Abcd } else { device });
        if self.words.is_empty() { own } else { own.within_words() }
    }
}
