//! One side of a place in the order, as a condition.

use smiles_stage::{PageBound, StageError};
use smiles_store::{Step, quoted};

use super::Text;

impl Text<'_> {
    pub(super) fn edge(&mut self, edge: &PageBound) -> Result<String, StageError> {
        let mut steps = Vec::with_capacity(edge.place.len());
        for (order, value) in self.query.order.iter().zip(&edge.place) {
            let parameter = format!("?{}", self.bind(&order.column, value)?);
            steps.push(Step { cell: quoted(&order.column), descending: order.descending, parameter });
        }
        Ok(smiles_store::edge(edge.side, &steps))
    }
}
