//! Aggregates of spans of time: each span is a search in the index, whatever lies between them.

use postgres_types::Type;
use smiles_stage::{Aggregate, Buckets, Function, StageError, Value};
use smiles_store::{quoted, wherever};
use smiles_tables::ColumnType;

use super::{Text, value};
use crate::sql::qualified;

impl Text<'_> {
    pub(super) fn buckets(&mut self, buckets: &Buckets) -> Result<String, StageError> {
        let time_type = self.column_type(&buckets.time)?;
        let mut bounds = Vec::with_capacity(buckets.bounds.len());
        for &bound in &buckets.bounds {
            let bound = value::bound(time_type, false, &Value::Time(bound));
            let bound = bound.filter(|(_, of)| *of == Type::TIMESTAMPTZ);
            self.parameters.push(bound.ok_or_else(|| self.resolved.incomparable(&buckets.time))?);
            bounds.push(self.parameters.len());
        }
        let spans =
            bounds.windows(2).map(|pair| format!("(${}::timestamptz, ${}::timestamptz)", pair[0], pair[1]));
        let spans: Vec<String> = spans.collect();
        let time = self.instant(&buckets.time, format!("n.{}", quoted(&buckets.time)));
        let mut conditions = self.conditions(|_| true)?;
        conditions.push(format!("{time} >= b.s AND {time} < b.e"));
        let conditions = wherever(&conditions);
        let from = qualified(&self.query.table);
        let last = self.found.serial().map_or(String::new(), |name| format!(", n.{} DESC", quoted(name)));
        let (mut inner, mut outer) = (Vec::new(), Vec::new());
        for (place, Aggregate { column, function }) in buckets.aggregates.iter().enumerate() {
            let cell = format!("n.{}", quoted(column));
            let cast = match self.column_type(column)? {
                _ if *function == Function::Avg => "::float8",
                ColumnType::Int64 => "::int8",
                _ if self.found.columns.get(column).is_some_and(|found| found.is_float()) => "",
                _ => "::float8",
            };
            if *function == Function::Last {
                outer.push(format!(
                    "(SELECT {cell}{cast} FROM {from} AS n{conditions} AND {cell} IS NOT NULL \
                     ORDER BY {time} DESC{last} LIMIT 1)"
                ));
            } else {
                // A mean of single precision is one of the decimals that the cells show.
                let single = self.found.columns.get(column).is_some_and(|found| found.is_single());
                let exact = if single && *function == Function::Avg { "::text::numeric" } else { "" };
                inner.push(format!(", {}({cell}{exact}){cast} AS a{place}", function.name()));
                outer.push(format!("x.a{place}"));
            }
        }
        // LATERAL: every span searches the rows, not the other way round.
        Ok(format!(
            "SELECT b.s, {} FROM (VALUES {}) AS b(s, e) CROSS JOIN LATERAL \
             (SELECT count(*) AS k{} FROM {from} AS n{conditions}) AS x WHERE x.k > 0 ORDER BY b.s",
            outer.join(", "),
            spans.join(", "),
            inner.concat(),
        ))
    }
}
