//! SQL text of a table: pure, every identifier quoted.

use smiles_store::{Dialect, conflict, found_by, list, quoted};
use smiles_tables::{ColumnType, Mode, Role, TablePlan};

/// SQLite's dialect.
pub(crate) struct SqliteDialect;

impl Dialect for SqliteDialect {
    fn table(&self, name: &str) -> String {
        quoted(name)
    }

    fn old(&self, table: &TablePlan) -> String {
        quoted(&table.name)
    }

    fn bound(&self, place: usize, _column: usize) -> String {
        format!("?{place}")
    }

    fn first_possible(&self, _column: usize) -> String {
        "'2020-01-01'".to_owned()
    }

    fn declared(&self, column_type: ColumnType) -> &'static str {
        match column_type {
            ColumnType::Int64 | ColumnType::Bool => "INTEGER",
            ColumnType::Float64 => "REAL",
            ColumnType::Text | ColumnType::Json | ColumnType::Time => "TEXT",
        }
    }
}

/// Writes one row, its columns bound in the order of the plan.
pub(crate) fn insert(table: &TablePlan) -> String {
    let names = list(table.columns.iter().map(|column| column.name.as_str()));
    let values: Vec<String> = (1..=table.columns.len()).map(|place| format!("?{place}")).collect();
    let insert = format!("INSERT INTO {} ({names}) VALUES ({})", quoted(&table.name), values.join(", "));
    if table.mode == Mode::Upsert { format!("{insert} {}", conflict(table, &SqliteDialect)) } else { insert }
}

/// As [`insert`], for rows that come after the rest of their poll: a table that gets one row of several gets no second.
pub(crate) fn insert_late(table: &TablePlan) -> String {
    let occasion = table.occasion();
    if table.mode != Mode::Append || occasion.is_empty() {
        return insert(table);
    }
    let names = list(table.columns.iter().map(|column| column.name.as_str()));
    let values: Vec<String> = (1..=table.columns.len()).map(|place| format!("?{place}")).collect();
    let same: Vec<String> = occasion
        .iter()
        .map(|&index| format!("{} IS ?{}", quoted(&table.columns[index].name), index + 1))
        .collect();
    let (name, values) = (quoted(&table.name), values.join(", "));
    format!(
        "INSERT INTO {name} ({names}) SELECT {values} WHERE NOT EXISTS (SELECT 1 FROM {name} WHERE {})",
        same.join(" AND ")
    )
}

/// Whether a row that changed nothing stands in the table all the same: with its key and as new as it is, or, in a table that
/// gets one row of several, by another row of its poll. `None`: rows are not told apart there.
pub(crate) fn standing(table: &TablePlan) -> Option<String> {
    let (same, newest) = found_by(table);
    if same.is_empty() {
        return None;
    }
    let given: Vec<String> =
        (0..table.columns.len()).map(|index| format!("?{} AS c{index}", index + 1)).collect();
    let column = |index: usize| format!("old.{}", quoted(&table.columns[index].name));
    let mut stands: Vec<String> =
        same.iter().map(|&index| format!("{} IS new.c{index}", column(index))).collect();
    stands.extend(newest.map(|index| format!("(new.c{index} IS NULL OR {} >= new.c{index})", column(index))));
    Some(format!(
        "SELECT EXISTS (SELECT 1 FROM (SELECT {}) AS new, {} AS old WHERE {})",
        given.join(", "),
        quoted(&table.name),
        stands.join(" AND ")
    ))
}

/// An index on the time of the rows, if the table is made by us and a span of time would else be looked for in all of it.
pub(crate) fn index(table: &TablePlan) -> Option<String> {
    let columns = &table.columns;
    let time = columns.iter().position(|column| column.column_type == ColumnType::Time)?;
    if table.mode == Mode::Read || table.with_role(Role::Key).next() == Some(time) {
        return None;
    }
    let (name, column) = (&table.name, columns[time].name.as_str());
    let index = quoted(&format!("{name}_by_{column}"));
    Some(format!("CREATE INDEX IF NOT EXISTS {index} ON {} ({})", quoted(name), quoted(column)))
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
        let tables: Tables = serde_json::from_value(json!({ "a \"t\"": options })).unwrap();
        TablesPlan::new(&tables, &Schema::new(columns.to_vec()), &Path::root()).unwrap().tables[0].clone()
    }

    #[test]
    fn late_rows_look_for_the_row_of_their_poll() {
        let input =
            [time_field(), Field::new("k", DataType::Int64, true), Field::new("v", DataType::Int64, true)];
        let columns = json!({ "key": "k", "at": "time", "value": "v" });
        let plain = r#"INSERT INTO "t" ("key", "at", "value") VALUES (?1, ?2, ?3)"#;
        let once = r#"INSERT INTO "t" ("key", "at", "value") SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM "t" WHERE "at" IS ?2 AND "key" IS ?1)"#;
        let cases = [
            (json!({ "columns": columns }), plain),
            (json!({ "columns": columns, "distinct": ["k"] }), once),
            (json!({ "columns": columns, "distinct": ["k", "time"] }), once),
            // Nothing in the table says whose row it is.
            (
                json!({ "columns": { "at": "time" }, "distinct": ["k"] }),
                r#"INSERT INTO "t" ("at") VALUES (?1)"#,
            ),
        ];
        for (options, expected) in cases {
            let tables: Tables = serde_json::from_value(json!({ "t": options })).unwrap();
            let plan = TablesPlan::new(&tables, &Schema::new(input.to_vec()), &Path::root()).unwrap();
            assert_eq!(insert_late(&plan.tables[0]), expected);
        }
    }

    #[test]
    fn a_table_of_ours_has_an_index_on_its_time() {
        let input = [time_field(), Field::new("k", DataType::Int64, true)];
        let columns = json!({ "k": "k", "at": "time" });
        let cases = [
            (
                json!({ "columns": columns, "create": true }),
                Some(r#"CREATE INDEX IF NOT EXISTS "t_by_at" ON "t" ("at")"#),
            ),
            (json!({ "columns": { "k": "k" }, "create": true }), None),
            (json!({ "mode": "upsert", "key": ["at", "k"], "columns": { "at": "time", "k": "k" } }), None),
        ];
        for (options, expected) in cases {
            let tables: Tables = serde_json::from_value(json!({ "t": options })).unwrap();
            let plan = TablesPlan::new(&tables, &Schema::new(input.to_vec()), &Path::root()).unwrap();
            assert_eq!(index(&plan.tables[0]).as_deref(), expected);
        }
    }

    #[test]
    fn statements_quote_every_name() {
        let odd = "v\"; DROP TABLE t; --";
        let columns = json!({ "k": "k", "at": "at", odd: odd });
        let cases = [
            (
                json!({ "columns": columns, "reads": { "more": "float64" } }),
                r#"INSERT INTO "a ""t""" ("k", "at", "v""; DROP TABLE t; --") VALUES (?1, ?2, ?3)"#,
                r#"CREATE TABLE IF NOT EXISTS "a ""t""" ("k" INTEGER, "at" INTEGER, "v""; DROP TABLE t; --" INTEGER, "more" REAL)"#,
            ),
            (
                json!({ "mode": "upsert", "key": ["k"], "newest": "at", "columns": columns }),
                r#"INSERT INTO "a ""t""" ("k", "at", "v""; DROP TABLE t; --") VALUES (?1, ?2, ?3) ON CONFLICT ("k") DO UPDATE SET "v""; DROP TABLE t; --" = coalesce(excluded."v""; DROP TABLE t; --", "a ""t"""."v""; DROP TABLE t; --"), "at" = coalesce(excluded."at", "a ""t"""."at") WHERE "a ""t"""."at" IS NULL OR excluded."at" >= "a ""t"""."at""#,
                r#"CREATE TABLE IF NOT EXISTS "a ""t""" ("k" INTEGER, "at" INTEGER, "v""; DROP TABLE t; --" INTEGER, PRIMARY KEY ("k"))"#,
            ),
            (
                json!({ "mode": "upsert", "key": ["k", "at"], "columns": { "k": "k", "at": "at" } }),
                r#"INSERT INTO "a ""t""" ("k", "at") VALUES (?1, ?2) ON CONFLICT ("k", "at") DO NOTHING"#,
                r#"CREATE TABLE IF NOT EXISTS "a ""t""" ("k" INTEGER, "at" INTEGER, PRIMARY KEY ("k", "at"))"#,
            ),
        ];
        for (options, inserts, creates) in cases {
            let table = planned(options);
            assert_eq!(insert(&table), inserts);
            assert_eq!(create(&table, &SqliteDialect), creates);
        }
    }
}
