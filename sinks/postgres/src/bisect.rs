//! The slow way to write: finds every row that the server refuses, by halving, with savepoints.

use smiles_stage::StageError;
use smiles_stage::tables::{Part, Place, Rejected};

use crate::error::reason;
use crate::write::{Refusal, Write};

/// Stores all rows if none is refused; names all that are.
///
/// Halves are tried in journal order and what was taken stays, so a row is refused or not as it would be if rows
/// came one by one.
///
/// # Errors
/// Reject with the rows; else as [`crate::error::told`].
pub(crate) async fn store(write: &Write<'_>, parts: &[Part<'_>]) -> Result<(), StageError> {
    write.begin().await?;
    // A constraint that waits for the commit would blame no row.
    write.simply("SET CONSTRAINTS ALL IMMEDIATE").await?;
    let places = places(parts);
    let mut rejected = Rejected::default();
    // The next range is the last one here.
    let mut ranges: Vec<&[Place]> = halves(&places).into_iter().rev().collect();
    while let Some(range) = ranges.pop() {
        if let Some((table, error)) = attempt(write, parts, range).await? {
            match range {
                [place] => {
                    let (code, reason) = match error.as_db_error() {
                        Some(said) => (said.code().code().to_owned(), reason(&table, said)),
                        None => return Err(write.tell(error)),
                    };
                    rejected.add(*place, code, reason);
                }
                _ => ranges.extend(halves(range).into_iter().rev()),
            }
        }
    }
    if let Err(rejection) = rejected.finish() {
        write.roll_back().await?;
        return Err(rejection);
    }
    write.commit().await
}

/// Writes a range, or undoes it and says what was refused where.
async fn attempt(
    write: &Write<'_>,
    parts: &[Part<'_>],
    range: &[Place],
) -> Result<Option<(String, tokio_postgres::Error)>, StageError> {
    let connector = &write.settings.connector;
    let limit = connector.config.timeout.0;
    let tried = tokio::time::timeout(limit, async {
        write.simply("SAVEPOINT attempt").await?;
        match write.chosen(parts, range).await {
            Ok(()) => {
                write.simply("RELEASE SAVEPOINT attempt").await?;
                Ok(None)
            }
            Err(Refusal::Server { table, error }) if write.is_about_a_row(&table, &error) => {
                write.simply("ROLLBACK TO SAVEPOINT attempt").await?;
                Ok(Some((table, error)))
            }
            Err(Refusal::Server { error, .. }) => Err(write.tell(error)),
            // All values were encoded before; only the fold of an upsert differs.
            Err(Refusal::Unfit) => {
                Err(StageError::retry("a value fitted and then did not: please report this"))
            }
        }
    });
    tried.await.unwrap_or_else(|_| Err(connector.silent(limit)))
}

/// Every row that goes to some table, in journal order.
fn places(parts: &[Part<'_>]) -> Vec<Place> {
    let pieces = parts.iter().flat_map(|part| &part.pieces);
    let mut places: Vec<Place> = pieces.flat_map(|piece| piece.origin.iter().copied()).collect();
    places.sort_unstable();
    places.dedup();
    places
}

fn halves(range: &[Place]) -> Vec<&[Place]> {
    if range.len() < 2 {
        return vec![range];
    }
    let (one, two) = range.split_at(range.len() / 2);
    vec![one, two]
}
