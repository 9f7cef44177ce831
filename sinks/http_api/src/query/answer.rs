//! Answers a resource: one question for the rows, one for each join and nest, whatever the number of rows.

use std::collections::HashMap;

use arrow_schema::ArrowError;
use bytes::Bytes;
use futures::stream::BoxStream;
use smiles_stage::{Comparison, Filter, Query};

use crate::declare::params::Values;
use crate::declare::resource::{Plan, Resource};
use crate::declare::selection::{Partner, Selection};
use crate::query::client::{Found, STORE_RETRY, StoreClient};
use crate::query::format::{Encoder, Format, write_members};
use crate::text::json;
use crate::text::json::Cell;
use crate::text::problem::Failure;

/// What a resource answers.
pub(crate) struct Content {
    /// How it is written.
    pub format: Format,
    /// The body.
    pub body: Body,
    /// The `Link` header, if there is more.
    pub link: Option<String>,
    /// Whether it may be kept until something changes.
    pub keep: bool,
}

/// A body, whole or as it comes.
pub(crate) enum Body {
    /// All of it.
    Whole(Bytes),
    /// Piece by piece; an error cuts the connection, so that nobody takes a part for the whole.
    Flow(BoxStream<'static, Result<Bytes, std::io::Error>>),
}

impl Content {
    /// A whole answer that may be kept.
    pub(crate) fn whole(format: Format, body: impl Into<Bytes>) -> Self {
        Self { format, body: Body::Whole(body.into()), link: None, keep: true }
    }
}

/// The answer for these values.
///
/// # Errors
/// 404 for an object without a row; 503 while the store does not answer and memory does not know.
pub(crate) async fn answer(
    resource: &Resource,
    plan: &Plan,
    values: &Values,
    format: Format,
    client: &StoreClient<'_>,
) -> Result<Content, Failure> {
    let base = client.rows(&plan.base, &plan.base.query(values)).await?;
    if base.count() == 0 {
        check_empty(resource, plan, values, client).await?;
    }
    if format != Format::Json {
        return Ok(Content::whole(format, encoded(format, &plan.base, &base)?));
    }
    let mut joins = Vec::with_capacity(plan.joins.len());
    for partner in &plan.joins {
        joins.push((partner, partners(client, partner, &base).await?));
    }
    let mut nests = Vec::with_capacity(plan.nests.len());
    for (name, partner) in &plan.nests {
        nests.push((name.as_str(), partner, partners(client, partner, &base).await?));
    }
    let writer = Writer { base: &plan.base, joins, nests };
    let mut out = String::new();
    if resource.is_list() {
        writer.list(&mut out, &base);
    } else if let Some((batch, row)) = base.places().next() {
        writer.object(&mut out, &base, (batch, row));
    }
    Ok(Content::whole(format, out))
}

/// Plain rows in a format of their own.
pub(crate) fn encoded(format: Format, selection: &Selection, rows: &Found) -> Result<Bytes, Failure> {
    let encode = || -> Result<Vec<u8>, ArrowError> {
        let (mut encoder, head) = Encoder::new(format, &selection.columns, &selection.served)?;
        let mut out = Vec::from(head);
        for batch in &rows.0 {
            out.extend_from_slice(&encoder.rows(batch)?);
        }
        out.extend_from_slice(&encoder.end()?);
        Ok(out)
    };
    encode().map(Bytes::from).map_err(|error| unwritable(&error))
}

/// A failure that is ours alone.
pub(crate) fn unwritable(error: &ArrowError) -> Failure {
    tracing::error!(%error, "rows cannot be written");
    Failure::new(http::StatusCode::INTERNAL_SERVER_ERROR, "the rows cannot be written; the log says why")
}

/// Whether no rows are an answer, for this resource and these values.
///
/// # Errors
/// 404 where something is missing; 503 where nobody knows whether it is.
pub(crate) async fn check_empty(
    resource: &Resource,
    plan: &Plan,
    values: &Values,
    client: &StoreClient<'_>,
) -> Result<(), Failure> {
    let unsure = |selection: &Selection| selection.view.is_some() && !client.memory.knows_all();
    let exists = match &plan.exists {
        None if resource.is_list() && unsure(&plan.base) => return Err(unknown()),
        None if resource.is_list() => return Ok(()),
        None => None,
        Some(exists) => {
            let query = Query { limit: Some(1), ..exists.query(values) };
            Some((exists, client.rows(exists, &query).await?.count() > 0))
        }
    };
    match exists {
        Some((_, true)) => Ok(()),
        Some((exists, false)) if unsure(exists) => Err(unknown()),
        None if unsure(&plan.base) => Err(unknown()),
        _ => Err(Failure::not_found(resource.not_found(values))),
    }
}

fn unknown() -> Failure {
    Failure::unavailable(
        "the store was not read yet, and no reading of this has arrived since; try again later",
        STORE_RETRY,
    )
}

/// Rows of another table by the text of their key.
struct Partners {
    found: Found,
    by_key: HashMap<String, Vec<(usize, usize)>>,
}

/// One question for the partners of all rows; narrowed where all rows have the same key.
async fn partners(client: &StoreClient<'_>, partner: &Partner, base: &Found) -> Result<Partners, Failure> {
    if base.count() == 0 {
        return Ok(Partners { found: Found(Vec::new()), by_key: HashMap::new() });
    }
    let mut query = partner.selection.query(&Values::new());
    for &(theirs, own) in &partner.on {
        if let Some(value) = common(base, theirs).and_then(|cell| cell.value()) {
            let column = query.columns[own].clone();
            query.filters.push(Filter { column, comparison: Comparison::Eq, value });
        }
    }
    let found = client.rows(&partner.selection, &query).await?;
    let mut by_key: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
    let own: Vec<usize> = partner.on.iter().map(|(_, own)| *own).collect();
    for (batch, row) in found.places() {
        if let Some(key) = json::key(&found.0[batch], row, &own) {
            by_key.entry(key).or_default().push((batch, row));
        }
    }
    Ok(Partners { found, by_key })
}

/// The value all rows have in a column, if they have one.
fn common(found: &Found, column: usize) -> Option<Cell<'_>> {
    let mut cells = found.places().map(|(batch, row)| json::cell(found.0[batch].column(column), row));
    let first = cells.next()?;
    cells.all(|cell| cell == first).then_some(first)
}

/// Writes rows with what belongs to them.
struct Writer<'a> {
    base: &'a Selection,
    joins: Vec<(&'a Partner, Partners)>,
    nests: Vec<(&'a str, &'a Partner, Partners)>,
}

impl Writer<'_> {
    fn list(&self, out: &mut String, base: &Found) {
        out.push('[');
        for (place, row) in base.places().enumerate() {
            if place > 0 {
                out.push(',');
            }
            self.object(out, base, row);
        }
        out.push(']');
    }

    fn object(&self, out: &mut String, base: &Found, (batch, row): (usize, usize)) {
        let rows = &base.0[batch];
        out.push('{');
        write_members(out, &self.base.served, Some((rows, row)));
        for (partner, partners) in &self.joins {
            let place = partners.of(partner, rows, row).and_then(|places| places.first());
            let found = place.map(|&(batch, row)| (&partners.found.0[batch], row));
            write_members(out, &partner.selection.served, found);
        }
        for (name, partner, partners) in &self.nests {
            if !out.ends_with('{') {
                out.push(',');
            }
            json::write_text(out, name);
            out.push_str(":[");
            for (place, &(batch, row)) in partners.of(partner, rows, row).into_iter().flatten().enumerate() {
                out.push_str(if place > 0 { ",{" } else { "{" });
                write_members(out, &partner.selection.served, Some((&partners.found.0[batch], row)));
                out.push('}');
            }
            out.push(']');
        }
        out.push('}');
    }
}

impl Partners {
    fn of(
        &self,
        partner: &Partner,
        rows: &arrow_array::RecordBatch,
        row: usize,
    ) -> Option<&Vec<(usize, usize)>> {
        let theirs: Vec<usize> = partner.on.iter().map(|(theirs, _)| *theirs).collect();
        self.by_key.get(&json::key(rows, row, &theirs)?)
    }
}
