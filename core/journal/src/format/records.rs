//! Rows of the book-keeping tables as values: runs, extents, sinks, cursors, gaps, losses.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use smiles_stage::{RunId, TargetId};

use crate::api::dead_letter::transform_of;
use crate::format::failure::Failure;
use crate::format::seal::put;

/// A count as SQLite keeps it. Numbers of batches and rows stay far below the limit.
pub(crate) fn db(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count from SQLite; a negative one can only be damage and counts as nothing.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// An instant from its microseconds; one out of range can only be damage.
pub(crate) fn instant(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// One opening of the journal. Its batches have the ordinals `base + 1 ..= base + last`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) id: RunId,
    pub(crate) base: u64,
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
    pub(crate) last: u64,
    pub(crate) deleted: u64,
    pub(crate) deleted_at: i64,
}

const RUN: &str = "SELECT run, base, first_at, last_at, last, deleted, deleted_at FROM runs";

impl Run {
    pub(crate) fn new(id: RunId) -> Self {
        Self { id, base: 0, first_at: 0, last_at: 0, last: 0, deleted: 0, deleted_at: 0 }
    }

    fn from(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: RunId(row.get(0)?),
            base: count(row.get(1)?),
            first_at: row.get(2)?,
            last_at: row.get(3)?,
            last: count(row.get(4)?),
            deleted: count(row.get(5)?),
            deleted_at: row.get(6)?,
        })
    }

    pub(crate) fn load(connection: &Connection, id: RunId) -> Result<Option<Self>, Failure> {
        let mut statement = connection.prepare_cached(&format!("{RUN} WHERE run = ?1"))?;
        Ok(statement.query_row([id.0], Self::from).optional()?)
    }

    /// All runs, oldest first.
    pub(crate) fn all(connection: &Connection) -> Result<Vec<Self>, Failure> {
        let mut statement = connection.prepare_cached(&format!("{RUN} ORDER BY base"))?;
        let rows = statement.query_map([], Self::from)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The runs that may have batches, oldest first.
    pub(crate) fn retained(connection: &Connection) -> Result<Vec<Self>, Failure> {
        let mut statement =
            connection.prepare_cached(&format!("{RUN} WHERE last > deleted ORDER BY base"))?;
        let rows = statement.query_map([], Self::from)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn save(&self, connection: &Connection) -> Result<(), Failure> {
        let numbers =
            [db(self.base), self.first_at, self.last_at, db(self.last), db(self.deleted), self.deleted_at];
        let [base, first_at, last_at, last, deleted, deleted_at] = &numbers;
        put(connection, "runs", &[&self.id.0, base, first_at, last_at, last, deleted, deleted_at])
    }
}

/// A sink's books, but for what waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SinkRow {
    pub(crate) name: String,
    pub(crate) in_use: bool,
    pub(crate) target: Option<[u8; 16]>,
    pub(crate) accepted: u64,
    pub(crate) delivered: u64,
    pub(crate) dead: u64,
    pub(crate) dropped: u64,
    pub(crate) lost: u64,
    /// Of the dropped, those a person knows of.
    pub(crate) noted: u64,
}

const SINK: &str = "SELECT sink, in_use, target, accepted, delivered, dead, dropped, lost, noted FROM sinks";

impl SinkRow {
    fn from(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            name: row.get(0)?,
            in_use: row.get(1)?,
            target: row.get(2)?,
            accepted: count(row.get(3)?),
            delivered: count(row.get(4)?),
            dead: count(row.get(5)?),
            dropped: count(row.get(6)?),
            lost: count(row.get(7)?),
            noted: count(row.get(8)?),
        })
    }

    pub(crate) fn all(connection: &Connection) -> Result<Vec<Self>, Failure> {
        let every = Self::every(connection)?.into_iter();
        Ok(every.filter(|sink| transform_of(&sink.name).is_none()).collect())
    }

    /// The books of transforms that rejected rows: they take no batches and hold up nothing.
    pub(crate) fn transforms(connection: &Connection) -> Result<Vec<Self>, Failure> {
        let every = Self::every(connection)?.into_iter();
        Ok(every.filter(|sink| transform_of(&sink.name).is_some()).collect())
    }

    fn every(connection: &Connection) -> Result<Vec<Self>, Failure> {
        let mut statement = connection.prepare_cached(&format!("{SINK} ORDER BY sink"))?;
        let rows = statement.query_map([], Self::from)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The sink, which must have been enlisted.
    pub(crate) fn load(connection: &Connection, name: &str) -> Result<Self, Failure> {
        let mut statement = connection.prepare_cached(&format!("{SINK} WHERE sink = ?1"))?;
        let found = statement.query_row([name], Self::from).optional()?;
        found.ok_or_else(|| Failure::Refused(format!("the journal knows no sink `{name}`: enlist it first")))
    }

    pub(crate) fn save(&self, connection: &Connection) -> Result<(), Failure> {
        let [accepted, delivered, dead, dropped, lost, noted] =
            &[self.accepted, self.delivered, self.dead, self.dropped, self.lost, self.noted].map(db);
        put(
            connection,
            "sinks",
            &[&self.name, &self.in_use, &self.target, accepted, delivered, dead, dropped, lost, noted],
        )
    }

    pub(crate) fn target(&self) -> Option<TargetId> {
        self.target.map(TargetId)
    }
}

/// Where a sink stands in a run: nothing below `start` is owed, nothing up to `delivered` is waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CursorRow {
    pub(crate) start: u64,
    pub(crate) delivered: u64,
}

impl CursorRow {
    /// The highest number that is not waiting.
    pub(crate) fn floor(self) -> u64 {
        self.delivered.max(self.start.saturating_sub(1))
    }

    /// A run without a row began after the sink joined.
    pub(crate) fn load(connection: &Connection, sink: &str, run: RunId) -> Result<Self, Failure> {
        let mut statement =
            connection.prepare_cached("SELECT start, delivered FROM cursors WHERE sink = ?1 AND run = ?2")?;
        let found = statement.query_row((sink, run.0), |row| {
            Ok(Self { start: count(row.get(0)?), delivered: count(row.get(1)?) })
        });
        Ok(found.optional()?.unwrap_or(Self { start: 1, delivered: 0 }))
    }

    pub(crate) fn save(self, connection: &Connection, sink: &str, run: RunId) -> Result<(), Failure> {
        put(connection, "cursors", &[&sink, &run.0, &db(self.start), &db(self.delivered)])
    }
}

/// Adds a batch to the rows per range: one row of the table as long as batches are of one size.
pub(crate) fn extend(connection: &Connection, run: RunId, seq: u64, rows: u64) -> Result<(), Failure> {
    let mut statement = connection
        .prepare_cached("SELECT first, last, rows FROM extents WHERE run = ?1 ORDER BY first DESC LIMIT 1")?;
    let newest = statement
        .query_row([run.0], |row| Ok((count(row.get(0)?), count(row.get(1)?), count(row.get(2)?))))
        .optional()?;
    if let Some((first, last, total)) = newest
        && last + 1 == seq
        && total == rows * (last + 1 - first)
    {
        return put(connection, "extents", &[&run.0, &db(first), &db(seq), &db(total + rows)]);
    }
    put(connection, "extents", &[&run.0, &db(seq), &db(seq), &db(rows)])
}

/// The rows of a range of batches, whether they are still here or not. Exact but for parts of merged old ranges.
pub(crate) fn rows_between(
    connection: &Connection,
    run: RunId,
    first: u64,
    last: u64,
) -> Result<u64, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT first, last, rows FROM extents WHERE run = ?1 AND last >= ?2 AND first <= ?3",
    )?;
    let extents = statement.query_map((run.0, db(first), db(last)), |row| {
        Ok((count(row.get(0)?), count(row.get(1)?), count(row.get(2)?)))
    })?;
    let mut sum = 0;
    for extent in extents {
        let (from, to, rows) = extent?;
        let inside = (to.min(last) + 1).saturating_sub(from.max(first));
        let share = u128::from(rows) * u128::from(inside) / u128::from((to + 1).saturating_sub(from).max(1));
        sum += u64::try_from(share).unwrap_or(rows);
    }
    Ok(sum)
}

/// Closed ranges of batch numbers.
pub(crate) type Ranges = Vec<(u64, u64)>;

/// The ranges of a run that a sink's books already hold as dropped or lost.
pub(crate) fn gaps(connection: &Connection, sink: &str, run: RunId) -> Result<Ranges, Failure> {
    let mut statement = connection
        .prepare_cached("SELECT first, last FROM gaps WHERE sink = ?1 AND run = ?2 ORDER BY first")?;
    let rows = statement.query_map((sink, run.0), |row| Ok((count(row.get(0)?), count(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Remembers a range, joined to the one that ends right before it.
pub(crate) fn add_gap(
    connection: &Connection,
    sink: &str,
    run: RunId,
    (first, last): (u64, u64),
) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT first FROM gaps WHERE sink = ?1 AND run = ?2 AND last = ?3 AND first <= ?3",
    )?;
    let before = statement.query_row((sink, run.0, db(first) - 1), |row| row.get(0).map(count)).optional()?;
    put(connection, "gaps", &[&sink, &run.0, &db(before.unwrap_or(first)), &db(last)])
}

/// `ranges` without what `holes` cover; both ascending.
pub(crate) fn without(ranges: &[(u64, u64)], holes: &[(u64, u64)]) -> Ranges {
    let mut left = Vec::new();
    for &(mut first, last) in ranges {
        for &(from, to) in holes {
            if to < first || from > last {
                continue;
            }
            if from > first {
                left.push((first, from - 1));
            }
            first = to + 1;
        }
        if first <= last {
            left.push((first, last));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lose_what_holes_cover() {
        type Pairs = &'static [(u64, u64)];
        let rows: [(Pairs, Pairs, Pairs); 7] = [
            (&[(1, 9)], &[], &[(1, 9)]),
            (&[(1, 9)], &[(1, 9)], &[]),
            (&[(1, 9)], &[(0, 3), (5, 5), (9, 12)], &[(4, 4), (6, 8)]),
            (&[(4, 6)], &[(1, 3), (7, 9)], &[(4, 6)]),
            (&[(1, 2), (5, 6)], &[(2, 5)], &[(1, 1), (6, 6)]),
            (&[], &[(1, 2)], &[]),
            (&[(5, 5)], &[(1, 9)], &[]),
        ];
        for (ranges, holes, left) in rows {
            assert_eq!(without(ranges, holes), left, "{ranges:?} without {holes:?}");
        }
    }

    #[test]
    fn batches_of_one_size_are_one_extent_and_every_part_is_exact() {
        let connection = Connection::open_in_memory().unwrap();
        crate::format::layout::create(&connection, "").unwrap();
        let run = RunId([1; 16]);
        for (seq, rows) in [(1, 3), (2, 3), (3, 3), (4, 5), (5, 0), (6, 0), (7, 3)] {
            extend(&connection, run, seq, rows).unwrap();
        }
        let extents: i64 =
            connection.query_row("SELECT count(*) FROM extents", [], |row| row.get(0)).unwrap();
        assert_eq!(extents, 4);
        for (first, last, rows) in [(1, 7, 17), (2, 3, 6), (3, 4, 8), (5, 6, 0), (7, 99, 3), (8, 9, 0)] {
            assert_eq!(rows_between(&connection, run, first, last).unwrap(), rows, "{first} to {last}");
        }
    }
}
