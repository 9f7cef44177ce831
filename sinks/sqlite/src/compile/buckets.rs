//! Aggregates of spans of time: each span is a search in the index, whatever lies between them.

use smiles_stage::{Buckets, Function, StageError, Value};
use smiles_store::{quoted, wherever};

use super::Text;
use crate::shape::Shape;

impl Text<'_> {
    pub(super) fn buckets(&mut self, buckets: &Buckets, shape: &Shape) -> Result<String, StageError> {
        let time = quoted(&buckets.time);
        let mut bounds = Vec::with_capacity(buckets.bounds.len());
        for &bound in &buckets.bounds {
            bounds.push(self.bind(&buckets.time, &Value::Time(bound))?);
        }
        let spans: Vec<String> =
            bounds.windows(2).map(|pair| format!("(?{}, ?{})", pair[0], pair[1])).collect();
        let within = |row: &str| format!("{row}.{time} >= b.s AND {row}.{time} < b.e");
        let mut in_span = self.conditions("t.", |_| true)?;
        in_span.push(within("t"));
        let mut newest_in_span = self.conditions("l.", |_| true)?;
        newest_in_span.push(within("l"));
        let from = quoted(&self.query.table);
        let last = shape.rowid.map_or(String::new(), |rowid| format!(", l.{rowid} DESC"));
        let values: Vec<String> = buckets
            .aggregates
            .iter()
            .map(|aggregate| {
                let column = quoted(&aggregate.column);
                match aggregate.function {
                    Function::Last => {
                        let conditions = wherever(&newest_in_span);
                        format!(
                            "(SELECT l.{column} FROM {from} AS l{conditions} AND l.{column} IS NOT NULL \
                             ORDER BY l.{time} DESC{last} LIMIT 1)"
                        )
                    }
                    function => format!("{}(t.{column})", function.name()),
                }
            })
            .collect();
        // CROSS JOIN keeps the order of the two: every span searches the rows, not the other way round.
        Ok(format!(
            "WITH \" spans\"(s, e) AS (VALUES {}) SELECT b.s, {} FROM \" spans\" AS b CROSS JOIN {from} AS t{} \
             GROUP BY b.s ORDER BY b.s",
            spans.join(", "),
            values.join(", "),
            wherever(&in_span),
        ))
    }
}
