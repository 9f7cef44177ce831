//! What the tables of a mapping are in this database: columns with their types, and the indexes that decide how to
//! read them quickly.

use std::collections::BTreeMap;

use postgres_types::{FromSql, Type};
use smiles_stage::StageError;
use smiles_tables::{Mode, TablePlan};
use tokio_postgres::Client;

use crate::encode::Wire;
use crate::sql::{literal, qualified};

/// A table as the database has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct DatabaseTable {
    /// By name.
    pub(crate) columns: BTreeMap<String, DatabaseColumn>,
    /// The columns of each index over all rows, in order.
    pub(crate) indexes: Vec<Vec<String>>,
}

/// A column as the database has it.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseColumn {
    /// Its type; of a domain the type below it.
    base: Type,
    /// Whether the binary form of its type is its text.
    textual: bool,
    /// The type's full name, which a cast may say.
    pub(crate) spelled: String,
    /// Whether every row must bring a value.
    required: bool,
    /// Whether no row may bring one.
    generated: bool,
    /// Whether no row is without a value.
    pub(crate) not_null: bool,
    /// Whether the database itself counts it up from row to row.
    serial: bool,
}

const COLUMNS: &str = "
SELECT a.attname::text, b.oid, b.typtype = 'e' OR b.typname IN ('citext', 'xml'), format_type(t.oid, -1),
       a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', a.attgenerated <> '' OR a.attidentity = 'a',
       a.attnotnull, a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false)
FROM pg_attribute AS a
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
JOIN pg_type AS t ON t.oid = a.atttypid
JOIN pg_type AS b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";

const INDEXES: &str = "
SELECT (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE k.place <= i.indnkeyatts)
FROM pg_index AS i
WHERE i.indrelid = to_regclass($1) AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL";

/// Looks at a table; `None` if there is none of that name.
///
/// # Errors
/// The database could not be asked.
pub(crate) async fn look(
    client: &Client,
    table: &str,
) -> Result<Option<DatabaseTable>, tokio_postgres::Error> {
    let name = qualified(table);
    let rows = client.query_typed(COLUMNS, &[(&name, Type::TEXT)]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut found = DatabaseTable::default();
    for row in rows {
        let oid: u32 = row.try_get(1)?;
        let column = DatabaseColumn {
            base: Type::from_oid(oid).unwrap_or(Type::UNKNOWN),
            textual: row.try_get(2)?,
            spelled: row.try_get(3)?,
            required: row.try_get(4)?,
            generated: row.try_get(5)?,
            not_null: row.try_get(6)?,
            serial: row.try_get(7)?,
        };
        found.columns.insert(row.try_get(0)?, column);
    }
    for row in client.query_typed(INDEXES, &[(&name, Type::TEXT)]).await? {
        found.indexes.extend(get::<Option<Vec<String>>>(&row)?);
    }
    Ok(Some(found))
}

fn get<'a, T: FromSql<'a>>(row: &'a tokio_postgres::Row) -> Result<T, tokio_postgres::Error> {
    row.try_get(0)
}

impl DatabaseColumn {
    /// Whether its cells are of single precision.
    pub(crate) fn is_single(&self) -> bool {
        self.base == Type::FLOAT4
    }

    /// Whether its instants are what a clock in UTC shows.
    pub(crate) fn is_naive(&self) -> bool {
        self.base == Type::TIMESTAMP
    }

    /// Whether its cells are read as floating point without a cast.
    pub(crate) fn is_float(&self) -> bool {
        matches!(self.base, Type::FLOAT4 | Type::FLOAT8)
    }
}

impl DatabaseTable {
    /// The column that says which of two rows was written last, if there is one.
    pub(crate) fn serial(&self) -> Option<&str> {
        self.columns.iter().find(|(_, column)| column.serial).map(|(name, _)| name.as_str())
    }

    /// Whether no row is without a value in it.
    pub(crate) fn never_null(&self, column: &str) -> bool {
        self.columns.get(column).is_some_and(|column| column.not_null)
    }

    /// These columns in the order of an index that begins with them.
    pub(crate) fn walk<'a>(&'a self, columns: &[String]) -> Option<&'a [String]> {
        self.indexes.iter().find_map(|index| {
            let head = index.get(..columns.len())?;
            columns.iter().all(|column| head.contains(column)).then_some(head)
        })
    }

    /// How the cells of the mapping's columns are sent, in the order of the plan.
    ///
    /// # Errors
    /// Halt: all that does not fit.
    pub(crate) fn wires(&self, table: &TablePlan) -> Result<Vec<Wire>, StageError> {
        let (mut wires, mut wrong) = (Vec::new(), Vec::new());
        for planned in &table.columns {
            let name = &planned.name;
            match self.columns.get(name) {
                None => wrong.push(format!("there is no column `{name}`")),
                Some(found) if found.generated => {
                    wrong.push(format!("`{name}` is generated by the database and cannot be written"));
                }
                Some(found) => match Wire::of(planned.column_type, &found.base, found.textual) {
                    Some(wire) => wires.push(wire),
                    None => wrong.push(format!(
                        "`{name}` is {} there and cannot hold {}",
                        found.spelled, planned.column_type
                    )),
                },
            }
        }
        for (name, found) in &self.columns {
            let mapped = table.columns.iter().any(|planned| planned.name == *name);
            if found.required && !mapped && table.mode != Mode::Read {
                wrong.push(format!("`{name}` must not be null, has no default, and is not mapped"));
            }
        }
        for (name, _) in &table.reads {
            if !self.columns.contains_key(name) {
                wrong.push(format!("there is no column `{name}`"));
            }
        }
        if wrong.is_empty() { Ok(wires) } else { Err(unfit(&table.name, &wrong.join("; "))) }
    }
}

/// What the tables are, as one text that changes when a column does: binary COPY checks no types, so every write asks
/// whether they still are what it was planned for, with the tables held as they are.
#[derive(Clone, Debug)]
pub(crate) struct SchemaGuard {
    lock: String,
    ask: String,
    /// The answer at the time of planning.
    pub(crate) seen: String,
}

impl SchemaGuard {
    /// For these tables; nothing was seen yet.
    pub(crate) fn new<'a>(tables: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<String> = tables.map(qualified).collect();
        if names.is_empty() {
            // Nothing is written (`mode: read` alone), so nothing has to be held.
            return Self { lock: String::new(), ask: "SELECT ''::text".to_owned(), seen: String::new() };
        }
        let classes: Vec<String> =
            names.iter().map(|name| format!("to_regclass({})", literal(name))).collect();
        let ask = format!(
            "SELECT coalesce(string_agg(concat_ws(' ', attrelid, attnum, attname, atttypid, atttypmod, attnotnull,
             attgenerated, attidentity), ',' ORDER BY attrelid, attnum), '')
             FROM pg_attribute WHERE attrelid IN ({}) AND attnum > 0 AND NOT attisdropped",
            classes.join(", ")
        );
        let lock = format!("LOCK TABLE {} IN ROW EXCLUSIVE MODE; ", names.join(", "));
        Self { lock, ask, seen: String::new() }
    }

    /// What the tables are now.
    ///
    /// # Errors
    /// The database could not be asked.
    pub(crate) async fn look(&self, client: &Client) -> Result<String, tokio_postgres::Error> {
        client.query_typed_one(&self.ask, &[]).await?.try_get(0)
    }

    /// Statements that hold the tables as they are and say what they are.
    pub(crate) fn statements(&self) -> String {
        format!("{}{}", self.lock, self.ask)
    }
}

/// The sentence for a table that does not fit its mapping.
pub(crate) fn unfit(table: &str, why: &str) -> StageError {
    let advice = "repair it by a migration, or change `tables`";
    StageError::halt(format!("table `{table}` does not fit the mapping: {why}; {advice}"))
}

#[cfg(test)]
mod tests {
    use super::SchemaGuard;

    #[test]
    fn tables_that_are_only_read_are_not_held() {
        assert_eq!(SchemaGuard::new(std::iter::empty()).statements(), "SELECT ''::text");
        let one = SchemaGuard::new(["t"].into_iter()).statements();
        assert!(one.starts_with("LOCK TABLE \"t\" IN ROW EXCLUSIVE MODE; SELECT "), "{one}");
    }
}
