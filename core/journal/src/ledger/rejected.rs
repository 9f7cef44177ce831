//! Dead letters of transforms: rows that were rejected before they were part of any batch. They are written in the record
//! of the batch that came of the others, under its position, so that a crash neither loses nor doubles one; and when a
//! person hands one back, it leaves in the record of the batch that its row becomes.

use rusqlite::{Connection, OptionalExtension};
use smiles_stage::{Position, RunId, Seq};

use crate::api::dead_letter::{DeadLetter, DeadLetterId, TRANSFORM, transform_of, transform_owner};
use crate::api::entry::{Rejected, ReplayOutcome, ReplayRequest};
use crate::format::codec::Encoded;
use crate::format::failure::Failure;
use crate::format::records::{SinkRow, count, db};
use crate::ledger::dead_letters;
use crate::log::store::JournalFile;

/// Rows that go through the transforms at once.
const ROWS_MAX: i64 = 500;

/// A rejected row with its bytes.
pub(crate) type Kept<'a> = (&'a Rejected, Encoded);

/// The rows as bytes.
pub(crate) fn encoded(rejected: &[Rejected]) -> Result<Vec<Kept<'_>>, Failure> {
    rejected.iter().map(|row| Ok((row, Encoded::of(&row.values, true)?))).collect()
}

impl JournalFile {
    /// Writes the dead letters of a record. Its transaction makes them durable.
    pub(crate) fn keep_rejected(&mut self, position: Position, rejected: &[Kept<'_>]) -> Result<(), Failure> {
        for (row, values) in rejected {
            self.keep_schema(values)?;
            let owner = transform_owner(&row.transform);
            let mut row_counts = row_counts(&self.connection, &owner)?;
            (row_counts.accepted, row_counts.dead) = (row_counts.accepted + 1, row_counts.dead + 1);
            row_counts.save(&self.connection)?;
            let (code, reason, at) = (row.code.clone(), row.reason.clone(), self.now);
            let letter = DeadLetter { position, row: row.row, code, reason, at };
            dead_letters::keep(&self.connection, &owner, &letter, values)?;
        }
        Ok(())
    }

    /// Takes note of what became of letters that were handed back.
    pub(crate) fn take_back(&mut self, returned: &[ReplayOutcome]) -> Result<(), Failure> {
        for ReplayOutcome { letter: ReplayRequest { transform, id, .. }, again } in returned {
            let owner = transform_owner(transform);
            if !dead_letters::is_kept(&self.connection, &owner, *id)? {
                return Err(Failure::Refused(format!(
                    "the dead letter {id} of `{owner}` was given up meanwhile"
                )));
            }
            match again {
                None => {
                    let mut row_counts = row_counts(&self.connection, &owner)?;
                    dead_letters::delivered(&self.connection, &mut row_counts, *id)?;
                    row_counts.save(&self.connection)?;
                }
                Some((code, reason)) => {
                    let (code, reason, at) = (code.clone(), reason.clone(), self.now);
                    let letter = DeadLetter { position: id.position, row: id.row, code, reason, at };
                    dead_letters::refused_again(&self.connection, &owner, &letter)?;
                }
            }
            dead_letters::not_on_its_way(&self.connection, &owner, *id)?;
        }
        Ok(())
    }
}

fn row_counts(connection: &Connection, owner: &str) -> Result<SinkRow, Failure> {
    let known = SinkRow::transforms(connection)?.into_iter().find(|row_counts| row_counts.name == owner);
    Ok(known.unwrap_or_else(|| SinkRow { name: owner.to_owned(), ..SinkRow::default() }))
}

/// How many letters wait for their transforms.
pub(crate) fn waiting(connection: &Connection) -> Result<u64, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT count(*) FROM replays WHERE substr(sink, 1, length(?1)) = ?1")?;
    Ok(count(statement.query_row([TRANSFORM], |row| row.get(0))?))
}

/// The next letters of one transform and one batch, in order. A letter whose copy is damaged stays and is asked for no
/// more.
pub(crate) fn next(connection: &Connection) -> Result<Vec<ReplayRequest>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT p.sink, p.run, p.seq FROM replays p LEFT JOIN runs r ON r.run = p.run \
         WHERE substr(p.sink, 1, length(?1)) = ?1 ORDER BY coalesce(r.base, 0), p.run, p.seq, p.sink LIMIT 1",
    )?;
    let first = statement.query_row([TRANSFORM], |row| {
        let position = Position { run: RunId(row.get(1)?), seq: Seq(count(row.get(2)?)) };
        Ok((row.get::<_, String>(0)?, position))
    });
    let Some((owner, position)) = first.optional()? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(
        "SELECT row FROM replays WHERE sink = ?1 AND run = ?2 AND seq = ?3 ORDER BY row LIMIT ?4",
    )?;
    let rows =
        statement.query_map((&owner, position.run.0, db(position.seq.0), ROWS_MAX), |row| row.get(0))?;
    let transform = transform_of(&owner).unwrap_or_default();
    let mut next = Vec::new();
    for row in rows.collect::<Result<Vec<u32>, _>>()? {
        let id = DeadLetterId { position, row };
        match dead_letters::row(connection, &owner, id)? {
            Some(row) => next.push(ReplayRequest { transform: transform.to_owned(), id, row }),
            None => dead_letters::not_on_its_way(connection, &owner, id)?,
        }
    }
    Ok(next)
}
