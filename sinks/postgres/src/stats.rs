//! How many rows a table has, without counting any table from end to end: a short one is counted, a long one is
//! estimated from its size and from what the server itself noted when it last looked through it.

use postgres_types::Type;
use tokio_postgres::Client;

use crate::sql::qualified;

/// A table of more rows is estimated.
const COUNTED_MAX: i64 = 10_000;
/// So is one of more bytes: rows that were deleted take their time too.
const COUNTED_BYTES_MAX: f64 = 33_554_432.0;
/// Pages looked at of a table that the server has not looked through yet.
const SAMPLED_PAGES: f64 = 500.0;

/// Pages of the table and all its parts; what is known of their rows; the pages of which nothing is known.
const SIZES: &str = "
WITH RECURSIVE part (oid) AS (
    SELECT to_regclass($1)::oid UNION SELECT i.inhrelid FROM pg_inherits AS i JOIN part AS p ON p.oid = i.inhparent),
size (rows, pages, now) AS (
    SELECT c.reltuples::float8, c.relpages::float8,
           coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::float8
    FROM part JOIN pg_class AS c ON c.oid = part.oid)
SELECT coalesce(sum(now), 0), coalesce(sum(now * rows / pages) FILTER (WHERE rows > 0 AND pages > 0), 0),
       coalesce(sum(now) FILTER (WHERE NOT (rows > 0 AND pages > 0)), 0), current_setting('block_size')::float8
FROM size";

/// The rows of a table: exact up to [`COUNTED_MAX`], as good as an estimate of the server's beyond.
///
/// # Errors
/// The database could not be asked.
pub(crate) async fn rows(client: &Client, table: &str) -> Result<u64, tokio_postgres::Error> {
    let from = qualified(table);
    let sizes = client.query_typed_one(SIZES, &[(&from, Type::TEXT)]).await?;
    let (pages, known, unknown): (f64, f64, f64) = (sizes.try_get(0)?, sizes.try_get(1)?, sizes.try_get(2)?);
    let mut least = 0;
    if pages * sizes.try_get::<_, f64>(3)? <= COUNTED_BYTES_MAX {
        let few = format!("SELECT count(*) FROM (SELECT FROM {from} LIMIT {}) AS few", COUNTED_MAX + 1);
        least = client.query_typed_one(&few, &[]).await?.try_get::<_, i64>(0)?;
        if least <= COUNTED_MAX || pages == 0.0 {
            return Ok(u64::try_from(least).unwrap_or(0));
        }
    }
    let guessed = if unknown > 0.0 { unknown * sampled(client, &from, pages).await? } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no table has so many rows")]
    let estimate = (known + guessed).round().max(0.0) as u64;
    Ok(estimate.max(u64::try_from(least).unwrap_or(0)))
}

/// Rows per page, from some pages all over the table.
async fn sampled(client: &Client, from: &str, pages: f64) -> Result<f64, tokio_postgres::Error> {
    let percent = (100.0 * SAMPLED_PAGES / pages).min(100.0);
    let sample = format!(
        "SELECT coalesce(count(*)::float8 / nullif(count(DISTINCT (tableoid, (ctid::text::point)[0])), 0), 0)
         FROM {from} TABLESAMPLE SYSTEM ({percent}) REPEATABLE (0)"
    );
    client.query_typed_one(&sample, &[]).await?.try_get(0)
}
