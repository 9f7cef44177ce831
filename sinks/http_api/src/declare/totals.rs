//! A route's sums, with their columns found.

use arrow_schema::Field;

use crate::declare::config::metrics::Aggregate;
use crate::declare::selection::Selection;

/// A route's sums, its columns found.
#[derive(Clone, Debug)]
pub(crate) struct TotalsPlan {
    /// The name of the object over everything.
    pub whole: String,
    /// The name of the object that holds one per source.
    pub each: String,
    /// The values, in order.
    pub values: Vec<TotalValue>,
    /// The tables asked, with the columns by which their rows belong to a source: own place, place in `belongs`.
    pub tables: Vec<(Selection, Vec<(usize, usize)>)>,
    /// The tables that hold the sums of the pipeline.
    pub sums: Option<SumsPlan>,
    /// The table that knows the sources, and its column with the source's name.
    pub belongs: Option<(Selection, usize)>,
}

impl TotalsPlan {
    /// Every question it asks.
    pub(crate) fn selections(&self) -> impl Iterator<Item = &Selection> {
        let belongs = self.belongs.iter().map(|(selection, _)| selection);
        self.tables.iter().map(|(selection, _)| selection).chain(belongs)
    }

    /// Every question it asks.
    pub(crate) fn selections_mut(&mut self) -> impl Iterator<Item = &mut Selection> {
        let belongs = self.belongs.iter_mut().map(|(selection, _)| selection);
        self.tables.iter_mut().map(|(selection, _)| selection).chain(belongs)
    }
}

/// Where the sums of the pipeline are: the whole, each source, then other groups by the names of their objects.
#[derive(Clone, Debug)]
pub(crate) struct SumsPlan {
    /// Of the whole.
    pub whole: SumPlan,
    /// Of each source.
    pub each: SumPlan,
    /// Of other groups.
    pub more: Vec<(String, SumPlan)>,
}

impl SumsPlan {
    /// All of them, in that order.
    pub(crate) fn all(&self) -> impl Iterator<Item = SumPlan> {
        [self.whole, self.each].into_iter().chain(self.more.iter().map(|(_, plan)| *plan))
    }
}

/// One of these tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SumPlan {
    /// The place in [`TotalsPlan::tables`].
    pub table: usize,
    /// The place of the column that says whose sum a row is.
    pub name: usize,
}

/// One value.
#[derive(Clone, Debug)]
pub(crate) struct TotalValue {
    /// Its name.
    pub name: String,
    /// How several become one.
    pub aggregate: Aggregate,
    /// The column summed, for its type and unit.
    pub field: Field,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where the values of a sum come from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The rows heard last.
    Heard {
        /// The place among the pipeline's columns.
        column: usize,
    },
    /// The tables in [`TotalsPlan::sums`]: the place of the column in the selection of each, in their order.
    Sums {
        /// One per table.
        columns: Vec<usize>,
    },
    /// The rows of a table.
    Table {
        /// The place in [`TotalsPlan::tables`].
        table: usize,
        /// The place in its selection.
        column: usize,
    },
}
