//! The sink's own tables in the target: its id, and per pipeline, sink and run the highest batch delivered.

use rusqlite::{Connection, OptionalExtension, params};
use smiles_stage::{RunId, Seq, TargetId};

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS smiles_target (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id   TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS smiles_watermarks (
    pipeline TEXT NOT NULL,
    sink     TEXT NOT NULL,
    run      TEXT NOT NULL,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (pipeline, sink, run)
);
";

/// Whose watermarks they are.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) pipeline: String,
    pub(crate) sink: String,
}

/// The id of this database; made, with the tables, when it has none.
pub(crate) fn target(connection: &mut Connection) -> rusqlite::Result<Option<TargetId>> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    let find = "SELECT id FROM smiles_target";
    let found: Option<String> = transaction.query_row(find, [], |row| row.get(0)).optional()?;
    let id = match found {
        Some(id) => id,
        None => {
            let mut bytes = [0; 16];
            if getrandom::fill(&mut bytes).is_err() {
                return Ok(None);
            }
            let id = RunId(bytes).to_string();
            transaction.execute("INSERT INTO smiles_target (only, id) VALUES (1, ?1)", [&id])?;
            id
        }
    };
    transaction.commit()?;
    Ok(id.parse::<RunId>().ok().map(|id| TargetId(id.0)))
}

/// The highest batch of the run that is here; [`Seq::ZERO`] for none.
pub(crate) fn read(connection: &Connection, owner: &Owner, run: RunId) -> rusqlite::Result<Seq> {
    connection
        .prepare_cached("SELECT seq FROM smiles_watermarks WHERE pipeline = ?1 AND sink = ?2 AND run = ?3")?
        .query_row(params![owner.pipeline, owner.sink, run.to_string()], |row| row.get::<_, i64>(0))
        .optional()
        .map(|seq| Seq(seq.and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0)))
}

/// Moves the watermark by compare-and-set, within the transaction at hand. `false`: it was not where the sink
/// thought, somebody else writes this run too.
pub(crate) fn advance(
    connection: &Connection,
    owner: &Owner,
    run: RunId,
    expected: Seq,
    seq: Seq,
) -> rusqlite::Result<bool> {
    let (run, seq) = (run.to_string(), stored(seq));
    let moved = if expected == Seq::ZERO {
        let insert = "INSERT INTO smiles_watermarks (pipeline, sink, run, seq) VALUES (?1, ?2, ?3, ?4)
                      ON CONFLICT DO NOTHING";
        connection.prepare_cached(insert)?.execute(params![owner.pipeline, owner.sink, run, seq])?
    } else {
        let update = "UPDATE smiles_watermarks SET seq = ?4
                      WHERE pipeline = ?1 AND sink = ?2 AND run = ?3 AND seq = ?5";
        let expected = stored(expected);
        connection.prepare_cached(update)?.execute(params![owner.pipeline, owner.sink, run, seq, expected])?
    };
    Ok(moved == 1)
}

/// Removes the watermarks of these runs.
pub(crate) fn forget(connection: &mut Connection, owner: &Owner, runs: &[RunId]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for run in runs {
        transaction
            .prepare_cached("DELETE FROM smiles_watermarks WHERE pipeline = ?1 AND sink = ?2 AND run = ?3")?
            .execute(params![owner.pipeline, owner.sink, run.to_string()])?;
    }
    transaction.commit()
}

/// Gives the owner the watermarks of its former name; of two for one run the higher stays.
pub(crate) fn rename(connection: &mut Connection, owner: &Owner, from: &str) -> rusqlite::Result<()> {
    if owner.sink == from {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let take = "INSERT INTO smiles_watermarks (pipeline, sink, run, seq)
                SELECT pipeline, ?2, run, seq FROM smiles_watermarks WHERE pipeline = ?1 AND sink = ?3
                ON CONFLICT (pipeline, sink, run) DO UPDATE SET seq = max(seq, excluded.seq)";
    transaction.execute(take, params![owner.pipeline, owner.sink, from])?;
    let leave = "DELETE FROM smiles_watermarks WHERE pipeline = ?1 AND sink = ?2";
    transaction.execute(leave, params![owner.pipeline, from])?;
    transaction.commit()
}

/// A run would have to accept a batch a microsecond for 290,000 years to leave this range.
fn stored(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}
