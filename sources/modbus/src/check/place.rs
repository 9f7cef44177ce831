//! Is a value where it can be? Its bytes within its block, its bits within its bytes.

use smiles_stage::{Path, Problem, Problems};

use crate::device::block::Block;
use crate::device::{Encoding, Field, Order, Type, Word};

/// The most bytes a `bcd` number may have: its digits must fit 64 bits.
const BCD_MAX: u16 = 9;

/// The most bytes a `mod10k` number may have.
const MOD10K_MAX: u16 = 8;

/// A field of a block.
pub(crate) fn check_place(order: Order, block: &Block, field: &Field, at: &Path, problems: &mut Problems) {
    if !check_length(field, at, problems) {
        return;
    }
    check_end(block, field, at, problems);
    check_order(order, field, at, problems);
    check_bit(block.read.is_bits(), field, at, problems);
}

/// The length of a value; false where nothing can be said of its bytes.
pub(crate) fn check_length(field: &Field, at: &Path, problems: &mut Problems) -> bool {
    let kind = field.kind_of_value;
    let mut wrong = |message: String, help: &str| {
        problems.push(Problem::error(at.key("length"), message).help(help));
    };
    match (kind, field.length) {
        (Type::Hex | Type::Text | Type::Ascii | Type::Bcd | Type::Mod10k, None) => {
            let message = "this type needs a `length` in bytes";
            problems.push(Problem::error(at.clone(), message).help("add `length:`"));
            return false;
        }
        (_, None) => {}
        (_, Some(0)) => problems.push(Problem::error(at.key("length"), "`length` is at least 1")),
        (Type::Bcd, Some(length)) if length > BCD_MAX => {
            wrong(format!("a `bcd` number has at most {BCD_MAX} bytes"), "`hex` gives the digits as text");
        }
        (Type::Mod10k, Some(length)) if length > MOD10K_MAX || length % 2 == 1 => {
            wrong(
                "a `mod10k` number has 1 to 4 registers: 2, 4, 6 or 8 bytes".to_owned(),
                "two bytes a register",
            );
        }
        (Type::UnixSeconds | Type::SecondsSince2000, Some(length)) if ![4, 8].contains(&length) => {
            wrong(format!("`{}` has 4 or 8 bytes", kind.name()), "leave it out for 4");
        }
        (Type::Datetime, Some(length)) if ![6, 12].contains(&length) => {
            wrong(
                "a `datetime` has a register or a byte for each of six parts: 12 or 6 bytes".to_owned(),
                "leave it out for 12",
            );
        }
        (Type::Date, Some(length)) if ![3, 6].contains(&length) => {
            wrong(
                "a `date` has a register or a byte for each of three parts: 6 or 3 bytes".to_owned(),
                "leave it out for 6",
            );
        }
        (Type::Text, Some(length)) if field.encoding == Some(Encoding::Utf16) && length % 2 == 1 => {
            wrong("a text in UTF-16 has two bytes a character".to_owned(), "give an even number");
        }
        (kind, Some(_)) if kind.width().is_some() && kind != Type::Bits => {
            wrong("this type knows its own length".to_owned(), "remove it");
        }
        _ => {}
    }
    if field.encoding.is_some() && kind != Type::Text {
        let message = "only a `text` has an `encoding`";
        problems.push(Problem::error(at.key("encoding"), message).help("use `type: text`, or remove it"));
    }
    true
}

/// Whether the field lies within the block.
fn check_end(block: &Block, field: &Field, at: &Path, problems: &mut Problems) {
    let (end, size, what) = if block.read.is_bits() {
        (usize::from(field.at) + 1, usize::from(block.count), "coils")
    } else {
        (usize::from(field.at) + usize::from(field.width()), block.data_bytes(), "bytes")
    };
    if end > size {
        let message = format!("the field ends at {end} and the block has {size} {what}");
        let help = "`at` counts from the start of the block, from 0";
        problems.push(Problem::error(at.key("at"), message).help(help));
    }
}

/// Whether the bytes of a value can stand in such an order.
pub(crate) fn check_order(device: Order, field: &Field, at: &Path, problems: &mut Problems) {
    let order = field.order_within(device);
    let said = field.order.unwrap_or(order);
    if said.is_of_64_bits() && (field.width() != 8 || !field.words.is_empty()) {
        let message = format!("`{}` is an order of eight bytes that follow each other", said.name());
        let help = "use one of `abcd`, `cdab`, `badc` and `dcba`";
        problems.push(Problem::error(at.key("order"), message).help(help));
    } else if order != Order::Abcd && field.words.is_empty() && field.width() > 1 && field.width() % 2 == 1 {
        let message = "bytes swap in pairs, and the field has an odd number of them";
        problems.push(Problem::error(at.clone(), message).help("set `order: abcd` for this field"));
    }
}

/// Whether there is such a bit.
pub(crate) fn check_bit(coils: bool, field: &Field, at: &Path, problems: &mut Problems) {
    let (kind, bit) = (field.kind_of_value, u16::from(field.bit.unwrap_or(0)));
    let of_bits = matches!(kind, Type::Bool | Type::Bits);
    let length = if kind == Type::Bits { field.length.unwrap_or(1) } else { 1 };
    let (has, named) = match (field.of, kind) {
        (None | Some(Word::U8), Type::Bool) => (8, "a byte has bits 0 to 7".to_owned()),
        (None | Some(Word::U16), _) => (16, "a register has bits 0 to 15".to_owned()),
        (Some(word), _) => {
            let bits = word.width() * 8;
            (bits, format!("a `u{bits}` has bits 0 to {}", bits - 1))
        }
    };
    let problem = match field.bit {
        Some(_) if coils && kind == Type::Bool => Some("a coil is a single bit already".to_owned()),
        Some(_) if !of_bits => Some("only `bool` and `bits` have a `bit`".to_owned()),
        _ if of_bits && bit.saturating_add(length) > has => Some(named),
        _ => None,
    };
    problems.extend(problem.map(|message| Problem::error(at.key("bit"), message)));
    if field.of.is_some() && (!of_bits || coils) {
        let message = "`of` says whose bits are counted, for `bool` and `bits` in registers";
        problems.push(Problem::error(at.key("of"), message).help("remove it"));
    }
    if coils && kind != Type::Bool {
        problems.push(Problem::error(at.key("type"), "coils and discrete inputs are `bool`"));
    }
}
