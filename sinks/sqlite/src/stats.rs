//! How many rows a table has, without counting any table from end to end: a short one is counted, a long one is
//! reckoned from its row numbers, which stand in a line as long as nobody deletes from the middle.

use rusqlite::Connection;

use crate::shape::Shape;
use smiles_store::quoted;

/// A table of more rows is reckoned.
const COUNTED_MAX: i64 = 10_000;
/// Places looked at of a long table, evenly over its row numbers.
const PLACES: i64 = 32;
/// Rows looked at from each place on.
const ROWS: i64 = 256;

/// The rows of a table: exact up to [`COUNTED_MAX`]; beyond, exact if no row number is missing between the first and the
/// last. Of a long table or view without row numbers only that it has more is known.
pub(crate) fn rows(db: &Connection, table: &str, shape: &Shape) -> rusqlite::Result<u64> {
    let Questions { few, ends, behind } = Questions::new(table, shape.rowid.unwrap_or("rowid"));
    let few: i64 = db.query_row(&few, [], |row| row.get(0))?;
    if few <= COUNTED_MAX || shape.rowid.is_none() {
        return Ok(whole(few));
    }
    let (first, last): (i64, i64) = db.query_row(&ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let span = i128::from(last) - i128::from(first) + 1;
    let mut behind = db.prepare_cached(&behind)?;
    let mut share = 0.0;
    for place in 0..PLACES {
        let start = i128::from(first) + span * i128::from(place) / i128::from(PLACES);
        let start = i64::try_from(start).unwrap_or(last);
        let (found, reached): (i64, i64) = behind
            .query_row([start], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or(start))))?;
        // Where the rows end before there are enough of them, they are those up to the last.
        let reached = if found < ROWS { last } else { reached };
        share += found as f64 / (i128::from(reached) - i128::from(start) + 1) as f64;
    }
    let reckoned = (span as f64 * share / PLACES as f64).round();
    Ok((reckoned as u64).max(whole(few)))
}

/// What is asked; the cost of none depends on how long the table is.
struct Questions {
    /// The rows, as far as they are counted.
    few: String,
    /// The first and the last row number.
    ends: String,
    /// From a row number on: how many rows there are, of those looked at, and the number of the last.
    behind: String,
}

impl Questions {
    fn new(table: &str, rowid: &str) -> Self {
        let from = quoted(table);
        // Each of the two is a search of its own; together they would be a scan.
        let end = |which: &str| format!("(SELECT {which}({rowid}) FROM {from})");
        let behind =
            format!("SELECT {rowid} AS id FROM {from} WHERE {rowid} >= ?1 ORDER BY {rowid} LIMIT {ROWS}");
        Self {
            few: format!("SELECT count(*) FROM (SELECT 1 FROM {from} LIMIT {})", COUNTED_MAX + 1),
            ends: format!("SELECT {}, {}", end("min"), end("max")),
            behind: format!("SELECT count(*), max(id) FROM ({behind})"),
        }
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

    fn table(ids: &str) -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(&format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 200000)
             INSERT INTO t SELECT {ids}, 'x' FROM n;"
        ))
        .unwrap();
        db
    }

    fn counted(db: &Connection) -> u64 {
        rows(db, "t", &shape(db, "t").unwrap()).unwrap()
    }

    #[test]
    fn short_tables_are_counted_and_long_ones_reckoned() {
        let db = table("n");
        assert_eq!(counted(&db), 200_000);
        db.execute_batch("INSERT INTO t (v) VALUES ('a'), ('b')").unwrap();
        assert_eq!(counted(&db), 200_002);
        db.execute_batch("DELETE FROM t WHERE id < 1001 OR id > 150000").unwrap();
        assert_eq!(counted(&db), 149_000, "rows deleted at the ends are noticed");
        db.execute_batch("DELETE FROM t WHERE id BETWEEN 50001 AND 100000").unwrap();
        let reckoned = counted(&db);
        assert!((90_000..=110_000).contains(&reckoned), "{reckoned} of 99,000 with a hole in the middle");
        db.execute_batch("DELETE FROM t WHERE id % 2 = 0").unwrap();
        let reckoned = counted(&db);
        assert!((45_000..=55_000).contains(&reckoned), "{reckoned} of 49,500 with every second one gone");
        db.execute_batch("DELETE FROM t WHERE id NOT IN (1001, 77, 149999)").unwrap();
        assert_eq!(counted(&db), 2);
        db.execute_batch("DELETE FROM t").unwrap();
        assert_eq!(counted(&db), 0);
    }

    #[test]
    fn row_numbers_may_be_anything() {
        let db = table("n * 1000003 - 90000000000");
        let reckoned = counted(&db);
        assert!((195_000..=205_000).contains(&reckoned), "{reckoned} of 200,000 far apart");
        db.execute_batch("INSERT INTO t VALUES (9223372036854775807, 'x'), (-9223372036854775808, 'x')")
            .unwrap();
        assert!(counted(&db) > 10_000, "what is told is no less than what was counted");
    }

    #[test]
    fn a_long_table_without_row_numbers_has_more_than_are_counted() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(
            "CREATE TABLE t (k TEXT PRIMARY KEY) WITHOUT ROWID;
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
             INSERT INTO t SELECT n FROM n;",
        )
        .unwrap();
        assert_eq!(counted(&db), 10_001);
    }

    #[test]
    fn no_table_is_read_from_end_to_end() {
        let db = table("n");
        let Questions { few, ends, behind } = Questions::new("t", "rowid");
        for (sql, most) in [(few, 100_000), (ends, 100), (behind, 5_000)] {
            let mut asked = db.prepare(&sql).unwrap();
            if asked.parameter_count() == 1 {
                asked.raw_bind_parameter(1, 1).unwrap();
            }
            assert!(asked.raw_query().next().unwrap().is_some());
            let steps = asked.get_status(StatementStatus::VmStep);
            assert!(steps < most, "{sql} took {steps} steps; a scan takes more than 400,000");
        }
    }
}
