//! A few registers or coils of an address, as numbers of the types one would try.

use anyhow::anyhow;
use serde_json::json;
use smiles_source_modbus::device::{Field, Order, Raw, Table, decode};
use smiles_source_modbus::{Registers, read_registers};

use crate::command::read::arguments::ReadArgs;
use crate::exit::Failure;

/// Reads them; a table.
pub(super) async fn read(address: &str, args: &ReadArgs) -> Result<String, Failure> {
    let (table, first) = chosen(args)?;
    let order: Order = serde_json::from_value(json!(args.order)).map_err(|_| {
        Failure::configuration(format!("`{}` is no order; known here: abcd, cdab, badc, dcba, and of 64 bits efghabcd, cdabghef, fehgbadc, dcbahgfe", args.order))
    })?;
    let most = if table.is_bits() { 2000 } else { 125 };
    if args.count > most {
        return Err(Failure::configuration(format!(
            "one request asks for at most {most}, not {}",
            args.count
        )));
    }
    let field = args.kind.as_deref().map(|kind| field(kind, table, args.count)).transpose()?;
    let registers = Registers {
        address: address.to_owned(),
        unit: args.unit,
        table,
        first,
        count: args.count,
        timeout: args.timeout,
        connect_delay: args.connect_delay,
        tolerate: Vec::new(),
    };
    let data = read_registers(&registers).await.map_err(|said| anyhow!(said))?;
    Ok(match field {
        _ if table.is_bits() => bits(first, args.count, &data),
        Some(field) => typed(&field, order, first, &data),
        None => words(first, &data),
    })
}

fn chosen(args: &ReadArgs) -> Result<(Table, u16), Failure> {
    let named = args.registers.as_ref().and_then(|it| {
        let holding = it.holding.map(|first| (Table::Holding, first));
        let input = || it.input.map(|first| (Table::Input, first));
        let coils = || it.coils.map(|first| (Table::Coils, first));
        let discrete = || it.discrete.map(|first| (Table::Discrete, first));
        holding.or_else(input).or_else(coils).or_else(discrete)
    });
    named.ok_or_else(|| {
        Failure::configuration(
            "which registers? add `--holding 0`, `--input 0`, `--coils 0` or `--discrete 0`, and `--count`",
        )
    })
}

/// A field of this type at the start; texts take all registers.
fn field(kind: &str, table: Table, count: u16) -> Result<Field, Failure> {
    if table.is_bits() {
        return Err(Failure::configuration("coils and discrete inputs are bits: leave `--type` out"));
    }
    let described = |length: Option<u16>| match length {
        Some(length) => json!({"at": 0, "type": kind, "length": length}),
        None => json!({"at": 0, "type": kind}),
    };
    let plain: Field = serde_json::from_value(described(None))
        .map_err(|error| Failure::configuration(format!("--type: {error}")))?;
    if plain.width() > 0 {
        return Ok(plain);
    }
    serde_json::from_value(described(Some(count * 2)))
        .map_err(|error| Failure::configuration(format!("--type: {error}")))
}

/// One value after the other.
fn typed(field: &Field, order: Order, first: u16, data: &[u8]) -> String {
    let width = usize::from(field.width()).max(1);
    let mut text = String::new();
    for (index, bytes) in data.chunks_exact(width).enumerate() {
        let register = usize::from(first) + index * width / 2;
        let shown = match decode(field, order, bytes) {
            Ok(raw) => show(&raw),
            Err(error) => error.to_string(),
        };
        text.push_str(&format!("{register:>5}  0x{register:04x}  {}  {shown}\n", hex(bytes)));
    }
    if !data.len().is_multiple_of(width) {
        text.push_str(&format!("the last {} bytes make no whole value: see `--count`\n", data.len() % width));
    }
    text
}

/// Each register by itself, and with the next as the numbers of 32 bits that they may be together.
fn words(first: u16, data: &[u8]) -> String {
    let mut text =
        String::from("register        hex      u16     i16  with the next: i32 abcd, cdab; f32 abcd, cdab\n");
    for (index, word) in data.chunks_exact(2).enumerate() {
        let register = usize::from(first) + index;
        let word = word.try_into().map(u16::from_be_bytes).unwrap_or_default();
        text.push_str(&format!(
            "{register:>5}  0x{register:04x}  {word:04x}  {word:>6}  {:>6}",
            word.cast_signed()
        ));
        if let Some([a, b, c, d]) = data.get(index * 2..index * 2 + 4) {
            let (high, low) = ([*a, *b, *c, *d], [*c, *d, *a, *b]);
            text.push_str(&format!(
                "  {}, {}; {:?}, {:?}",
                i32::from_be_bytes(high),
                i32::from_be_bytes(low),
                f32::from_be_bytes(high),
                f32::from_be_bytes(low)
            ));
        }
        text.push('\n');
    }
    text
}

fn bits(first: u16, count: u16, data: &[u8]) -> String {
    let on = |index: u16| data.get(usize::from(index / 8)).is_some_and(|byte| byte >> (index % 8) & 1 == 1);
    (0..count)
        .map(|index| format!("{:>5}  {}\n", u32::from(first) + u32::from(index), u8::from(on(index))))
        .collect()
}

fn show(raw: &Raw) -> String {
    match raw {
        Raw::Unsigned(number) => number.to_string(),
        Raw::Signed(number) => number.to_string(),
        Raw::Float(number) => format!("{number:?}"),
        Raw::Text(text) => format!("{text:?}"),
        Raw::Bool(on) => on.to_string(),
        Raw::Clock(at) => at.to_string(),
        Raw::Missing => "null".to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
