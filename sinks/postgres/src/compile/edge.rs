//! One side of a place in the order, as a condition.

use smiles_stage::{PageBound, StageError};
use smiles_store::Step;

use super::Text;

impl Text<'_> {
    pub(super) fn edge(&mut self, edge: &PageBound) -> Result<String, StageError> {
        let query = self.query;
        let mut steps = Vec::with_capacity(edge.place.len());
        for (order, place) in query.order.iter().zip(&edge.place) {
            let bound = self.bound(&order.column, place)?;
            self.parameters.push(bound);
            let (cell, parameter) = (self.comparable(&order.column)?, format!("${}", self.parameters.len()));
            steps.push(Step { cell, descending: order.descending, parameter });
        }
        Ok(smiles_store::edge(edge.side, &steps))
    }
}
