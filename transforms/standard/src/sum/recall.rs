//! What a store knows of the summed things and their sums, taken over where the journal knows nothing: after its loss,
//! and after an update from a program that kept no sums.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use smiles_stage::{MappedTable, Offer, Path, Periods, Query, SOURCE, StageError, TIME};

use super::clock::period_of;
use super::state::{Groups, SumGroup, SumState, SummedKey};
use crate::sum::options::SumOptions;
use crate::{columns, keyed};

/// More rows than any pipeline has devices.
const ROWS_MAX: u64 = 1_000_000;

/// The columns asked for: those of the key first, then these.
struct AskedColumns<'a> {
    key: Vec<&'a str>,
    values: Vec<&'a str>,
}

/// What to ask: of the summed things, of the sources they were heard by, and of each sum. `None`: no table holds that.
pub(super) fn questions(options: &SumOptions, store: &Offer) -> Vec<Option<Query>> {
    let upserted = || store.mapped.iter().filter(|table| !table.key.is_empty());
    let mut queries = vec![
        upserted().find_map(|table| query(table, &of_things(options))),
        upserted().find_map(|table| sources(table, options)),
    ];
    for (name, by) in &options.sums {
        queries.push(upserted().find_map(|table| {
            let total = format!("{name}_{}", options.total);
            let today = options.today.as_ref().map(|today| format!("{name}_{today}"));
            let key = if by.is_empty() { vec![name.as_str()] } else { texts(by) };
            let values = [Some(TIME), Some(total.as_str()), today.as_deref()];
            query(table, &AskedColumns { key, values: values.into_iter().flatten().collect() })
        }));
    }
    queries
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn of_things(options: &SumOptions) -> AskedColumns<'_> {
    let values = [Some(TIME), Some(options.total.as_str()), options.today.as_deref()];
    AskedColumns { key: texts(&options.key), values: values.into_iter().flatten().collect() }
}

/// The question, if the table is keyed so and has all of that.
fn query(table: &MappedTable, asked: &AskedColumns<'_>) -> Option<Query> {
    let names = |columns: &[&str]| -> Option<Vec<String>> {
        columns.iter().map(|column| table.columns.get(*column).cloned()).collect()
    };
    let (key, values) = (names(&asked.key)?, names(&asked.values)?);
    let same = table.key.len() == key.len() && table.key.iter().all(|name| key.contains(name));
    let columns = key.into_iter().chain(values).collect();
    same.then(|| Query { table: table.name.clone(), columns, limit: Some(ROWS_MAX), ..Query::default() })
}

/// The question for a table that is keyed by the first columns of the key and says the source.
fn sources(table: &MappedTable, options: &SumOptions) -> Option<Query> {
    let part: Vec<&str> = texts(&options.key).into_iter().take_while(|name| keys(table, name)).collect();
    (!part.is_empty()).then(|| query(table, &AskedColumns { key: part, values: vec![SOURCE] })).flatten()
}

fn keys(table: &MappedTable, column: &str) -> bool {
    table.columns.get(column).is_some_and(|name| table.key.contains(name))
}

/// What the store answered, to become the state.
pub(super) struct StoredSums<'a> {
    pub(super) options: &'a SumOptions,
    pub(super) pipeline: &'a str,
    /// One per question; none at all: nothing is known.
    pub(super) known: &'a [Option<RecordBatch>],
}

/// A row of a stored sum or key.
struct StoredRow {
    time: Option<i64>,
    total: Option<f64>,
    today: Option<f64>,
}

impl StoredSums<'_> {
    /// What is known, in this period.
    pub(super) fn sum_state(&self, period: i64, periods: &mut Periods) -> Result<SumState, StageError> {
        let mut sums = SumState::new(period);
        let sources = self.sources()?;
        for (key, kept) in self.rows(0, self.options.key.len())? {
            let source =
                sources.iter().find(|(part, _)| belongs(&key, part)).map(|(_, source)| source.clone());
            let source = source.unwrap_or_default();
            let groups = self.groups(&key, &source);
            let (today, of) =
                (kept.today.unwrap_or(0.0), kept.time.and_then(|time| period_of(periods, time)));
            let mut known = SummedKey::known(kept.total, (of.unwrap_or(period), today), kept.time, source);
            known.groups = groups;
            sums.keys.insert(key, known);
        }
        for (place, (id, by)) in self.options.ids().zip(self.options.sums.values()).enumerate() {
            let had = self.rows(place + 2, by.len().max(1))?;
            self.sum(&mut sums, (&id, by), had.into_iter().collect(), period, periods);
        }
        Ok(sums)
    }

    /// A sum that the store has goes on from there. One that it does not have although it has totals is what they sum
    /// to: they were shown so. One without a value was still waiting.
    fn sum(
        &self,
        sums: &mut SumState,
        (sum, by): (&str, &[String]),
        mut had: BTreeMap<String, StoredRow>,
        period: i64,
        periods: &mut Periods,
    ) {
        if by.is_empty() {
            had = had.remove(self.pipeline).map(|kept| (String::new(), kept)).into_iter().collect();
        }
        let named = sums.keys.values().filter_map(|key| key.groups.get(sum).cloned());
        let names: Vec<String> = named.chain(had.keys().cloned()).collect();
        for name in names {
            let mut group = SumGroup::new(period);
            match had.get(&name) {
                Some(kept) => {
                    group.total = kept.total;
                    group.today = kept.today.unwrap_or(0.0);
                    let of = kept.time.filter(|_| kept.total.is_some());
                    group.period = of.and_then(|time| period_of(periods, time)).unwrap_or(period);
                }
                None => {
                    let members = sums.keys.values().filter(|key| key.groups.get(sum) == Some(&name));
                    let members: Vec<&SummedKey> = members.filter(|key| key.total.is_some()).collect();
                    if !members.is_empty() {
                        group.establish(&members, period);
                    }
                }
            }
            sums.groups.insert((sum.to_owned(), name), group);
        }
    }

    /// The groups of a key of which only these texts are known.
    fn groups(&self, key: &str, source: &str) -> Groups {
        let parts: Vec<&str> = key.split('\0').collect();
        let part = |column: &String| {
            let place = self.options.key.iter().position(|name| name == column);
            place.and_then(|place| parts.get(place).copied()).unwrap_or(source)
        };
        let group = |by: &Vec<String>| by.iter().map(part).collect::<Vec<_>>().join("\0");
        self.options.ids().zip(self.options.sums.values().map(group)).collect()
    }

    /// The first parts of keys, and the source of each.
    fn sources(&self) -> Result<Vec<(Vec<String>, String)>, StageError> {
        let Some(Some(answer)) = self.known.get(1) else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for row in 0..answer.num_rows() {
            let texts = texts_of(answer, row, answer.num_columns())?;
            all.extend(texts.and_then(|mut part| part.pop().map(|source| (part, source))));
        }
        Ok(all)
    }

    /// The rows of an answer by the texts of their first columns.
    fn rows(&self, place: usize, keys: usize) -> Result<Vec<(String, StoredRow)>, StageError> {
        let Some(Some(answer)) = self.known.get(place) else { return Ok(Vec::new()) };
        let times = columns::Times::of(answer, keys);
        let totals = columns::counters(answer, keys + 1)?;
        let todays = self.options.today.as_ref().map(|_| columns::counters(answer, keys + 2)).transpose()?;
        let mut rows = Vec::new();
        for row in 0..answer.num_rows() {
            let Some(texts) = texts_of(answer, row, keys)? else { continue };
            let today = todays.as_ref().and_then(|todays| columns::value(todays, row));
            let time = times.at(row).ok().map(jiff::Timestamp::as_microsecond);
            rows.push((texts.join("\0"), StoredRow { time, total: columns::value(&totals, row), today }));
        }
        Ok(rows)
    }
}

/// The texts of a row's first columns; `None`: one is null.
fn texts_of(answer: &RecordBatch, row: usize, keys: usize) -> Result<Option<Vec<String>>, StageError> {
    let schema = answer.schema();
    let names: Vec<String> = schema.fields().iter().take(keys).map(|field| field.name().clone()).collect();
    let unfit = |_| StageError::halt("the store answers keys of a type that is none");
    let key = keyed::Key::resolve(&schema, &names, &Path::root()).map_err(unfit)?;
    let mut bytes = Vec::new();
    let whole = key.write(answer, row, &mut bytes);
    Ok(whole.then(|| String::from_utf8_lossy(&bytes).split('\0').map(str::to_owned).collect()))
}

/// Whether the key begins with these parts.
fn belongs(key: &str, parts: &[String]) -> bool {
    let mut texts = key.split('\0');
    parts.iter().all(|part| texts.next() == Some(part.as_str()))
}
