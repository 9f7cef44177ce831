//! Upserts and tables: the rules are the same in every store, and a dialect says how one spells them.

use smiles_tables::{ColumnType, Mode, PlannedColumn, Role, TablePlan};

use crate::sql::{list, quoted};

/// How a store spells what all of them say.
pub trait Dialect {
    /// The name of a table.
    fn table(&self, name: &str) -> String;

    /// What an upsert calls the row that is there already.
    fn old(&self, table: &TablePlan) -> String;

    /// The parameter with the latest time that a stored row can have ([`latest`]), as it is compared with this column.
    fn bound(&self, place: usize, column: usize) -> String;

    /// The earliest time that any reading is of, as it is compared with this column: an earlier date is that of a clock
    /// nobody had set.
    fn first_possible(&self, column: usize) -> String;

    /// The type of a column of a table that is made.
    fn declared(&self, column_type: ColumnType) -> &'static str;
}

/// The number of the parameter with the latest time that a stored row can have; `None`: the table asks for none.
pub fn latest(table: &TablePlan) -> Option<usize> {
    (table.mode == Mode::Upsert).then(|| table.newest_time()).flatten().map(|_| table.columns.len() + 1)
}

/// What an upsert does where there is a row of that key. Null never overwrites a value, an older row nothing, but for a
/// row that is dated later than can be; `first` columns stay, but for dates that cannot be.
pub fn conflict(table: &TablePlan, dialect: &impl Dialect) -> String {
    let named = |role| table.with_role(role).map(|column| table.columns[column].name.as_str());
    let (key, old) = (list(named(Role::Key)), dialect.old(table));
    let set: Vec<String> = named(Role::Value)
        .chain(named(Role::Newest))
        .map(quoted)
        .map(|name| format!("{name} = coalesce(excluded.{name}, {old}.{name})"))
        .collect();
    if set.is_empty() {
        return format!("ON CONFLICT ({key}) DO NOTHING");
    }
    let latest = latest(table);
    let newer = table.with_role(Role::Newest).next().map_or(String::new(), |column| {
        let name = quoted(&table.columns[column].name);
        let ahead = |place| format!(" OR {old}.{name} > {}", dialect.bound(place, column));
        let ahead = latest.map_or(String::new(), ahead);
        format!(" WHERE {old}.{name} IS NULL OR excluded.{name} >= {old}.{name}{ahead}")
    });
    let is_time = |column: &usize| table.columns[*column].column_type == ColumnType::Time;
    let first = table.with_role(Role::First).filter(is_time).filter_map(|column| {
        let (name, latest) = (quoted(&table.columns[column].name), dialect.bound(latest?, column));
        Some(format!(
            "{name} = CASE WHEN {old}.{name} < {} OR {old}.{name} > {latest} \
             THEN coalesce(excluded.{name}, {old}.{name}) ELSE {old}.{name} END",
            dialect.first_possible(column)
        ))
    });
    let set: Vec<String> = set.into_iter().chain(first).collect();
    format!("ON CONFLICT ({key}) DO UPDATE SET {}{newer}", set.join(", "))
}

/// Makes the table with the types of the mapping, if it is missing.
pub fn create(table: &TablePlan, dialect: &impl Dialect) -> String {
    let written =
        table.columns.iter().map(|column: &PlannedColumn| (column.name.as_str(), column.column_type));
    let read = table.reads.iter().map(|(name, column_type)| (name.as_str(), *column_type));
    let mut parts: Vec<String> = written
        .chain(read)
        .map(|(name, column_type)| format!("{} {}", quoted(name), dialect.declared(column_type)))
        .collect();
    let key = list(table.with_role(Role::Key).map(|column| table.columns[column].name.as_str()));
    if !key.is_empty() {
        parts.push(format!("PRIMARY KEY ({key})"));
    }
    format!("CREATE TABLE IF NOT EXISTS {} ({})", dialect.table(&table.name), parts.join(", "))
}
