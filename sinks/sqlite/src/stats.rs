//! Row counts that cost what was added since the last time, not what there is.

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::Connection;

use crate::shape::Shape;
use crate::sql::quoted;

/// Rows that others delete from the middle of a table are noticed this late.
const COUNT_ANEW: Duration = Duration::from_secs(3600);

/// What was counted so far, by table.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    tables: HashMap<String, Count>,
    counted: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    rows: u64,
    /// The lowest and the highest row number among them.
    ends: (i64, i64),
}

impl Counts {
    /// Forgets everything once in a while. `now` is monotonic.
    pub(crate) fn begin(&mut self, now: Duration) {
        if self.counted.is_none_or(|counted| now.saturating_sub(counted) >= COUNT_ANEW) {
            *self = Self { tables: HashMap::new(), counted: Some(now) };
        }
    }

    /// The rows of a table: those behind the highest row number known are counted and added.
    pub(crate) fn rows(&mut self, db: &Connection, table: &str, shape: &Shape) -> rusqlite::Result<u64> {
        let from = quoted(table);
        let Some(rowid) = shape.rowid else {
            let rows =
                db.query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get::<_, i64>(0))?;
            return Ok(whole(rows));
        };
        // Each of the two is a search of its own; together they would be a scan.
        let end = |which: &str| format!("(SELECT coalesce({which}({rowid}), 0) FROM {from})");
        let ends = format!("SELECT {}, {}", end("min"), end("max"));
        let ends: (i64, i64) = db.query_row(&ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let known = self.tables.get(table).copied();
        let known = known.filter(|known| known.ends.0 == ends.0 && known.ends.1 <= ends.1);
        let added: i64 = match known {
            Some(known) => {
                let added = format!("SELECT count(*) FROM {from} WHERE {rowid} > ?1");
                db.query_row(&added, [known.ends.1], |row| row.get(0))?
            }
            None => db.query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get(0))?,
        };
        let count = Count { rows: known.map_or(0, |known| known.rows) + whole(added), ends };
        self.tables.insert(table.to_owned(), count);
        Ok(count.rows)
    }
}

fn whole(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::shape::shape;

    #[test]
    fn only_what_was_added_is_counted() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)
             INSERT INTO t SELECT n, 'x' FROM n;",
        )
        .unwrap();
        let shape = shape(&db, "t").unwrap();
        let mut counts = Counts::default();
        counts.begin(Duration::ZERO);
        assert_eq!(counts.rows(&db, "t", &shape).unwrap(), 5000);
        db.execute_batch("INSERT INTO t (v) VALUES ('a'), ('b')").unwrap();
        assert_eq!(counts.rows(&db, "t", &shape).unwrap(), 5002);
        let mut added = db.prepare("SELECT count(*) FROM t WHERE rowid > 5000").unwrap();
        added.query_row([], |row| row.get::<_, i64>(0)).unwrap();
        assert!(
            added.get_status(StatementStatus::VmStep) < 50,
            "counting what was added reads what was added"
        );
        db.execute_batch("DELETE FROM t WHERE id > 4000").unwrap();
        assert_eq!(counts.rows(&db, "t", &shape).unwrap(), 4000, "rows deleted at the end are noticed");
        db.execute_batch("DELETE FROM t WHERE id < 1001").unwrap();
        assert_eq!(counts.rows(&db, "t", &shape).unwrap(), 3000, "and at the beginning");
        db.execute_batch("DELETE FROM t WHERE id BETWEEN 2001 AND 3000").unwrap();
        counts.begin(COUNT_ANEW);
        assert_eq!(counts.rows(&db, "t", &shape).unwrap(), 2000, "in the middle, an hour later");
    }
}
