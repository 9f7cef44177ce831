//! SQL text of a table: pure, every identifier and literal quoted.

use smiles_store::{Dialect, conflict, found_by, list, quoted};
use smiles_tables::{ColumnType, Mode, TablePlan};

use crate::encode::Wire;

/// PostgreSQL's dialect, for a table whose columns are of these types.
pub(crate) struct PostgresDialect<'a>(pub(crate) &'a [&'a str]);

impl Dialect for PostgresDialect<'_> {
    fn table(&self, name: &str) -> String {
        qualified(name)
    }

    fn old(&self, _table: &TablePlan) -> String {
        "old".to_owned()
    }

    fn bound(&self, place: usize, column: usize) -> String {
        format!("${place}::text::{}", self.0[column])
    }

    fn first_possible(&self, column: usize) -> String {
        format!("'2020-01-01 00:00:00+00'::{}", self.0[column])
    }

    fn declared(&self, column_type: ColumnType) -> &'static str {
        match column_type {
            ColumnType::Int64 => "bigint",
            ColumnType::Float64 => "double precision",
            ColumnType::Text => "text",
            ColumnType::Bool => "boolean",
            ColumnType::Time => "timestamptz",
            ColumnType::Json => "jsonb",
        }
    }
}

/// A table's name; what stands before the first point is its schema.
pub(crate) fn qualified(name: &str) -> String {
    match name.split_once('.') {
        Some((schema, table)) if !schema.is_empty() && !table.is_empty() => {
            format!("{}.{}", quoted(schema), quoted(table))
        }
        _ => quoted(name),
    }
}

/// A text that stays one, whatever it holds and however the server reads backslashes.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        return format!(" E'{}'", quoted.replace('\\', "\\\\"));
    }
    format!("'{quoted}'")
}

fn columns(table: &TablePlan) -> String {
    list(table.columns.iter().map(|column| column.name.as_str()))
}

/// Adds rows by COPY.
pub(crate) fn copy(table: &TablePlan) -> String {
    format!("COPY {} ({}) FROM STDIN (FORMAT binary)", qualified(&table.name), columns(table))
}

/// Adds or overwrites rows, of which each column comes as an array. `types`: those of the table's columns, as a cast
/// says them.
///
/// Arrays need no temporary table: nothing is left in the session (a pooler may give the next transaction another
/// one), and the catalogue of the database is left in peace.
pub(crate) fn upsert(table: &TablePlan, wires: &[Wire], types: &[&str]) -> String {
    let (cells, arrays, places) = (cells(wires, types).join(", "), arrays(wires), places(wires));
    format!(
        "INSERT INTO {} AS old ({}) SELECT {cells} FROM unnest({arrays}) AS new ({places}) {}",
        qualified(&table.name),
        columns(table),
        conflict(table, &PostgresDialect(types)),
    )
}

/// Adds rows that come after the rest of their poll, each column as an array: a table that gets one row of several
/// gets no second. `None`: this table has no such rule, and its rows are copied as ever.
pub(crate) fn insert_late(table: &TablePlan, wires: &[Wire], types: &[&str]) -> Option<String> {
    let occasion = table.occasion();
    if table.mode != Mode::Append || occasion.is_empty() {
        return None;
    }
    let (all, arrays, places) = (cells(wires, types), arrays(wires), places(wires));
    let chosen = |separator: &str, each: &dyn Fn(usize) -> String| {
        occasion.iter().map(|&index| each(index)).collect::<Vec<_>>().join(separator)
    };
    let same = |index: usize| format!("old.{} = {}", quoted(&table.columns[index].name), all[index]);
    let name = qualified(&table.name);
    Some(format!(
        "INSERT INTO {name} ({}) SELECT DISTINCT ON ({}) {} FROM unnest({arrays}) AS new ({places}) \
         WHERE NOT EXISTS (SELECT FROM {name} AS old WHERE {})",
        columns(table),
        chosen(", ", &|index| all[index].clone()),
        all.join(", "),
        chosen(" AND ", &same),
    ))
}

/// Counts the rows of the arrays that stand in the table in no form: not with their key and as new as they are, or, in a table
/// that gets one row of several, no row of their poll. `None`: rows are not told apart there.
pub(crate) fn missing(table: &TablePlan, wires: &[Wire], types: &[&str]) -> Option<String> {
    let (all, arrays, places) = (cells(wires, types), arrays(wires), places(wires));
    let (same, newest) = found_by(table);
    if same.is_empty() {
        return None;
    }
    let column = |index: usize| format!("old.{}", quoted(&table.columns[index].name));
    let given: Vec<String> = same.iter().map(|&index| all[index].clone()).collect();
    let mut stands: Vec<String> =
        same.iter().map(|&index| format!("{} = {}", column(index), all[index])).collect();
    stands.extend(newest.map(|index| format!("({0} IS NULL OR {1} >= {0})", all[index], column(index))));
    Some(format!(
        "SELECT count(DISTINCT ({given})) FROM unnest({arrays}) AS new ({places}) \
         WHERE ({given}) IS NOT NULL AND NOT EXISTS (SELECT FROM {} AS old WHERE {})",
        qualified(&table.name),
        stands.join(" AND "),
        given = given.join(", "),
    ))
}

fn place(index: usize) -> String {
    format!("c{index}")
}

fn places(wires: &[Wire]) -> String {
    (0..wires.len()).map(place).collect::<Vec<_>>().join(", ")
}

/// The columns of the arrays; only what is sent as text in place of its own type needs a cast.
fn cells(wires: &[Wire], types: &[&str]) -> Vec<String> {
    let cast = |(index, (wire, spelled)): (usize, (&Wire, &&str))| match wire {
        Wire::Text => format!("{}::{spelled}", place(index)),
        _ => place(index),
    };
    wires.iter().zip(types).enumerate().map(cast).collect()
}

/// The arrays, as numbered parameters.
fn arrays(wires: &[Wire]) -> String {
    let array = |(index, wire): (usize, &Wire)| format!("${}::{}[]", index + 1, wire.element().name());
    wires.iter().enumerate().map(array).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, Schema};
    use serde_json::{Value, json};

    use smiles_stage::{Path, time_field};

    use smiles_store::create;
    use smiles_tables::{Tables, TablesPlan};

    use super::*;

    fn planned(options: Value) -> TablePlan {
        let columns =
            ["k", "at", "v\"; DROP TABLE t; --"].map(|name| Field::new(name, DataType::Int64, true));
        let tables: Tables = serde_json::from_value(json!({ "s.a \"t\"": options })).unwrap();
        TablesPlan::new(&tables, &Schema::new(columns.to_vec()), &Path::root()).unwrap().tables[0].clone()
    }

    #[test]
    fn statements_quote_every_name() {
        let odd = "v\"; DROP TABLE t; --";
        let columns = json!({ "k": "k", "at": "at", odd: odd });
        let append = planned(json!({ "columns": columns, "reads": { "more": "float64" } }));
        assert_eq!(
            copy(&append),
            r#"COPY "s"."a ""t""" ("k", "at", "v""; DROP TABLE t; --") FROM STDIN (FORMAT binary)"#
        );
        assert_eq!(
            create(&append, &PostgresDialect(&[])),
            r#"CREATE TABLE IF NOT EXISTS "s"."a ""t""" ("k" bigint, "at" bigint, "v""; DROP TABLE t; --" bigint, "more" double precision)"#
        );
        let table = planned(json!({ "mode": "upsert", "key": ["k"], "newest": "at", "columns": columns }));
        assert_eq!(
            upsert(&table, &[Wire::Int8, Wire::Int4, Wire::Text], &["bigint", "integer", "mood"]),
            r#"INSERT INTO "s"."a ""t""" AS old ("k", "at", "v""; DROP TABLE t; --") SELECT c0, c1, c2::mood FROM unnest($1::int8[], $2::int4[], $3::text[]) AS new (c0, c1, c2) ON CONFLICT ("k") DO UPDATE SET "v""; DROP TABLE t; --" = coalesce(excluded."v""; DROP TABLE t; --", old."v""; DROP TABLE t; --"), "at" = coalesce(excluded."at", old."at") WHERE old."at" IS NULL OR excluded."at" >= old."at""#
        );
        assert!(create(&table, &PostgresDialect(&[])).ends_with(r#"PRIMARY KEY ("k"))"#));
        let keys = planned(json!({ "mode": "upsert", "key": ["k"], "columns": { "k": "k" } }));
        assert!(upsert(&keys, &[Wire::Int8], &["bigint"]).ends_with(r#"ON CONFLICT ("k") DO NOTHING"#));
    }

    #[test]
    fn late_rows_look_for_the_row_of_their_poll() {
        let input = [time_field(), Field::new("k", DataType::Int64, true)];
        let columns = json!({ "key": "k", "at": "time" });
        let plan = |options: Value| {
            let tables: Tables = serde_json::from_value(json!({ "t": options })).unwrap();
            TablesPlan::new(&tables, &Schema::new(input.to_vec()), &Path::root()).unwrap().tables[0].clone()
        };
        let late = |options| {
            insert_late(&plan(options), &[Wire::Int8, Wire::Timestamptz], &["bigint", "timestamptz"])
        };
        assert_eq!(late(json!({ "columns": columns })), None);
        assert_eq!(
            late(json!({ "columns": columns, "distinct": ["k"] })).unwrap(),
            r#"INSERT INTO "t" ("key", "at") SELECT DISTINCT ON (c1, c0) c0, c1 FROM unnest($1::int8[], $2::timestamptz[]) AS new (c0, c1) WHERE NOT EXISTS (SELECT FROM "t" AS old WHERE old."at" = c1 AND old."key" = c0)"#
        );
    }

    #[test]
    fn literals_stay_what_they_are() {
        for (text, expected) in [("a", "'a'"), ("it's", "'it''s'"), ("a\\'b", " E'a\\\\''b'")] {
            assert_eq!(literal(text), expected);
        }
    }
}
