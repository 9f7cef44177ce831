//! One side of a place in the order, as a condition.

use smiles_stage::{Edge, Side, StageError};

use super::Text;
use crate::sql::quoted;

impl Text<'_> {
    /// Columns are compared one after the other, each but the last only where those before it are equal. The first
    /// is compared on its own as well, which is what an index can search by.
    pub(super) fn edge(&mut self, edge: &Edge) -> Result<String, StageError> {
        let order = &self.query.order;
        let mut steps = Vec::with_capacity(order.len());
        for (order, value) in order.iter().zip(&edge.place) {
            let descends = order.descending != (edge.side == Side::UpTo);
            let beyond = if descends { "<" } else { ">" };
            steps.push((quoted(&order.column), beyond, self.bind(&order.column, value)?));
        }
        let at_place = if edge.side == Side::After { "" } else { "=" };
        let mut condition = String::new();
        for (name, beyond, parameter) in steps.iter().rev() {
            condition = if condition.is_empty() {
                format!("{name} {beyond}{at_place} ?{parameter}")
            } else {
                format!("({name} {beyond} ?{parameter} OR ({name} = ?{parameter} AND {condition}))")
            };
        }
        if let [(name, beyond, parameter), rest @ ..] = steps.as_slice()
            && !rest.is_empty()
        {
            let nulls = rest.iter().map(|(name, _, _)| format!(" AND {name} IS NOT NULL"));
            let nulls: String = nulls.collect();
            condition = format!("{name} {beyond}= ?{parameter} AND {condition}{nulls}");
        }
        Ok(condition)
    }
}
