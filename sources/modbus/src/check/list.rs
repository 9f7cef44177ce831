//! Is a list of records sound?

use smiles_stage::{Path, Problem, Problems};

use crate::device::block::{Block, Repeat, Until};
use crate::device::{Device, Sentinel};

/// All complaints about a block that repeats.
pub(crate) fn check_list(
    device: &Device,
    block: &Block,
    repeat: &Repeat,
    block_at: &Path,
    problems: &mut Problems,
) {
    let at = block_at.key("repeat");
    for (set, key) in [(block.once, "once"), (block.optional, "optional")] {
        if set {
            let message = format!("a block that repeats cannot be `{key}`: its records are the rows");
            problems.push(Problem::error(block_at.key(key), message));
        }
    }
    for (value, key) in [(repeat.stride, "stride"), (repeat.max, "max")] {
        if value == 0 {
            problems.push(Problem::error(at.key(key), format!("`{key}` is at least 1")));
        }
    }
    let last = u32::from(repeat.stride) * u32::from(repeat.max.saturating_sub(1));
    if u32::from(block.address) + last > 0xFFFF {
        let message = format!("record {} would be beyond address 65535", repeat.max.saturating_sub(1));
        problems.push(Problem::error(at.key("max"), message));
    }
    check_together(block, repeat, &at.key("records_per_request"), problems);
    if let Some(until) = &repeat.until {
        check_until(device, block, until, &at.key("until"), problems);
    }
}

fn check_together(block: &Block, repeat: &Repeat, at: &Path, problems: &mut Problems) {
    let problem = match repeat.records_per_request {
        Some(0) => Some("at least 1"),
        Some(_) if block.read.is_bits() => Some("coils are asked a record at a time"),
        Some(_) if repeat.stride < block.count => {
            Some("a record is longer than the `stride`, so its addresses do not count registers")
        }
        _ => None,
    };
    problems.extend(problem.map(|message| Problem::error(at.clone(), message)));
}

fn check_until(device: &Device, block: &Block, until: &Until, at: &Path, problems: &mut Problems) {
    let ways =
        [until.zero.is_some(), until.field.is_some(), until.exception.is_some(), until.count.is_some()];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        let message = "a list ends in one way";
        let help = "give exactly one of `zero: FIELD`, `field: FIELD` with `equals: NUMBER`, `exception: [2, 3]` and \
                    `count: FIELD`";
        return problems.push(Problem::error(at.clone(), message).help(help));
    }
    for (name, key) in [(&until.zero, "zero"), (&until.field, "field")] {
        if let Some(name) = name
            && block.fields.get(name).is_none()
        {
            let message = format!("the block has no field `{name}`");
            problems.push(Problem::error(at.key(key), message).suggest(name, block.fields.names()));
        }
    }
    match (&until.field, &until.equals) {
        (Some(_), None) => {
            let message = "`field` needs `equals`: what it holds behind the last record";
            problems.push(Problem::error(at.key("field"), message));
        }
        (None, Some(_)) => {
            let message = "`equals` needs `field`: which field holds it behind the last record";
            problems.push(Problem::error(at.key("equals"), message));
        }
        (Some(name), Some(number)) => {
            let never = block.fields.get(name).and_then(|it| Sentinel::Number(number.clone()).complaint(it));
            problems.extend(never.map(|message| Problem::error(at.key("equals"), message)));
        }
        (None, None) => {}
    }
    if until.exception.as_ref().is_some_and(|codes| codes.is_empty() || codes.contains(&0)) {
        let help = "2 is an illegal address, 3 an illegal value: `exception: [2, 3]`";
        problems.push(Problem::error(at.key("exception"), "name the codes of exceptions").help(help));
    }
    if let Some(name) = &until.count {
        check_count(device, name, &at.key("count"), problems);
    }
}

/// The field that says how many records there are must be a whole number that is read beside them.
fn check_count(device: &Device, name: &str, at: &Path, problems: &mut Problems) {
    let others = || device.blocks.iter().filter(|(_, block)| block.repeat.is_none());
    let Some(field) = others().find_map(|(_, block)| block.fields.get(name)) else {
        let message = format!("no block without `repeat` has a field `{name}`");
        let names = others().flat_map(|(_, block)| block.fields.names());
        return problems.push(Problem::error(at.clone(), message).suggest(name, names));
    };
    if !field.kind_of_value.is_whole() {
        let message = format!("`{name}` is no whole number, and counts no records");
        problems.push(Problem::error(at.clone(), message));
    }
}
