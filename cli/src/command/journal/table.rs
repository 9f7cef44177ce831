//! Tables for people: columns as wide as they must be, two blanks between them, no lines.

use std::fmt::Write as _;

/// The rows below their header, each line indented by two.
pub(in crate::command) fn table<const N: usize>(header: &[&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    let header = header.map(str::to_owned);
    for row in std::iter::once(&header).chain(rows) {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a String cannot fail.
            _ = write!(line, " {cell:<width$}", width = *width + 1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".to_owned(), "1".to_owned()], ["längste".to_owned(), String::new()]];
        assert_eq!(table(&["name", "n"], &rows), "  name     n\n  a        1\n  längste\n");
    }
}
