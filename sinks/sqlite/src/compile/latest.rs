//! The newest row of every combination of some columns, in one of two ways.

use smiles_stage::StageError;
use smiles_store::{list, quoted, wherever};

use super::{Text, names};
use crate::shape::Shape;

impl Text<'_> {
    /// By the index where one begins with these columns, else by reading everything.
    pub(super) fn latest(
        &mut self,
        columns: &[String],
        newest: &str,
        shape: &Shape,
    ) -> Result<String, StageError> {
        match (shape.rowid, shape.walk(&self.query.latest_by)) {
            (Some(rowid), Some(groups)) => self.walk(columns, newest, rowid, groups),
            (rowid, _) => self.scan(columns, newest, rowid),
        }
    }

    /// One pass over all rows: right for any table, slow for a long one.
    fn scan(&mut self, columns: &[String], newest: &str, rowid: Option<&str>) -> Result<String, StageError> {
        let mut conditions = self.conditions("", |_| true)?;
        conditions.extend(self.query.latest_by.iter().map(|name| format!("{} IS NOT NULL", quoted(name))));
        let last = rowid.map_or(String::new(), |rowid| format!(", {rowid} DESC"));
        let from = quoted(&self.query.table);
        // Names with a space in front cannot be those of a mapping's columns by accident.
        Ok(format!(
            "SELECT {} FROM (SELECT *, row_number() OVER (PARTITION BY {} ORDER BY {} DESC{last}) AS \" rank\" \
             FROM {from}{}) WHERE \" rank\" = 1",
            list(names(columns)),
            list(names(&self.query.latest_by)),
            quoted(newest),
            wherever(&conditions),
        ))
    }

    /// From one combination to the next through the index, and for each the top of its part of the index: as
    /// many short searches as there are combinations, however long the history is.
    fn walk(
        &mut self,
        columns: &[String],
        newest: &str,
        rowid: &str,
        groups: &[String],
    ) -> Result<String, StageError> {
        let from = quoted(&self.query.table);
        let is_group = |name: &str| groups.iter().any(|group| group == name);
        let mut in_walk = self.conditions("n.", is_group)?;
        in_walk.extend(groups.iter().map(|name| format!("n.{} IS NOT NULL", quoted(name))));
        let first = search(&from, rowid, &in_walk, groups);
        let next = next_group(&from, rowid, &in_walk, groups);
        let mut in_group: Vec<String> = groups.iter().map(|name| compared(name, "=")).collect();
        in_group.extend(self.conditions("n.", |name| !is_group(name))?);
        let top = top_of_group(&from, rowid, &wherever(&in_group), newest);
        let each = format!("FROM \" groups\" AS g JOIN {from} AS c ON c.{rowid} = g.r");
        Ok(format!(
            "WITH RECURSIVE \" groups\"(r) AS (SELECT {first} UNION ALL SELECT {next} {each}) \
             SELECT {} FROM {from} WHERE {rowid} IN (SELECT {top} {each})",
            list(names(columns)),
        ))
    }
}

/// The row number of some row of the combination after that of row `c`; null after the last.
///
/// It agrees with `c` in as many columns as it can. One comparison of whole rows would say the same, but SQLite then
/// reads every row of the combination it stands on.
fn next_group(from: &str, rowid: &str, in_walk: &[String], groups: &[String]) -> String {
    let searches = (0..groups.len()).rev().map(|same| {
        let mut conditions = in_walk.to_vec();
        conditions.extend(groups[..same].iter().map(|name| compared(name, "=")));
        conditions.push(compared(&groups[same], ">"));
        search(from, rowid, &conditions, &groups[same..])
    });
    // `coalesce` wants two or more.
    format!("coalesce({}, NULL)", searches.collect::<Vec<_>>().join(", "))
}

/// The row number of the last row among the newest of the combination of row `c`; null if no row matches.
///
/// Two questions, the newest instant and the last row of it: an order by both would let the planner take any index.
fn top_of_group(from: &str, rowid: &str, in_group: &str, newest: &str) -> String {
    let newest = quoted(newest);
    format!(
        "(SELECT max(n.{rowid}) FROM {from} AS n{in_group} AND n.{newest} IS \
         (SELECT n.{newest} FROM {from} AS n{in_group} ORDER BY n.{newest} DESC LIMIT 1))"
    )
}

fn search(from: &str, rowid: &str, conditions: &[String], order: &[String]) -> String {
    let order: Vec<String> = order.iter().map(|name| format!("n.{}", quoted(name))).collect();
    let (conditions, order) = (wherever(conditions), order.join(", "));
    format!("(SELECT n.{rowid} FROM {from} AS n{conditions} ORDER BY {order} LIMIT 1)")
}

fn compared(name: &str, operator: &str) -> String {
    let name = quoted(name);
    format!("n.{name} {operator} c.{name}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Schema;
    use rusqlite::{Connection, StatementStatus};
    use smiles_stage::{Query, StoreSchema};
    use smiles_tables::ColumnType;

    use crate::compile::compile;
    use crate::shape::shape;

    /// 20 combinations of 2,000 rows each.
    const ROWS: &str = "
        CREATE TABLE t (s TEXT, p INTEGER, at INTEGER);
        CREATE INDEX by_serial ON t (s, at DESC);
        CREATE INDEX by_port ON t (s, p, at DESC);
        WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 39999)
        INSERT INTO t SELECT 's' || (n % 5), n % 20 / 5, n FROM n;";

    fn tables() -> StoreSchema {
        let types = [("s", ColumnType::Text), ("p", ColumnType::Int64), ("at", ColumnType::Int64)];
        let fields: Vec<_> = types.iter().map(|(name, column_type)| column_type.field(name)).collect();
        [("t".to_owned(), Arc::new(Schema::new(fields)))].into()
    }

    #[test]
    fn the_walk_reads_combinations_and_not_history() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(ROWS).unwrap();
        for (latest_by, groups) in [(vec!["s"], 5), (vec!["s", "p"], 20), (vec!["p", "s"], 20)] {
            let query = Query {
                table: "t".into(),
                latest_by: latest_by.iter().map(|name| (*name).to_owned()).collect(),
                newest: Some("at".into()),
                ..Query::default()
            };
            let compiled = compile(&query, &tables(), &shape(&connection, "t").unwrap()).unwrap();
            let mut statement = connection.prepare(&compiled.sql).unwrap();
            let found = statement.query_map([], |_| Ok(())).unwrap().count();
            let steps = statement.get_status(StatementStatus::VmStep);
            assert_eq!(found, groups, "{latest_by:?}");
            assert!(steps < 5_000, "{latest_by:?}: {steps} steps for {groups} combinations of 40,000 rows");
        }
    }
}
