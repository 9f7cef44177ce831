//! Whether the server kept the rows it took: it says how many, and a trigger that leaves some out says nothing else.

use postgres_types::{ToSql, Type};
use smiles_store::each_counts;
use smiles_tables::TablePlan;
use tokio_postgres::{Client, Error};

use crate::encode::ArrayParameter;
use crate::sql::{literal, qualified};
use crate::writer::Statement;

/// Rows of a COPY that the server left out. A table with children of the old kind (inheritance and a trigger that moves
/// each row to one of them) counts none of its rows: nobody can tell.
pub(crate) async fn of_copy(client: &Client, table: &TablePlan, sent: u64, kept: u64) -> Result<u64, Error> {
    let missing = sent.saturating_sub(kept);
    if missing == 0 {
        return Ok(0);
    }
    let name = literal(&qualified(&table.name));
    let moves = format!(
        "SELECT EXISTS (SELECT FROM pg_inherits JOIN pg_class ON oid = inhparent \
         WHERE relkind = 'r' AND inhparent = to_regclass({name}))"
    );
    let row = client.query_typed(&moves, &[]).await?;
    let moved = row.first().is_some_and(|row| row.get(0));
    Ok(if moved { 0 } else { missing })
}

/// Rows of an INSERT that the server left out although they had to change the table.
pub(crate) async fn of_arrays(
    client: &Client,
    (table, statement, late): (&TablePlan, &Statement, bool),
    arrays: &[(ArrayParameter, Type)],
    sent: u64,
    kept: u64,
) -> Result<u64, Error> {
    let missing = sent.saturating_sub(kept);
    let Some(sql) = statement.missing.as_ref().filter(|_| missing > 0 && !each_counts(table, late)) else {
        return Ok(missing);
    };
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
        arrays.iter().map(|(array, of)| (array as &(dyn ToSql + Sync), of.clone())).collect();
    let counted = client.query_typed(sql, &parameters).await?;
    let absent: i64 = counted.first().map_or(0, |row| row.get(0));
    Ok(u64::try_from(absent).unwrap_or(0).min(missing))
}
