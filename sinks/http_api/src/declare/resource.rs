//! A route whose declaration was checked: what a request may carry, and which questions answer it.

use arrow_schema::Field;
use smiles_tables::TablesPlan;

use crate::current::memory::Views;
use crate::declare::config::route::{Route, Shape};
use crate::declare::params::{Param, Values};
use crate::declare::selection::{Partner, Selection, text};
use crate::declare::totals::TotalsPlan;

/// What is known of a route without a store.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// Its template: `/api/things/{id}`.
    pub path: String,
    /// As declared.
    pub route: Route,
    /// Its parameters, those of the path first.
    pub params: Vec<Param>,
    /// The questions; none where the pipeline has no store.
    pub plan: Option<Plan>,
    /// The sums, of a route with `totals`.
    pub totals: Option<TotalsPlan>,
}

/// The questions that answer a route.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The rows.
    pub base: Selection,
    /// Columns put into each row.
    pub joins: Vec<Partner>,
    /// Lists put into each row, by name.
    pub nests: Vec<(String, Partner)>,
    /// What must exist for an empty list to be no 404.
    pub exists: Option<Selection>,
    /// How the rows are paged through.
    pub history: Option<HistoryPlan>,
}

/// Rows through time.
#[derive(Clone, Debug)]
pub(crate) struct HistoryPlan {
    /// The columns of the order, as places in the base selection; the first is the time.
    pub by: Vec<usize>,
    /// The time's name in the answer.
    pub time_name: String,
    /// The columns of which `interval` answers aggregates.
    pub buckets: Vec<Bucket>,
}

/// A column that is aggregated.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    /// As stored.
    pub column: Field,
    /// Its name in the answer, without the function's.
    pub name: String,
    /// Decimal places of a mean.
    pub decimals: i32,
}

impl Resource {
    /// Whether it answers an array.
    pub(crate) fn is_list(&self) -> bool {
        self.route.shape == Shape::List
    }

    /// Whether current rows are all it needs: it is answered from memory.
    pub(crate) fn is_current(&self) -> bool {
        let current = |selection: &Selection| selection.view.is_some();
        match (&self.plan, &self.totals) {
            (Some(plan), _) => plan.selections().all(current),
            (None, Some(totals)) => totals.selections().all(current),
            (None, None) => false,
        }
    }

    /// What a 404 says for these values.
    pub(crate) fn not_found(&self, values: &Values) -> String {
        let mut message = self.route.not_found.clone().unwrap_or_else(|| "no such row".to_owned());
        for (name, value) in values {
            message = message.replace(&format!("{{{name}}}"), &text(value));
        }
        message
    }
}

impl Plan {
    fn selections(&self) -> impl Iterator<Item = &Selection> {
        let joins = self.joins.iter().map(|partner| &partner.selection);
        let nests = self.nests.iter().map(|(_, partner)| &partner.selection);
        std::iter::once(&self.base).chain(joins).chain(nests).chain(&self.exists)
    }

    /// Lets memory answer what it can.
    pub(crate) fn follow(&mut self, mapping: &TablesPlan, views: &mut Views) {
        if self.history.is_none() {
            self.base.follow(mapping, views, &[]);
        }
        let joins = self.joins.iter_mut();
        for partner in joins.chain(self.nests.iter_mut().map(|(_, partner)| partner)) {
            let on: Vec<String> =
                partner.on.iter().map(|(_, own)| partner.selection.columns[*own].name().clone()).collect();
            partner.selection.follow(mapping, views, &on);
        }
        if let Some(exists) = &mut self.exists {
            exists.follow(mapping, views, &[]);
        }
    }
}
