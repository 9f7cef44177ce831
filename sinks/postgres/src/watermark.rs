//! The sink's own tables in the target: its id, and per pipeline, sink and run the highest batch delivered.

use postgres_types::Type;
use smiles_stage::{RunId, Seq, StageError, TargetId};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::catalog::SchemaGuard;
use crate::connect::Connector;
use crate::sql::literal;

/// Begins a transaction whose statements each see what was committed before them, whatever the database's default is:
/// what is looked at once a lock is held must not be what was there before the lock was waited for.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Held by whoever makes or migrates tables, until the end of its transaction.
pub(crate) const LOCK: &str = "SELECT pg_advisory_xact_lock(7235416028745129321)";

const THERE: &str =
    "SELECT to_regclass('smiles_target') IS NOT NULL AND to_regclass('smiles_watermarks') IS NOT NULL";
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS smiles_target (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    id     text NOT NULL
);
CREATE TABLE IF NOT EXISTS smiles_watermarks (
    pipeline text NOT NULL,
    sink     text NOT NULL,
    run      text NOT NULL,
    seq      bigint NOT NULL,
    PRIMARY KEY (pipeline, sink, run)
) WITH (fillfactor = 20)";

/// Whose watermarks they are.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) pipeline: String,
    pub(crate) sink: String,
}

/// The id of this database; made, with the tables, when it has none.
///
/// # Errors
/// As [`crate::error::stage_error`].
pub(crate) async fn target(connector: &Connector, client: &Client) -> Result<TargetId, StageError> {
    let limit = connector.config.timeout.0;
    let there = connector.within(limit, "read", client.query_typed_one(THERE, &[])).await?;
    if !there.try_get::<_, bool>(0).unwrap_or(false) {
        let make = format!("{BEGIN}; {LOCK}; {TABLES}; COMMIT");
        connector.within(limit, "make tables in", client.batch_execute(&make)).await?;
    }
    let find = "SELECT id FROM smiles_target";
    let mut row = connector.within(limit, "read", client.query_typed_opt(find, &[])).await?;
    if row.is_none() {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| {
            StageError::retry(format!("cannot name {}: no random numbers", connector.address)).because(error)
        })?;
        let name = format!(
            "{BEGIN}; INSERT INTO smiles_target (id) VALUES ({}) ON CONFLICT DO NOTHING; COMMIT",
            literal(&RunId(bytes).to_string())
        );
        connector.within(limit, "write", client.batch_execute(&name)).await?;
        row = connector.within(limit, "read", client.query_typed_opt(find, &[])).await?;
    }
    let id: Option<String> = row.and_then(|row| row.try_get(0).ok());
    let id = id.and_then(|id| id.parse::<RunId>().ok());
    id.map(|id| TargetId(id.0)).ok_or_else(|| {
        StageError::halt(format!(
            "{}: the table smiles_target holds no id: put its row back",
            connector.address
        ))
    })
}

/// The highest batch of the run that is here; [`Seq::ZERO`] for none.
pub(crate) async fn read(client: &Client, owner: &Owner, run: RunId) -> Result<Seq, tokio_postgres::Error> {
    let find = "SELECT seq FROM smiles_watermarks WHERE pipeline = $1 AND sink = $2 AND run = $3";
    let run = run.to_string();
    let text = Type::TEXT;
    let row = client
        .query_typed_opt(find, &[(&owner.pipeline, text.clone()), (&owner.sink, text.clone()), (&run, text)])
        .await?;
    let seq: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
    Ok(Seq(u64::try_from(seq).unwrap_or(0)))
}

/// What [`begin`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionStart {
    /// The watermark moved, and the tables are what they were.
    Fine,
    /// The watermark was not where the sink thought: somebody else writes this run too.
    Moved,
    /// Some table is not what it was.
    Changed,
}

/// Begins a transaction by moving the watermark, by compare-and-set: who comes second finds it moved before any
/// row. Then the tables are held as they are, and looked at.
pub(crate) async fn begin(
    client: &Client,
    owner: &Owner,
    run: RunId,
    expected: Seq,
    seq: Seq,
    lock_timeout_ms: u128,
    guard: &SchemaGuard,
) -> Result<TransactionStart, tokio_postgres::Error> {
    let move_it = advance(owner, run, expected, seq);
    let guarded = guard.statements();
    let text = format!("{BEGIN}; SET LOCAL lock_timeout = {lock_timeout_ms}; {move_it}; {guarded}");
    let answers = client.simple_query(&text).await?;
    // The third statement moves the watermark, the only rows are those of the last.
    let mut done = answers.iter().filter_map(|answer| match answer {
        SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
        _ => None,
    });
    let seen = answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(match (done.nth(2), seen) {
        (Some(1), Some(seen)) if seen == guard.seen => TransactionStart::Fine,
        (Some(1), _) => TransactionStart::Changed,
        _ => TransactionStart::Moved,
    })
}

fn advance(owner: &Owner, run: RunId, expected: Seq, seq: Seq) -> String {
    let (pipeline, sink, run) = (literal(&owner.pipeline), literal(&owner.sink), literal(&run.to_string()));
    if expected == Seq::ZERO {
        return format!(
            "INSERT INTO smiles_watermarks (pipeline, sink, run, seq) VALUES ({pipeline}, {sink}, {run}, {seq}) \
             ON CONFLICT DO NOTHING"
        );
    }
    format!(
        "UPDATE smiles_watermarks SET seq = {seq} \
         WHERE pipeline = {pipeline} AND sink = {sink} AND run = {run} AND seq = {expected}"
    )
}

/// Removes the watermarks of these runs.
pub(crate) async fn forget(
    client: &Client,
    owner: &Owner,
    runs: &[RunId],
) -> Result<(), tokio_postgres::Error> {
    let delete = "DELETE FROM smiles_watermarks WHERE pipeline = $1 AND sink = $2 AND run = ANY ($3)";
    let runs: Vec<String> = runs.iter().map(ToString::to_string).collect();
    client
        .execute_typed(
            delete,
            &[(&owner.pipeline, Type::TEXT), (&owner.sink, Type::TEXT), (&runs, Type::TEXT_ARRAY)],
        )
        .await?;
    Ok(())
}

/// Gives the owner the watermarks of its former name; of two for one run the higher stays.
pub(crate) async fn rename(client: &Client, owner: &Owner, from: &str) -> Result<(), tokio_postgres::Error> {
    if owner.sink == from {
        return Ok(());
    }
    let (pipeline, sink, from) = (literal(&owner.pipeline), literal(&owner.sink), literal(from));
    let text = format!(
        "{BEGIN};
         INSERT INTO smiles_watermarks AS old (pipeline, sink, run, seq)
         SELECT pipeline, {sink}, run, seq FROM smiles_watermarks WHERE pipeline = {pipeline} AND sink = {from}
         ON CONFLICT (pipeline, sink, run) DO UPDATE SET seq = greatest(old.seq, excluded.seq);
         DELETE FROM smiles_watermarks WHERE pipeline = {pipeline} AND sink = {from};
         COMMIT"
    );
    client.batch_execute(&text).await
}
