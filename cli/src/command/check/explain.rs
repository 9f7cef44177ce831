//! `smiles check --explain`: what one pass asks of each source.

use std::fmt::Write;

use smiles_runtime::Wired;

/// A paragraph per source that has something to say.
pub(super) fn text(wired: &Wired) -> String {
    wired.explains().map(|(source, address, asks)| paragraph(source, &address, &asks)).collect()
}

fn paragraph(source: &str, address: &str, asks: &[String]) -> String {
    if asks.is_empty() {
        return String::new();
    }
    let address = if address.is_empty() { String::new() } else { format!(" ({address})") };
    let mut text = format!("source {source}{address}\n  one pass:\n");
    for line in asks {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_paragraph() {
        let asks = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let rows = [
            (("grid", "tcp://10.0.0.5:502 unit 1", asks(&[])), ""),
            (
                ("grid", "tcp://10.0.0.5:502 unit 1", asks(&["registers 0 to 9", "registers 40 to 49"])),
                "source grid (tcp://10.0.0.5:502 unit 1)\n  one pass:\n    registers 0 to 9\n    registers 40 to 49\n",
            ),
            (("x", "", asks(&["all"])), "source x\n  one pass:\n    all\n"),
        ];
        for ((source, address, asks), expected) in rows {
            assert_eq!(paragraph(source, address, &asks), expected);
        }
    }
}
