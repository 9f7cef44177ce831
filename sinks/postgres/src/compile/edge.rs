//! One side of a place in the order, as a condition.

use smiles_stage::{Edge, Side, StageError};

use super::Text;

impl Text<'_> {
    /// Columns are compared one after the other, each but the last only where those before it are equal. The first
    /// is compared on its own as well, which is what an index can search by.
    pub(super) fn edge(&mut self, edge: &Edge) -> Result<String, StageError> {
        let query = self.query;
        let mut steps = Vec::with_capacity(query.order.len());
        for (order, place) in query.order.iter().zip(&edge.place) {
            let bound = self.bound(&order.column, place)?;
            self.parameters.push(bound);
            let descends = order.descending != (edge.side == Side::UpTo);
            let cell = self.comparable(&order.column)?;
            steps.push((cell, if descends { "<" } else { ">" }, self.parameters.len()));
        }
        let at_place = if edge.side == Side::After { "" } else { "=" };
        let mut condition = String::new();
        for (cell, beyond, parameter) in steps.iter().rev() {
            condition = if condition.is_empty() {
                format!("{cell} {beyond}{at_place} ${parameter}")
            } else {
                format!("({cell} {beyond} ${parameter} OR ({cell} = ${parameter} AND {condition}))")
            };
        }
        if let [(cell, beyond, parameter), rest @ ..] = steps.as_slice()
            && !rest.is_empty()
        {
            let nulls = rest.iter().map(|(cell, _, _)| format!(" AND {cell} IS NOT NULL"));
            let nulls: String = nulls.collect();
            condition = format!("{cell} {beyond}= ${parameter} AND {condition}{nulls}");
        }
        Ok(condition)
    }
}
