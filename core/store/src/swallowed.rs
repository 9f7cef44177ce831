//! Rows that a target said yes to and did not keep: a trigger or a rule of the database left them out.

use std::collections::BTreeMap;

use smiles_tables::{Mode, Role, TablePlan};

/// How many, by table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swallowed {
    tables: BTreeMap<String, u64>,
}

impl Swallowed {
    /// Counts rows of a table.
    pub fn add(&mut self, table: &str, rows: u64) {
        if rows > 0 {
            *self.tables.entry(table.to_owned()).or_default() += rows;
        }
    }

    /// Adds what another part of the same write came to.
    pub fn extend(&mut self, more: Self) {
        for (table, rows) in more.tables {
            self.add(&table, rows);
        }
    }

    /// Adds what a write came to that is durable now. A table that is new here is logged, once.
    pub fn take(&mut self, more: Self, pipeline: &str, sink: &str) {
        for (table, rows) in &more.tables {
            if !self.tables.contains_key(table) {
                tracing::warn!(
                    pipeline,
                    sink,
                    table,
                    rows,
                    "the database took rows and did not keep them: a trigger or rule of the table leaves them out, and \
                     they are not delivered again; more of them are counted on /health and not logged"
                );
            }
        }
        self.extend(more);
    }

    /// Table by table.
    pub fn tables(&self) -> Vec<(String, u64)> {
        self.tables.iter().map(|(table, rows)| (table.clone(), *rows)).collect()
    }
}

/// Whether every row of a write changes the table: one that does not was swallowed. Else a row may rightly change nothing (it
/// is older than what stands there, or there already), and the table has to be asked. `late`: rows that come after the
/// rest of their poll.
pub fn each_counts(table: &TablePlan, late: bool) -> bool {
    match table.mode {
        Mode::Upsert => {
            table.with_role(Role::Newest).next().is_none() && table.with_role(Role::Value).next().is_some()
        }
        Mode::Append | Mode::Read => !late || table.occasion().is_empty(),
    }
}

/// The columns by which a row that changes nothing is found in the table, and the one that says how new it is.
pub fn found_by(table: &TablePlan) -> (Vec<usize>, Option<usize>) {
    match table.mode {
        Mode::Upsert => (table.with_role(Role::Key).collect(), table.with_role(Role::Newest).next()),
        Mode::Append | Mode::Read => (table.occasion(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_table_did_not_keep_is_added_up() {
        let mut all = Swallowed::default();
        let mut write = Swallowed::default();
        write.add("readings", 2);
        write.add("names", 0);
        all.take(write.clone(), "roof", "store");
        write.add("names", 1);
        all.take(write, "roof", "store");
        assert_eq!(all.tables(), [("names".to_owned(), 1), ("readings".to_owned(), 4)]);
    }
}
