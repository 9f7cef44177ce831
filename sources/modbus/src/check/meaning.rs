//! Does what a value means go together? Its unit, its scale, its words.

use smiles_stage::unit::Unit;
use smiles_stage::{Path, Problem, Problems};

use crate::check::warnings::sentinels;
use crate::decode::scaling::{scaling, unit};
use crate::device::block::Block;
use crate::device::{Device, Field, Sentinel, ShownAs, Type, Variant};

/// A field of a block; `device` has its points as blocks.
pub(crate) fn check_meaning(
    device: &Device,
    block: &Block,
    (name, field): (&str, &Field),
    at: &Path,
    problems: &mut Problems,
) {
    problems.extend(sentinels(field, at));
    if field.variants.is_empty() && field.otherwise.is_some() {
        let message = "`otherwise` is for records that are none of the `variants`, and there are none";
        problems.push(Problem::error(at.key("otherwise"), message).help("remove it"));
    }
    check_words(field, at, problems);
    if !field.kind_of_value.is_number() {
        let extras = [
            (field.unit.is_some(), "unit"),
            (!field.variants.is_empty(), "variants"),
            (field.valid.is_some(), "valid"),
            (field.negate, "negate"),
            (field.scale.is_some(), "scale"),
            (field.scale_by.is_some(), "scale_by"),
            (field.offset.is_some(), "offset"),
            (field.raw, "raw"),
        ];
        for (_, key) in extras.iter().filter(|(set, _)| *set) {
            problems.push(Problem::error(at.key(*key), format!("only a number has `{key}`")));
        }
        return;
    }
    check_units(device, field, at, problems);
    check_scale(field, at, problems);
    if let Some(factor) = &field.scale_by {
        check_scale_by(device, block, (name, field), factor, &at.key("scale_by"), problems);
    }
    for (index, variant) in field.variants.iter().enumerate() {
        check_when(block, variant, &at.key("variants").index(index).key("when"), problems);
    }
}

/// Words for codes.
fn check_words(field: &Field, at: &Path, problems: &mut Problems) {
    let kind = field.kind_of_value;
    let bits = if kind == Type::Bits { field.length.unwrap_or(1) } else { field.width() * 8 };
    let words = [
        ("values", field.values.as_ref().map(|words| (words.0.is_empty(), words.values().err()))),
        ("flags", field.flags.as_ref().map(|words| (words.0.is_empty(), words.flags(bits).err()))),
    ];
    let mut named = Vec::new();
    for (key, words) in words {
        let Some((empty, wrong)) = words else { continue };
        named.push(key);
        let said = if empty { Some(format!("`{key}` names no word")) } else { wrong };
        problems.extend(said.map(|said| Problem::error(at.key(key), said)));
        let bool_as_word = kind == Type::Bool && key == "values" && field.shown_as == Some(ShownAs::Word);
        if !kind.is_whole() && !bool_as_word {
            let help = if kind == Type::Bool {
                "a `bool` has words with `values` and `as: word`"
            } else {
                "use a type of whole numbers"
            };
            problems.push(Problem::error(at.key(key), format!("only a code has `{key}`")).help(help));
        }
    }
    let [key] = named[..] else {
        if named.len() > 1 {
            let message = "a number is a code or a set of bits, not both";
            problems.push(Problem::error(at.key("flags"), message).help("use `values` or `flags`"));
        }
        if field.shown_as.is_some() && named.is_empty() {
            let message = "`as` says what becomes of words, and there are none";
            problems
                .push(Problem::error(at.key("as"), message).help("add `values` or `flags`, or remove it"));
        }
        return;
    };
    let measured = [
        (field.unit.is_some(), "unit"),
        (!field.variants.is_empty(), "variants"),
        (field.negate, "negate"),
        (field.scale.is_some(), "scale"),
        (field.scale_by.is_some(), "scale_by"),
        (field.offset.is_some(), "offset"),
    ];
    for (_, extra) in measured.iter().filter(|(set, _)| *set) {
        let message = format!("a code is no measurement: `{key}` and `{extra}` do not go together");
        problems.push(Problem::error(at.key(*extra), message).help("remove one of them"));
    }
    if field.valid.is_some() && field.shown_as == Some(ShownAs::Word) {
        let message = "a word has no limits";
        problems.push(
            Problem::error(at.key("valid"), message).help("name the codes that mean nothing in `null_when`"),
        );
    }
}

fn check_units(device: &Device, field: &Field, at: &Path, problems: &mut Problems) {
    let before = problems.len();
    let own = field.unit.as_ref().map(|unit| (at.key("unit"), unit));
    let others = field.variants.iter().enumerate();
    let others = others.map(|(index, other)| (at.key("variants").index(index).key("unit"), &other.unit));
    for (place, text) in own.into_iter().chain(others) {
        if let Err(error) = unit(device, text) {
            let help = meant_offset(text).or(error.help);
            problems.push(Problem { help, ..Problem::error(place, error.message) });
        }
    }
    if field.unit.is_none() && !field.variants.is_empty() {
        let message = "variants differ from the field's own unit, and it has none";
        problems.push(Problem::error(at.key("variants"), message).help("add `unit:`"));
    } else if problems.len() == before
        && let Err(error) = scaling(device, field)
    {
        problems.push(Problem { help: error.help, ..Problem::error(at.key(error.option), error.message) });
    }
}

/// A sign in front of a unit.
fn meant_offset(text: &str) -> Option<String> {
    let unit = text.trim().strip_prefix('-')?.trim();
    unit.parse::<Unit>().ok()?;
    let plain = unit.strip_prefix("1 ").unwrap_or(unit);
    Some(format!("for the other sign write `unit: {plain}` and `negate: true`"))
}

fn check_scale(field: &Field, at: &Path, problems: &mut Problems) {
    let Some(scale) = &field.scale else { return };
    let number = scale.as_f64().unwrap_or_default();
    let at = at.key("scale");
    if let Some(text) = &field.unit {
        let meant = text
            .parse::<Unit>()
            .ok()
            .and_then(|unit| Some((unit.to(&unit.base())?.apply(number.abs()), unit.base())));
        let help = match meant {
            Some((scale, unit)) if scale > 0.0 => {
                let sign = if number < 0.0 { "` and `negate: true" } else { "" };
                format!("write `unit: {scale} {unit}{sign}`")
            }
            _ => "write it before the unit: `unit: 0.1 V`".to_owned(),
        };
        let message = "the scale of a number with a unit is part of the unit";
        problems.push(Problem::error(at, message).help(help));
    } else if number <= 0.0 {
        let message = format!("a scale is a positive number, not {scale}");
        problems.push(Problem::error(at, message).help("`negate: true` turns the sign"));
    }
}

/// The scale factor is one register of the same unit, read as often as the value.
fn check_scale_by(
    device: &Device,
    block: &Block,
    (name, field): (&str, &Field),
    factor: &str,
    at: &Path,
    problems: &mut Problems,
) {
    let mut error =
        |message: String, help: &str| problems.push(Problem::error(at.clone(), message).help(help));
    if !field.variants.is_empty() || field.scale.is_some() {
        return error(
            "the scale is named twice".to_owned(),
            "`scale_by` goes with neither `variants` nor `scale`; remove one of them",
        );
    }
    let own = block.fields.get(factor).map(|field| (block, field));
    let mut others = device.blocks.iter().filter(|(_, other)| other.repeat.is_none());
    let found = own.or_else(|| others.find_map(|(_, other)| Some((other, other.fields.get(factor)?))));
    let Some((lender, asked)) = found else {
        let names = device.blocks.iter().flat_map(|(_, block)| block.fields.names());
        let message = format!("there is no column `{factor}`");
        return problems.push(Problem::error(at.clone(), message).suggest(factor, names));
    };
    let same = (lender.unit_id, lender.every) == (block.unit_id, block.every);
    if factor == name || asked.scale_by.is_some() {
        error(
            format!("`{factor}` needs a scale factor itself"),
            "name the register that holds the power of ten",
        );
    } else if !asked.kind_of_value.is_whole() || asked.width() > 2 {
        error(
            format!("`{factor}` is no scale factor: that is a whole number in one register"),
            "it holds a power of ten, as an `i16` of -1 for tenths",
        );
    } else if lender.read.is_bits() || block.read.is_bits() {
        error("a coil has no scale".to_owned(), "name a register");
    } else if lender.unit_id != block.unit_id {
        error(format!("`{factor}` is in another unit"), "a value and its scale factor are of one `unit_id`");
    } else if !same && !lender.once {
        error(
            format!("`{factor}` is not read as often as the value"),
            "give both the same `every`; a factor that never changes is read `once`",
        );
    }
}

fn check_when(block: &Block, variant: &Variant, at: &Path, problems: &mut Problems) {
    let when = &variant.when;
    let Some(asked) = block.fields.get(&when.field) else {
        let message = format!("the block has no field `{}`", when.field);
        return problems
            .push(Problem::error(at.key("field"), message).suggest(&when.field, block.fields.names()));
    };
    let text = asked.kind_of_value.is_text();
    match (&when.prefix, &when.equals) {
        (Some(_), Some(_)) | (None, None) => {
            problems.push(Problem::error(at.clone(), "give exactly one of `prefix` and `equals`"));
        }
        (Some(_), None) if !text => {
            let message = format!("`{}` is a number, and only text has a prefix", when.field);
            problems.push(Problem::error(at.key("prefix"), message).help("use `equals`"));
        }
        (None, Some(_)) if text => {
            let message = format!("`{}` is text, and `equals` compares numbers", when.field);
            problems.push(Problem::error(at.key("equals"), message).help("use `prefix`"));
        }
        (None, Some(number)) => {
            let never = Sentinel::Number(number.clone()).complaint(asked);
            problems.extend(never.map(|message| Problem::error(at.key("equals"), message)));
        }
        _ => {}
    }
}
