//! The newest row of every combination of some columns, in one of two ways.

use smiles_stage::StageError;
use smiles_store::{quoted, wherever};

use super::Text;
use crate::sql::qualified;

impl Text<'_> {
    /// By the index where one begins with these columns, else by reading everything.
    pub(super) fn latest(&mut self, newest: &str) -> Result<String, StageError> {
        let found = self.found;
        match found.walk(&self.query.latest_by) {
            Some(groups) => self.walk(newest, groups),
            None => self.scan(newest),
        }
    }

    /// What comes after the newest instant in the order of a group.
    fn last(&self) -> String {
        self.found.serial().map_or(String::new(), |name| format!(", n.{} DESC", quoted(name)))
    }

    /// One pass over all rows: right for any table, slow for a long one.
    fn scan(&mut self, newest: &str) -> Result<String, StageError> {
        let mut conditions = self.conditions(|_| true)?;
        let groups: Vec<String> =
            self.query.latest_by.iter().map(|name| format!("n.{}", quoted(name))).collect();
        conditions.extend(groups.iter().map(|group| format!("{group} IS NOT NULL")));
        Ok(format!(
            "SELECT {} FROM (SELECT DISTINCT ON ({groups}) n.* FROM {} AS n{} \
             ORDER BY {groups}, n.{} DESC NULLS LAST{}) AS n",
            self.selected()?,
            qualified(&self.query.table),
            wherever(&conditions),
            quoted(newest),
            self.last(),
            groups = groups.join(", "),
        ))
    }

    /// From one combination to the next through the index, and for each the top of its part of the index: as
    /// many short searches as there are combinations, however long the history is.
    fn walk(&mut self, newest: &str, groups: &[String]) -> Result<String, StageError> {
        let from = qualified(&self.query.table);
        let is_group = |name: &str| groups.iter().any(|group| group == name);
        let mut in_walk = self.conditions(is_group)?;
        let of = |alias: &str| {
            groups.iter().map(|name| format!("{alias}.{}", quoted(name))).collect::<Vec<_>>().join(", ")
        };
        in_walk.extend(groups.iter().map(|name| format!("n.{} IS NOT NULL", quoted(name))));
        let step = |conditions: &[String]| {
            let (columns, conditions) = (of("n"), wherever(conditions));
            format!("SELECT {columns} FROM {from} AS n{conditions} ORDER BY {columns} LIMIT 1")
        };
        let first = step(&in_walk);
        in_walk.push(format!("({}) > ({})", of("n"), of("g")));
        let next = step(&in_walk);
        let mut in_group: Vec<String> =
            groups.iter().map(|name| format!("n.{name} = g.{name}", name = quoted(name))).collect();
        in_group.extend(self.conditions(|name| !is_group(name))?);
        Ok(format!(
            "WITH RECURSIVE \" groups\" AS (({first}) UNION ALL SELECT x.* FROM \" groups\" AS g CROSS JOIN \
             LATERAL ({next}) AS x) SELECT {} FROM \" groups\" AS g CROSS JOIN LATERAL ({}) AS n",
            self.selected()?,
            self.top(&from, &in_group, newest),
        ))
    }

    /// The newest row of a group. Rows without an instant are the oldest, and an index in descending order has them
    /// first: they are asked for only if there is no other.
    fn top(&self, from: &str, in_group: &[String], newest: &str) -> String {
        let (column, last) = (quoted(newest), self.last());
        let search = |condition: &str, order: &str| {
            let mut conditions = in_group.to_vec();
            conditions.extend((!condition.is_empty()).then(|| format!("n.{column} {condition}")));
            format!("SELECT n.* FROM {from} AS n{} ORDER BY {order} LIMIT 1", wherever(&conditions))
        };
        let by_instant = format!("n.{column} DESC{last}");
        if self.found.never_null(newest) {
            return search("", &by_instant);
        }
        let without = search("IS NULL", last.strip_prefix(", ").unwrap_or(&format!("n.{column}")));
        format!("({}) UNION ALL ({without}) LIMIT 1", search("IS NOT NULL", &by_instant))
    }
}
