//! Which watermarks are still to be removed from the targets: noted with the forgetting of their run, for each sink
//! that had a place in it, until its target has been told.

use std::time::Duration;

use rusqlite::Connection;
use smiles_stage::RunId;

use crate::format::failure::Failure;
use crate::format::seal::put;

/// A run and the watermarks of it are remembered so long after its last batch was deleted.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The notes are among the facts of the file, under names of their own: the format has no table for them.
fn prefix(sink: &str) -> String {
    format!("unpruned/{sink}/")
}

/// Notes that the run is about to be forgotten.
pub(crate) fn owe(connection: &Connection, run: RunId) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT sink FROM cursors WHERE run = ?1")?;
    let sinks = statement.query_map([run.0], |row| row.get::<_, String>(0))?;
    for sink in sinks.collect::<Result<Vec<_>, _>>()? {
        note(connection, &sink, run)?;
    }
    Ok(())
}

fn note(connection: &Connection, sink: &str, run: RunId) -> Result<(), Failure> {
    put(connection, "meta", &[&format!("{}{run}", prefix(sink)), &run.0])
}

/// The runs whose watermarks the sink's target is still to be told of.
pub(crate) fn owed(connection: &Connection, sink: &str) -> Result<Vec<RunId>, Failure> {
    let mut statement = connection
        .prepare_cached("SELECT value FROM meta WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key")?;
    let runs = statement.query_map([prefix(sink)], |row| Ok(RunId(row.get(0)?)))?;
    Ok(runs.collect::<Result<_, _>>()?)
}

/// Notes that the target has been told.
pub(crate) fn told(connection: &Connection, sink: &str, runs: &[RunId]) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached("DELETE FROM meta WHERE key = ?1")?;
    for run in runs {
        statement.execute([format!("{}{run}", prefix(sink))])?;
    }
    Ok(())
}

/// Gives the notes of `old` to `new`, whose watermarks they are now.
pub(crate) fn rename(connection: &Connection, old: &str, new: &str) -> Result<(), Failure> {
    let runs = owed(connection, old)?;
    for run in &runs {
        note(connection, new, *run)?;
    }
    told(connection, old, &runs)
}
