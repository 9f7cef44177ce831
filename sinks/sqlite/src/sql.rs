//! SQL text of a table: pure, every identifier quoted.

use smiles_tables::{ColumnType, Mode, Role, TablePlan};

/// An identifier that stays one, whatever it holds.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names, quoted and joined by commas.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// Writes one row, its columns bound in the order of the plan.
pub(crate) fn insert(table: &TablePlan) -> String {
    let names = list(table.columns.iter().map(|column| column.name.as_str()));
    let values: Vec<String> = (1..=table.columns.len()).map(|place| format!("?{place}")).collect();
    let insert = format!("INSERT INTO {} ({names}) VALUES ({})", quoted(&table.name), values.join(", "));
    if table.mode == Mode::Upsert { format!("{insert} {}", conflict(table)) } else { insert }
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

/// Where [`insert`] takes the latest time that a stored row can have.
pub(crate) fn latest(table: &TablePlan) -> Option<usize> {
    (table.mode == Mode::Upsert).then(|| table.newest_time()).flatten().map(|_| table.columns.len() + 1)
}

/// No reading is of an earlier time: such a date is that of a clock nobody had set.
const FIRST_POSSIBLE: &str = "'2020-01-01'";

/// Null never overwrites a value, an older row nothing, but for a row that is dated later than can be; `first` columns
/// stay, but for dates that cannot be.
fn conflict(table: &TablePlan) -> String {
    let named = |role| table.with_role(role).map(|column| table.columns[column].name.as_str());
    let (key, old) = (list(named(Role::Key)), quoted(&table.name));
    let set: Vec<String> = named(Role::Value)
        .chain(named(Role::Newest))
        .map(quoted)
        .map(|name| format!("{name} = coalesce(excluded.{name}, {old}.{name})"))
        .collect();
    if set.is_empty() {
        return format!("ON CONFLICT ({key}) DO NOTHING");
    }
    let latest = latest(table);
    let newer = named(Role::Newest).next().map(quoted).map_or(String::new(), |name| {
        let ahead = latest.map_or(String::new(), |place| format!(" OR {old}.{name} > ?{place}"));
        format!(" WHERE {old}.{name} IS NULL OR excluded.{name} >= {old}.{name}{ahead}")
    });
    let times = table.with_role(Role::First).map(|column| &table.columns[column]);
    let times =
        times.filter(|column| column.column_type == ColumnType::Time).map(|column| quoted(&column.name));
    let first = times.filter_map(|name| {
        let place = latest?;
        Some(format!(
            "{name} = CASE WHEN {old}.{name} < {FIRST_POSSIBLE} OR {old}.{name} > ?{place} \
             THEN coalesce(excluded.{name}, {old}.{name}) ELSE {old}.{name} END"
        ))
    });
    let set: Vec<String> = set.into_iter().chain(first).collect();
    format!("ON CONFLICT ({key}) DO UPDATE SET {}{newer}", set.join(", "))
}

/// Makes the table with the types of the mapping, if it is missing.
pub(crate) fn create(table: &TablePlan) -> String {
    let written = table.columns.iter().map(|column| (column.name.as_str(), column.column_type));
    let read = table.reads.iter().map(|(name, column_type)| (name.as_str(), *column_type));
    let mut parts: Vec<String> = written
        .chain(read)
        .map(|(name, column_type)| format!("{} {}", quoted(name), declared(column_type)))
        .collect();
    let key = list(table.with_role(Role::Key).map(|column| table.columns[column].name.as_str()));
    if !key.is_empty() {
        parts.push(format!("PRIMARY KEY ({key})"));
    }
    format!("CREATE TABLE IF NOT EXISTS {} ({})", quoted(&table.name), parts.join(", "))
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

fn declared(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Int64 | ColumnType::Bool => "INTEGER",
        ColumnType::Float64 => "REAL",
        ColumnType::Text | ColumnType::Json | ColumnType::Time => "TEXT",
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, Schema};
    use serde_json::{Value, json};

    use smiles_stage::{Path, time_field};

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
            assert_eq!(create(&table), creates);
        }
    }
}
