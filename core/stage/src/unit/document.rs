//! The table in docs/units.md is the table of the code.

use std::fs;
use std::path::Path;

use super::table::{self, CURRENCIES, Dimension, TABLE};
use super::{Unit, spelling};

const HEAD: &str = "| Quantity | Units | Other spellings |\n| --- | --- | --- |\n";

fn code<'a>(symbols: impl IntoIterator<Item = &'a str>) -> String {
    symbols.into_iter().map(|symbol| format!("`{symbol}`")).collect::<Vec<_>>().join(", ")
}

/// `kWh`: `kwh`, `kilowatthour`.
fn spellings(unit: &str) -> Option<String> {
    let all = spelling::ALIASES.iter().chain(spelling::SPELLINGS).filter(|(symbol, _)| *symbol == unit);
    let texts: Vec<&str> =
        all.flat_map(|(_, texts)| texts.iter().copied()).filter(|text| *text != unit).collect();
    (!texts.is_empty()).then(|| format!("`{unit}`: {}", code(texts)))
}

fn row(quantity: &str, units: &[&str]) -> String {
    let others: Vec<String> = units.iter().filter_map(|unit| spellings(unit)).collect();
    format!("| {quantity} | {} | {} |\n", code(units.iter().copied()), others.join("; "))
}

fn rendered() -> String {
    let mut dimensions: Vec<Dimension> = TABLE.iter().map(|row| row.1).collect();
    dimensions.dedup();
    let mut text = HEAD.to_owned();
    for dimension in dimensions {
        let units: Vec<&str> = TABLE.iter().filter(|row| row.1 == dimension).map(|row| row.0).collect();
        text += &row(dimension.to_string().trim_start_matches("a "), &units);
    }
    text + &row("money, each a quantity of its own", CURRENCIES)
}

/// `SMILES_UPDATE=1 cargo test -p smiles-stage document` writes it anew.
#[test]
fn the_document_lists_the_units_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/units.md");
    let committed = fs::read_to_string(&path).unwrap();
    let end = committed.find("-->\n\n").expect("a mark where the table begins") + "-->\n\n".len();
    let wanted = format!("{}{}", &committed[..end], rendered());
    if std::env::var_os("SMILES_UPDATE").is_some() {
        fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(
        committed == wanted,
        "docs/units.md is not the table of the code; SMILES_UPDATE=1 writes it anew"
    );
}

/// Each row of the document is one quantity: its units convert into each other and into those of no other row.
#[test]
fn units_of_one_quantity_convert_and_others_do_not() {
    let all: Vec<Unit> = table::symbols().map(|symbol| table::exactly(symbol).unwrap()).collect();
    for from in &all {
        for to in &all {
            assert_eq!(from.to(to).is_some(), from.dimension == to.dimension, "{from} in {to}");
        }
    }
}
