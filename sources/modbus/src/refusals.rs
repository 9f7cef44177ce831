//! Counts values that cannot be, by their column.

use smiles_stage::OpenContext;
use smiles_stage::prometheus::{IntCounterVec, Opts};

use crate::meters::register;

/// The series of a source; none where nobody looks at them.
#[derive(Clone, Default)]
pub(crate) struct Refusals(Option<IntCounterVec>);

impl Refusals {
    /// Registers the series, with a zero for each column that has limits. A source that is opened again begins at zero again.
    pub(crate) fn register<'a>(context: &OpenContext, columns: impl Iterator<Item = &'a str>) -> Self {
        let mut columns = columns.peekable();
        if columns.peek().is_none() {
            return Self(None);
        }
        let help = "Values that were not among those that are `valid`, and became null.";
        let options = Opts::new("smiles_modbus_invalid_values_total", help)
            .const_label("pipeline", context.pipeline.as_str())
            .const_label("source", context.stage.as_str());
        let Ok(series) = IntCounterVec::new(options, &["column"]) else { return Self(None) };
        columns.for_each(|column| series.with_label_values(&[column]).reset());
        Self(register(&context.meters, series.clone()).is_ok().then_some(series))
    }

    pub(crate) fn count<'a>(&self, columns: impl Iterator<Item = &'a str>) {
        if let Some(series) = &self.0 {
            columns.for_each(|column| series.with_label_values(&[column]).inc());
        }
    }
}
