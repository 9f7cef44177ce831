//! The slow way to write: finds every row that the server refuses, by halving, with savepoints.

use smiles_stage::StageError;
use smiles_store::{Part, Rejected, Swallowed, halves, places};
use smiles_tables::RowAddress;
use tokio::time::Instant;

use crate::attempt::{Refusal, Write, about_rows};
use crate::attribution::{Culprit, ErrorAttribution, holding_error};
use crate::error::reason;

const UNDO: &str = "ROLLBACK TO SAVEPOINT attempt";
/// What waits for the commit is asked for now, or it would blame no row. Afterwards everything waits again, so that
/// rows may come in any order within an attempt.
const CHECK: &str = "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED";

/// Stores all rows if none is refused, and says which of them the server left out; names all that are to blame.
///
/// Halves are tried in journal order and what was taken stays, so a row is refused or not as it would be if rows
/// came one by one.
///
/// # Errors
/// Reject with the rows; retry, if the tables are to blame; else as [`crate::error::stage_error`].
pub(crate) async fn store(write: &Write<'_>, parts: &[Part<'_>]) -> Result<Swallowed, StageError> {
    write.begin().await?;
    write.simply("SET CONSTRAINTS ALL DEFERRED").await?;
    let mut bisection = Bisection {
        write,
        parts,
        attribution: write.attribution(Some(UNDO)),
        rejected: Rejected::default(),
        swallowed: Swallowed::default(),
    };
    // Whatever else is wrong ends the connection, and the transaction with it.
    bisection.all().await?;
    if let Err(refusal) = bisection.rejected.finish() {
        write.roll_back().await?;
        return Err(refusal);
    }
    write.commit().await?;
    Ok(bisection.swallowed)
}

struct Bisection<'a> {
    write: &'a Write<'a>,
    parts: &'a [Part<'a>],
    attribution: ErrorAttribution<'a>,
    rejected: Rejected,
    swallowed: Swallowed,
}

/// A refused range: the table whose rows were sent, unless what waited for the end was refused; and why.
type Refused = (Option<String>, tokio_postgres::Error);

impl Bisection<'_> {
    async fn all(&mut self) -> Result<(), StageError> {
        let places = places(self.parts);
        let begun = Instant::now();
        // The next range is the last one here.
        let mut ranges: Vec<&[RowAddress]> = halves(&places).into_iter().rev().collect();
        while let Some(range) = ranges.pop() {
            let Some((table, error)) = self.attempt(range).await? else { continue };
            let Some((kind, said)) = about_rows(&error) else { return Err(self.write.tell(error)) };
            let culprit = self.attribution.culprit(table.as_deref(), kind, said).await?;
            if let Culprit::Table(why) = culprit {
                return Err(holding_error(&why, said));
            }
            let [place] = range else {
                ranges.extend(halves(range).into_iter().rev());
                continue;
            };
            let code = said.code().code();
            let name = table.as_deref().unwrap_or_default();
            let reason = reason(table.as_deref().or(said.table()).unwrap_or_default(), said);
            match culprit {
                Culprit::Row => self.rejected.add(*place, code, reason),
                _ => self.rejected.suspect(*place, name, code, reason),
            }
            // Locks are held meanwhile, and whoever mends a trigger waits for them.
            if self.rejected.is_undecided() && begun.elapsed() > self.attribution.catalog.limit() {
                break;
            }
        }
        Ok(())
    }

    /// Writes a range, or undoes it and says what was refused where.
    async fn attempt(&mut self, range: &[RowAddress]) -> Result<Option<Refused>, StageError> {
        let limit = self.attribution.catalog.limit();
        let (write, parts) = (self.write, self.parts);
        let tried = tokio::time::timeout(limit, async {
            write.simply("SAVEPOINT attempt").await?;
            let mut swallowed = Swallowed::default();
            let refused = match write.chosen(parts, range).await {
                Ok(left_out) => {
                    swallowed = left_out;
                    write.client.batch_execute(CHECK).await.err().map(|error| (None, error))
                }
                Err(Refusal::Server { table, error }) => Some((Some(table), error)),
                Err(Refusal::Unready { table, error }) => return Err(write.unready(&table, error)),
                // All values were encoded before; only the fold of an upsert differs.
                Err(Refusal::Unfit) => {
                    return Err(StageError::retry("a value fitted and then did not: please report this"));
                }
            };
            // What no row brings about may have ended the connection: it is told as it is.
            if refused.as_ref().is_none_or(|(_, error)| about_rows(error).is_some()) {
                let end = if refused.is_some() { UNDO } else { "RELEASE SAVEPOINT attempt" };
                write.simply(end).await?;
            }
            Ok((refused, swallowed))
        });
        let (refused, swallowed) =
            tried.await.unwrap_or_else(|_| Err(write.settings.connector.silent(limit)))?;
        if refused.is_none() {
            self.took(range);
            self.swallowed.extend(swallowed);
        }
        Ok(refused)
    }

    /// Notes which tables took rows of the range; all of them took what waited for the end.
    fn took(&mut self, range: &[RowAddress]) {
        let (Some(first), Some(last)) = (range.first(), range.last()) else { return };
        for part in self.parts {
            let mut origins = part.pieces.iter().flat_map(|piece| &piece.origin);
            if origins.any(|place| (first..=last).contains(&place)) {
                self.rejected.took(&part.table.name);
                self.rejected.took("");
            }
        }
    }
}
