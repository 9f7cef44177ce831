//! Is a point sound? Its registers exist, and are as many as its type has.

use smiles_stage::option::Period;
use smiles_stage::{Path, Problem, Problems};

use crate::check::meaning::check_meaning;
use crate::check::place::{check_bit, check_length, check_order};
use crate::device::{Device, Field, Point, Register, Table};
use crate::layout::{field, placed};

/// A point of a device, which is `laid` out in blocks.
pub(crate) fn check_point(
    (device, laid): (&Device, &Device),
    name: &str,
    point: &Point,
    at: &Path,
    problems: &mut Problems,
) {
    check_period("point", point.every, point.once, at, problems);
    let Some(table) = check_registers(device, point, at, problems) else { return };
    let field = field(point, table);
    if !check_length(&field, at, problems) {
        return;
    }
    let named = Field { words: vec![0; point.registers.len()], ..field.clone() };
    // Numbers by register begin anywhere and have whole registers.
    let odd = field.width() % 2 == 1 && point.registers.is_empty();
    if !odd {
        check_order(device.order, &named, at, problems);
    }
    check_bit(table.is_bits(), &point_bits(point, &field, table), at, problems);
    check_count(device, point, &field, table, at, problems);
    if let Some((_, block)) =
        laid.blocks.iter().find(|(_, block)| block.of_points && block.fields.get(name).is_some())
    {
        check_meaning(laid, block, (name, &field), at, problems);
    }
}

/// What a person wrote of the bits.
fn point_bits(point: &Point, field: &Field, table: Table) -> Field {
    Field { of: if table.is_bits() { point.of } else { field.of }, ..field.clone() }
}

/// The table that the numbers of its registers, or the file, name; `None` where they are none.
fn check_registers(device: &Device, point: &Point, at: &Path, problems: &mut Problems) -> Option<Table> {
    let numbers: Vec<(Path, Register)> = match (point.register, point.registers.is_empty()) {
        (Some(register), true) => vec![(at.key("register"), register)],
        (None, false) => {
            let each = point.registers.iter().enumerate();
            each.map(|(index, register)| (at.key("registers").index(index), *register)).collect()
        }
        (Some(_), false) => {
            let message =
                "`register` is the first of several that follow each other, and `registers` names each";
            problems.push(Problem::error(at.key("register"), message).help("remove one of them"));
            return None;
        }
        (None, true) => {
            let help = "add `register:`, or `registers:` where they do not follow each other";
            problems.push(Problem::error(at.clone(), "the point has no register").help(help));
            return None;
        }
    };
    let mut tables = Vec::new();
    for (at, register) in &numbers {
        match device.numbering.address(*register) {
            Some((said, _)) => tables.push(said),
            None => {
                let message =
                    format!("there is no register {register} by `numbering: {}`", device.numbering.name());
                problems.push(Problem::error(at.clone(), message).help(device.numbering.advice(*register)));
            }
        }
    }
    let twice = numbers
        .iter()
        .enumerate()
        .find(|(place, (_, it))| numbers.iter().take(*place).any(|(_, other)| other == it));
    if let Some((_, (at, register))) = twice {
        let message = format!("register {register} is named twice");
        problems.push(Problem::error(at.clone(), message).help("each register of a value is another"));
        return None;
    }
    if tables.len() < numbers.len() {
        return None;
    }
    let said = tables.first().copied().flatten();
    if tables.iter().any(|table| *table != said) {
        let message = "the registers of one value are of one table";
        problems.push(Problem::error(at.key("registers"), message));
        return None;
    }
    if let (Some(number), Some(read)) = (said, point.read)
        && number != read
    {
        let message =
            format!("by its number it is in `{}`, and `read` says `{}`", number.name(), read.name());
        problems
            .push(Problem::error(at.key("read"), message).help("remove one of them, or correct the number"));
        return None;
    }
    Some(said.or(point.read).or(device.read).unwrap_or_default())
}

/// Whether its type has as many registers as are named, and one request can ask for them.
fn check_count(
    device: &Device,
    point: &Point,
    field: &Field,
    table: Table,
    at: &Path,
    problems: &mut Problems,
) {
    if table.is_bits() {
        if !point.registers.is_empty() {
            let message = "a coil is a single bit: it has one number";
            problems.push(Problem::error(at.key("registers"), message).help("use `register:`"));
        }
        return;
    }
    let words = field.width().div_ceil(2).max(1);
    let kind = point.kind_of_value.name();
    if !point.registers.is_empty() && point.registers.len() != usize::from(words) {
        let (needs, named) = (counted(words.into()), point.registers.len());
        let message = format!("this `{kind}` has {needs}, and {named} are named");
        let help = "the highest first: `registers: [690, 625]`";
        problems.push(Problem::error(at.key("registers"), message).help(help));
    } else if words > device.max_registers {
        let message = format!(
            "this `{kind}` has {words} registers, and one request asks for at most {}",
            device.max_registers
        );
        problems.push(Problem::error(at.clone(), message));
    } else if placed(device, point).is_none() {
        let message =
            format!("this `{kind}` has {}, and ends beyond the last there can be", counted(words.into()));
        problems.push(Problem::error(at.key("register"), message));
    }
}

fn counted(registers: usize) -> String {
    if registers == 1 { "1 register".to_owned() } else { format!("{registers} registers") }
}

/// The period of a block or a point.
pub(crate) fn check_period(
    what: &str,
    every: Option<Period>,
    once: bool,
    at: &Path,
    problems: &mut Problems,
) {
    if every.is_some_and(|every| every.0.is_zero()) {
        let message = "a period of 0 is none";
        problems
            .push(Problem::error(at.key("every"), message).help("leave `every` out to read at every pass"));
    }
    if once && every.is_some() {
        let message = format!("a {what} that is read `once` has no period");
        problems.push(Problem::error(at.key("every"), message).help("remove one of them"));
    }
}
