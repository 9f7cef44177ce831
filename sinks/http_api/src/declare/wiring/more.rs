//! Checks what of a route is more than rows: history, sums, and columns that begin anew with the day.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use smiles_stage::{ColumnMeta, Order, Path, Problem};

use super::{Wiring, empty};
use crate::declare::config::history::History;
use crate::declare::config::metrics::Aggregate;
use crate::declare::config::totals::{Belongs, SumTable, Total, Totals};
use crate::declare::resource::{Bucket, HistoryPlan};
use crate::declare::selection::Selection;
use crate::declare::totals::{Origin, SumPlan, SumsPlan, TotalValue, TotalsPlan};

/// Decimal places of a mean beyond those of the values.
const MEAN_DECIMALS: i32 = 2;
/// Of a mean of values of which nothing is known.
const UNKNOWN_DECIMALS: i32 = 6;

impl Wiring<'_> {
    /// The columns of a reset, as places in the selection.
    pub(super) fn reset(
        &mut self,
        selection: &mut Selection,
        schema: &SchemaRef,
        column: &str,
        time: &str,
        at: &Path,
    ) -> Option<(usize, usize)> {
        let table = selection.table.clone();
        let counted = self.column(schema, &table, column, at.clone())?;
        let when = self.column(schema, &table, time, at.clone())?;
        if !matches!(counted.data_type(), DataType::Int64 | DataType::Float64) {
            let message = format!("the column `{column}` is of type {} and cannot be 0", counted.data_type());
            self.problems.push(Problem::error(at.clone(), message));
        }
        self.is_time(&when, at);
        Some((selection.ask(schema, column)?, selection.ask(schema, time)?))
    }

    fn is_time(&mut self, field: &Field, at: &Path) {
        if !matches!(field.data_type(), DataType::Timestamp(_, _)) {
            let message =
                format!("the column `{}` is of type {}, not a time", field.name(), field.data_type());
            self.problems.push(Problem::error(at.clone(), message));
        }
    }

    pub(super) fn history(
        &mut self,
        declared: &History,
        base: &mut Selection,
        at: &Path,
    ) -> Option<HistoryPlan> {
        let schema = Arc::clone(self.tables.get(&base.table)?);
        let table = base.table.clone();
        let mut by = Vec::new();
        for (place, name) in declared.by.iter().enumerate() {
            let at = at.key("by").index(place);
            let field = self.column(&schema, &table, name, at.clone())?;
            if place == 0 {
                self.is_time(&field, &at);
            }
            by.extend(base.ask(&schema, name));
            base.order.push(Order { column: name.clone(), descending: true });
        }
        let served = |base: &Selection, place: usize| {
            let served = base.served.iter().find(|served| served.column == place);
            served.map(|served| served.name.clone())
        };
        let mut buckets = Vec::new();
        for (place, name) in declared.buckets.iter().enumerate() {
            let at = at.key("buckets").index(place);
            let field = self.column(&schema, &table, name, at.clone())?;
            if !matches!(field.data_type(), DataType::Int64 | DataType::Float64 | DataType::Float32) {
                let message = format!("the column `{name}` is of type {}, not a number", field.data_type());
                self.problems.push(Problem::error(at, message));
            }
            let column = schema.index_of(name).ok()?;
            let place = base.columns.iter().position(|field| field.name() == schema.field(column).name());
            let served = place.and_then(|place| served(base, place)).unwrap_or_else(|| name.clone());
            // An aggregate of codes is a number: a mean of two codes is none.
            let column = field.without_labels();
            buckets.push(Bucket { decimals: decimals(&column), column, name: served });
        }
        let first = *by.first()?;
        let time_name = served(base, first).unwrap_or_else(|| declared.by[0].clone());
        Some(HistoryPlan { by, time_name, buckets })
    }

    pub(super) fn totals(&mut self, declared: &Totals, input: &SchemaRef, at: &Path) -> Option<TotalsPlan> {
        let belongs = match &declared.belongs {
            Some(belongs) => Some(self.belongs(belongs, &at.key("belongs"))?),
            None => None,
        };
        let mut plan = TotalsPlan {
            whole: declared.whole.clone(),
            each: declared.each.clone(),
            values: Vec::new(),
            tables: Vec::new(),
            sums: None,
            belongs,
        };
        if let Some(tables) = &declared.sums {
            let at = at.key("sums");
            let whole = self.sum_table(&tables.whole, &mut plan, &at.key("whole"));
            let each = self.sum_table(&tables.each, &mut plan, &at.key("each"));
            let more = tables.more.iter().filter_map(|(name, table)| {
                Some((name.to_owned(), self.sum_table(table, &mut plan, &at.key("more").key(name))?))
            });
            let more = more.collect();
            plan.sums = whole.zip(each).map(|(whole, each)| SumsPlan { whole, each, more });
        }
        for (name, total) in declared.values.iter() {
            let at = at.key("values").key(name);
            let value = match (&total.heard, &total.sum, &declared.belongs) {
                (Some(column), ..) => self.heard(name, total, column, input, &at),
                (None, Some(column), _) => self.made(name, column, total.resets.as_deref(), &mut plan, &at),
                (None, None, Some(belongs)) => self.summed(name, total, belongs, &mut plan, &at),
                (None, None, None) => None,
            };
            plan.values.extend(value);
        }
        Some(plan)
    }

    fn belongs(&mut self, declared: &Belongs, at: &Path) -> Option<(Selection, usize)> {
        let table = &declared.table;
        let mut belongs = empty(table);
        let known = self.table(table, at)?;
        let source = self.column(&known, table, &declared.source, at.key("source"))?;
        let source = belongs.ask(&known, source.name())?;
        for (_, own) in declared.on.iter() {
            self.column(&known, table, own, at.key("on"))?;
            belongs.ask(&known, own)?;
        }
        Some((belongs, source))
    }

    /// A table of sums, asked for with the column that says whose a row is.
    fn sum_table(&mut self, declared: &SumTable, plan: &mut TotalsPlan, at: &Path) -> Option<SumPlan> {
        let table = &declared.table;
        let schema = self.table(table, at)?;
        let name = self.column(&schema, table, &declared.name, at.key("name"))?;
        if !matches!(name.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
            let message = format!("the column `{}` is of type {}, not text", name.name(), name.data_type());
            self.problems.push(Problem::error(at.key("name"), message));
        }
        let mut selection = empty(table);
        let name = selection.ask(&schema, name.name())?;
        plan.tables.push((selection, Vec::new()));
        Some(SumPlan { table: plan.tables.len() - 1, name })
    }

    /// A column of each table of sums.
    fn made(
        &mut self,
        name: &str,
        column: &str,
        resets: Option<&str>,
        plan: &mut TotalsPlan,
        at: &Path,
    ) -> Option<TotalValue> {
        let mut columns = Vec::new();
        let mut field = None;
        let tables: Vec<usize> = plan.sums.as_ref()?.all().map(|sum| sum.table).collect();
        for place in tables {
            let mut selection = plan.tables[place].0.clone();
            let schema = Arc::clone(self.tables.get(&selection.table)?);
            let found = self.column(&schema, &selection.table, column, at.key("sum"))?;
            if let Some(time) = resets {
                let reset = self.reset(&mut selection, &schema, column, time, &at.key("resets"));
                selection.resets.extend(reset);
            }
            columns.push(selection.ask(&schema, column)?);
            field.get_or_insert(found);
            plan.tables[place].0 = selection;
        }
        let (name, field) = (name.to_owned(), field?);
        Some(TotalValue { name, aggregate: Aggregate::Last, field, origin: Origin::Sums { columns } })
    }

    fn heard(
        &mut self,
        name: &str,
        total: &Total,
        column: &str,
        input: &Schema,
        at: &Path,
    ) -> Option<TotalValue> {
        let Ok(place) = input.index_of(column) else {
            let known = input.fields().iter().map(|field| field.name().as_str());
            let problem = Problem::error(at.key("heard"), format!("the pipeline has no column `{column}`"));
            self.problems.push(problem.suggest(column, known));
            return None;
        };
        let field = input.field(place).clone();
        if !field.data_type().is_numeric() {
            let message = format!("the column `{column}` is of type {}, not a number", field.data_type());
            self.problems.push(Problem::error(at.key("heard"), message));
        }
        let aggregate = total.aggregate.unwrap_or(Aggregate::Sum);
        Some(TotalValue { name: name.to_owned(), aggregate, field, origin: Origin::Heard { column: place } })
    }

    fn summed(
        &mut self,
        name: &str,
        total: &Total,
        belongs: &Belongs,
        plan: &mut TotalsPlan,
        at: &Path,
    ) -> Option<TotalValue> {
        let (table, column) = total.table.as_ref().zip(total.column.as_ref())?;
        let schema = self.table(table, at)?;
        let field = self.column(&schema, table, column, at.key("column"))?;
        // The tables of sums come first, each with a place of its own.
        let sums = plan.sums.as_ref().map_or(0, |sums| sums.all().count());
        let mut own = plan.tables.iter().enumerate().skip(sums);
        let known = own.find(|(_, (selection, _))| selection.table == *table).map(|(place, _)| place);
        let place = known.unwrap_or_else(|| {
            plan.tables.push((empty(table), Vec::new()));
            plan.tables.len() - 1
        });
        let mut on = Vec::new();
        for (theirs, own) in belongs.on.iter() {
            self.column(&schema, table, theirs, at.key("table"))?;
            let known = plan.belongs.as_ref()?.0.columns.iter();
            let own = known.clone().position(|field| field.name() == own)?;
            on.push((plan.tables[place].0.ask(&schema, theirs)?, own));
        }
        if let Some(time) = &total.resets {
            let mut selection = plan.tables[place].0.clone();
            let reset = self.reset(&mut selection, &schema, column, time, &at.key("resets"));
            if let Some(reset) = reset.filter(|reset| !selection.resets.contains(reset)) {
                selection.resets.push(reset);
            }
            plan.tables[place].0 = selection;
        }
        let (selection, joined) = &mut plan.tables[place];
        *joined = on;
        let column = selection.ask(&schema, column)?;
        let aggregate = total.aggregate.unwrap_or(Aggregate::Sum);
        let origin = Origin::Table { table: place, column };
        Some(TotalValue { name: name.to_owned(), aggregate, field, origin })
    }
}

/// How many decimal places a mean of this column is worth.
fn decimals(field: &Field) -> i32 {
    let step = field.resolution().or(field.data_type().is_integer().then_some(1.0));
    let places = |step: f64| (0..=9).find(|places| (step * 10_f64.powi(*places)).fract().abs() < 1e-6);
    step.filter(|step| *step > 0.0).and_then(places).map_or(UNKNOWN_DECIMALS, |places| places + MEAN_DECIMALS)
}

#[cfg(test)]
mod tests {
    use smiles_stage::ColumnMeta;

    use super::*;

    #[test]
    fn a_mean_has_two_places_more_than_the_values() {
        let number = Field::new("v", DataType::Float64, true);
        let rows = [
            (number.clone().with_resolution(0.1), 3),
            (number.clone().with_resolution(0.01), 4),
            (number.clone().with_resolution(10.0), 2),
            (Field::new("n", DataType::Int64, true), 2),
            (number, 6),
        ];
        for (field, expected) in rows {
            assert_eq!(decimals(&field), expected, "{field:?}");
        }
    }
}
