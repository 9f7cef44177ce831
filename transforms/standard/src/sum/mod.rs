//! `sum`: energy of the whole, of each source and of other groups, established once and then only grown.
//!
//! The rules are in [`state`], what is taken over from a store in [`recall`]; this file is the stage around them:
//! options, columns, state.

mod clock;
mod options;
mod recall;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::builder::Float64Builder;
use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use clock::period_of;
use jiff::tz::TimeZone;
use smiles_stage::{
    ColumnMeta, Offer, OpenContext, PassInfo, Path, Periods, PlanContext, Problem, Problems, Query, SOURCE,
    Stage, StageError, State, Subject, Transform, TransformPlan, time_zone,
};
use state::{SumRow, SumState};

use crate::column_plan::{ColumnPlan, transform_plan};
use crate::columns;
use crate::keyed::Key;
use crate::rate::Rate;
use crate::sum::options::SumOptions;

/// The stage type `sum`.
pub struct Sum;

impl Stage for Sum {
    type Plan = dyn TransformPlan;
    type Config = SumOptions;
    const NAME: &'static str = "sum";
    const ABOUT: &'static str = "sums of totals over the whole, each source or other groups, that never step";

    fn plan(config: SumOptions, _context: PlanContext<'_>) -> Result<Box<dyn TransformPlan>, Problems> {
        let mut problems = Problems::new();
        let zone = time_zone(&config.timezone, Path::root().key("timezone"))
            .map_err(|problem| problems.push(problem));
        if !(0..=23).contains(&config.reset_hour) {
            let said = format!("`{}` is not an hour of the day (0 to 23)", config.reset_hour);
            problems.push(Problem::error(Path::root().key("reset_hour"), said));
        }
        if config.sums.is_empty() {
            let at = Path::root().key("sums");
            problems.push(Problem::error(at, "no sum is named").help("write for example `plant: []`"));
        }
        for (name, by) in &config.sums {
            for (place, column) in by.iter().enumerate() {
                if column != SOURCE && !config.key.contains(column) {
                    let at = Path::root().key("sums").key(name).index(place);
                    let said = format!("`{column}` is neither in `key` nor `{SOURCE}`");
                    problems.push(Problem::error(at, said).help("a group is made of those only"));
                }
            }
        }
        match zone {
            Ok(zone) if problems.is_empty() => Ok(transform_plan(SumPlan { options: config, zone })),
            _ => Err(problems),
        }
    }
}

struct SumPlan {
    options: SumOptions,
    zone: TimeZone,
}

/// Where the stage finds its columns.
struct SumColumns {
    time: usize,
    source: usize,
    key: Key,
    total: usize,
    today: Option<usize>,
    /// Per sum, its group's columns; `None`: the whole.
    groups: Vec<Option<Key>>,
    rate: Option<Rate>,
    schema: SchemaRef,
}

impl ColumnPlan for SumPlan {
    type Columns = SumColumns;

    fn columns(&self, input: &SchemaRef) -> Result<SumColumns, Problems> {
        let Self { options, .. } = self;
        let root = Path::root();
        let mut problems = Problems::new();
        let key = Key::resolve(input, &options.key, &root.key("key"));
        let total = columns::find_number(input, &options.total, root.key("total"));
        let today = options.today.as_ref();
        let today = today.map(|today| columns::find_number(input, today, root.key("today"))).transpose();
        let time = columns::find_time(input);
        let source = columns::find(input, SOURCE, root.clone());
        let unit = input.field_with_name(&options.total).ok().and_then(ColumnMeta::measure);
        let rate = options.max_rate.as_ref();
        let rate = rate.map(|rate| rate.resolve(unit.as_ref(), &root.key("max_rate"))).transpose();
        let mut groups = Vec::new();
        for (name, by) in &options.sums {
            let group = (!by.is_empty()).then(|| Key::resolve(input, by, &root.key("sums").key(name)));
            match group.transpose() {
                Ok(group) => groups.push(group),
                Err(more) => problems.extend(more),
            }
        }
        if let (Ok(key), Ok(total), Ok(today), Ok(time), Ok(source), Ok(rate)) =
            (&key, &total, &today, &time, &source, &rate)
            && problems.is_empty()
        {
            let schema = self.schema(input, *total, *today)?;
            let (total, today, time, source) = (*total, *today, *time, *source);
            let (key, rate) = (key.clone(), *rate);
            return Ok(SumColumns { time, source, key, total, today, groups, rate, schema });
        }
        problems.extend(key.err().into_iter().flatten());
        problems.extend(total.err());
        problems.extend(today.err());
        problems.extend(time.err());
        problems.extend(source.err());
        problems.extend(rate.err());
        Err(problems)
    }

    fn output(columns: &SumColumns) -> SchemaRef {
        Arc::clone(&columns.schema)
    }

    fn subject(&self, input: &SchemaRef) -> Option<Subject> {
        let SumOptions { key, total, today, .. } = &self.options;
        let subject = Subject::default().with("total", total.as_str()).with("today", today.clone());
        Some(subject.with("key", key.clone()).with("unit", columns::unit(input, total)))
    }

    fn asks(&self, store: &Offer) -> Vec<Option<Query>> {
        recall::questions(&self.options, store)
    }

    fn open(&self, columns: Arc<SumColumns>, context: OpenContext) -> Box<dyn Transform> {
        let periods = Periods::new(self.zone.clone(), self.options.reset_hour);
        let (options, pipeline) = (self.options.clone(), context.pipeline);
        let ids = options.ids().collect();
        let upstream = context.upstream;
        Box::new(SumTransform { options, pipeline, columns, periods, ids, upstream })
    }
}

impl SumPlan {
    /// What enters, and for each sum its name (of the whole), its total and its today.
    fn schema(&self, input: &SchemaRef, total: usize, today: Option<usize>) -> Result<SchemaRef, Problems> {
        let mut fields: Vec<Arc<Field>> = input.fields().iter().cloned().collect();
        let mut problems = Problems::new();
        for (name, by) in &self.options.sums {
            let named = by.is_empty().then(|| Field::new(name, DataType::Utf8, false));
            let summed = [Some(total), today].into_iter().flatten().map(|column| {
                let field = input.field(column).clone().without_labels();
                let data_type = columns::widened(field.data_type());
                let name = format!("{name}_{}", field.name());
                field.with_name(name).with_data_type(data_type).with_nullable(true)
            });
            for field in named.into_iter().chain(summed) {
                if fields.iter().any(|known| known.name() == field.name()) {
                    let at = Path::root().key("sums").key(name);
                    problems.push(
                        Problem::error(at, format!("there is a column `{}` already", field.name()))
                            .help("give the sum another name"),
                    );
                }
                fields.push(Arc::new(field));
            }
        }
        let schema = Schema::new_with_metadata(fields, input.metadata().clone());
        if problems.is_empty() { Ok(Arc::new(schema)) } else { Err(problems) }
    }
}

struct SumTransform {
    options: SumOptions,
    pipeline: String,
    columns: Arc<SumColumns>,
    periods: Periods,
    ids: Vec<String>,
    upstream: Vec<String>,
}

impl Transform for SumTransform {
    fn remembers(&self, state: &dyn State) -> bool {
        SumState::is_kept(state)
    }

    fn recall(
        &mut self,
        known: &[Option<RecordBatch>],
        pass: &PassInfo,
        state: &mut dyn State,
    ) -> Result<(), StageError> {
        let period = self.period(pass.began.as_microsecond())?;
        let stored = recall::StoredSums { options: &self.options, pipeline: &self.pipeline, known };
        stored.sum_state(period, &mut self.periods)?.store(state)
    }

    fn apply(
        &mut self,
        batch: RecordBatch,
        pass: &PassInfo,
        state: &mut dyn State,
    ) -> Result<RecordBatch, StageError> {
        let rows = self.rows(&batch)?;
        let Some(mut sums) = SumState::load(state, &self.ids)? else {
            // What the store knows is not known here yet: no sum can be told.
            return self.with_sums(&batch, &rows, None);
        };
        sums.fed_by(&self.upstream);
        for (time, row) in &rows {
            let period = self.period(*time)?;
            sums.clock.look(*time, period);
            if let Some(row) = row {
                sums.count(row.clone(), *time, self.columns.rate);
            }
        }
        if rows.is_empty() {
            let now = pass.began.as_microsecond();
            let period = self.period(now)?;
            sums.clock.look(now, period);
        }
        sums.establish_ready(pass);
        sums.store(state)?;
        self.with_sums(&batch, &rows, Some(&sums))
    }
}

impl SumTransform {
    fn period(&mut self, time: i64) -> Result<i64, StageError> {
        period_of(&mut self.periods, time)
            .ok_or_else(|| StageError::halt("a row's time lies at the end of the calendar"))
    }

    /// The rows with their times; one of nobody knows whom has no other part in any sum.
    fn rows(&self, batch: &RecordBatch) -> Result<Vec<(i64, Option<SumRow>)>, StageError> {
        let SumColumns { time, source, key, total, today, groups, .. } = self.columns.as_ref();
        let times = columns::Times::of(batch, *time);
        let totals = columns::counters(batch, *total)?;
        let todays = today.map(|today| columns::counters(batch, today)).transpose()?;
        let source = Key::single(*source);
        let text = |key: &Key, row| {
            let mut bytes = Vec::new();
            key.write(batch, row, &mut bytes).then(|| String::from_utf8_lossy(&bytes).into_owned())
        };
        let row = |row: usize| {
            let group =
                |group: &Option<Key>| group.as_ref().map_or(Some(String::new()), |key| text(key, row));
            let heard = || {
                Some(SumRow {
                    key: text(key, row)?,
                    source: text(&source, row)?,
                    groups: self
                        .ids
                        .iter()
                        .cloned()
                        .zip(groups)
                        .map(|(id, by)| Some((id, group(by)?)))
                        .collect::<Option<_>>()?,
                    total: columns::value(&totals, row),
                    today: todays.as_ref().and_then(|todays| columns::value(todays, row)),
                })
            };
            Ok((times.at(row)?.as_microsecond(), heard()))
        };
        (0..batch.num_rows()).map(row).collect()
    }

    /// The batch with the sums as they stand after it.
    fn with_sums(
        &self,
        batch: &RecordBatch,
        rows: &[(i64, Option<SumRow>)],
        sums: Option<&SumState>,
    ) -> Result<RecordBatch, StageError> {
        let mut arrays = batch.columns().to_vec();
        for (id, by) in self.ids.iter().zip(self.options.sums.values()) {
            if by.is_empty() {
                let names = std::iter::repeat_n(&self.pipeline, rows.len());
                arrays.push(Arc::new(StringArray::from_iter_values(names)));
            }
            let (mut totals, mut todays) = (Float64Builder::new(), Float64Builder::new());
            for (_, row) in rows {
                let name = match row {
                    Some(row) => row.groups.get(id).cloned(),
                    None => by.is_empty().then(String::new),
                };
                let group = name.zip(sums).and_then(|(name, sums)| sums.groups.get(&(id.clone(), name)));
                totals.append_option(group.and_then(|group| group.total).map(decimal));
                todays.append_option(
                    group.filter(|group| group.total.is_some()).map(|group| decimal(group.today)),
                );
            }
            let todays = self.columns.today.map(|_| todays.finish());
            for values in [Some(totals.finish()), todays].into_iter().flatten() {
                let data_type = self.columns.schema.field(arrays.len()).data_type();
                arrays.push(columns::narrowed(&values, data_type));
            }
        }
        RecordBatch::try_new(Arc::clone(&self.columns.schema), arrays).map_err(columns::unexpected)
    }
}

/// A sum without the dust of binary fractions.
fn decimal(sum: f64) -> f64 {
    const PLACES: f64 = 1e6;
    // Beyond, a double has no such places.
    if sum.abs() < 1e9 { (sum * PLACES).round() / PLACES } else { sum }
}
