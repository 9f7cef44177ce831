//! What a table looks like in the file, as far as it decides how to read it quickly.

use rusqlite::Connection;

/// How the rows of a table can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The word that means the row's own number; `None` for views and tables without.
    pub(crate) rowid: Option<&'static str>,
    /// The columns of each index of all rows, in order.
    pub(crate) indexes: Vec<Vec<String>>,
}

/// Looks at a table; one that is not there has no shape.
pub(crate) fn shape(connection: &Connection, table: &str) -> rusqlite::Result<Shape> {
    let has_rowid = "SELECT count(*) FROM pragma_table_list
                     WHERE schema = 'main' AND name = ?1 COLLATE NOCASE AND type = 'table' AND wr = 0";
    let has_rowid: i64 = connection.query_row(has_rowid, [table], |row| row.get(0))?;
    if has_rowid == 0 {
        return Ok(Shape::default());
    }
    let columns = names(connection, "SELECT name FROM pragma_table_xinfo(?1)", table)?;
    let taken = |word: &&str| columns.iter().any(|column| column.eq_ignore_ascii_case(word));
    let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(|word| !taken(word));
    let indexes = names(connection, "SELECT name FROM pragma_index_list(?1) WHERE partial = 0", table)?
        .iter()
        .map(|index| {
            let columns =
                "SELECT coalesce(name, '') FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno";
            names(connection, columns, index)
        })
        .collect::<rusqlite::Result<_>>()?;
    Ok(Shape { rowid, indexes })
}

fn names(connection: &Connection, sql: &str, of: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare_cached(sql)?.query_map([of], |row| row.get(0))?.collect()
}

impl Shape {
    /// These columns in the order of an index that begins with them.
    pub(crate) fn walk<'a>(&'a self, columns: &[String]) -> Option<&'a [String]> {
        self.indexes.iter().find_map(|index| {
            let head = index.get(..columns.len())?;
            columns.iter().all(|column| head.contains(column)).then_some(head)
        })
    }
}
