//! Given rows as Arrow batches: values of YAML in the columns of a source.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};
use jiff::Timestamp;
use serde_json::Value;
use smiles_stage::{Path, Problem, Problems, SOURCE, TIME};

use crate::file::{Case, CasesFile, Row, Table};
use crate::times::Times;

/// The key of a given row that names its template.
const LIKE: &str = "like";

/// The rows of one pass.
pub(crate) struct Given {
    pub(crate) time: Timestamp,
    pub(crate) rows: RecordBatch,
}

/// A row with everything it is like, and where it stands.
struct Full {
    time: Timestamp,
    values: Vec<(String, Value, Path)>,
    at: Path,
}

/// Reads given tables in the columns of one source.
pub(crate) struct Reader<'a> {
    pub(crate) file: &'a CasesFile,
    pub(crate) case: &'a Case,
    pub(crate) times: &'a Times,
    pub(crate) columns: &'a SchemaRef,
}

impl Reader<'_> {
    /// The passes of a table: consecutive rows of the same time.
    ///
    /// # Errors
    /// Everything that does not fit, with its place.
    pub(crate) fn passes(&self, table: &Table, at: &Path) -> Result<Vec<Given>, Problems> {
        if let Some(problem) = table.uneven(at) {
            return Err(vec![problem]);
        }
        let mut problems = Problems::new();
        let mut rows: Vec<Full> = Vec::new();
        for row in 0..table.len() {
            match self.row(table, row, at) {
                Ok(row) => rows.push(row),
                Err(wrong) => problems.extend(wrong),
            }
        }
        let mut passes = Vec::new();
        for pass in rows.chunk_by(|one, next| one.time == next.time) {
            let Some(first) = pass.first() else { continue };
            match self.batch(pass) {
                Ok(rows) => passes.push(Given { time: first.time, rows }),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if problems.is_empty() { Ok(passes) } else { Err(problems) }
    }

    /// Columns that the source has not, each told once: at the key that names it.
    pub(crate) fn unknown_columns(&self, table: &Table, at: &Path) -> Problems {
        let defaults = [(&self.file.defaults, Path::root()), (&self.case.defaults, case_at(at))];
        let defaults = defaults
            .into_iter()
            .filter(|_| table.len() > 0)
            .flat_map(|(row, at)| row.keys().map(move |name| (name.as_str(), at.key("defaults").key(name))));
        let likes = (0..table.len()).flat_map(|row| table.cells(row, at)).filter(|(name, ..)| *name == LIKE);
        let likes: BTreeSet<&str> = likes.filter_map(|(_, value, _)| value.as_str()).collect();
        let templates = likes.into_iter().filter_map(|name| self.file.templates.get_key_value(name));
        let templates = templates.flat_map(|(name, row)| {
            let at = Path::root().key("templates").key(name);
            row.keys().map(move |name| (name.as_str(), at.key(name)))
        });
        let own = table.columns(at).into_iter().filter(|(name, _)| ![LIKE, TIME].contains(name));
        let all = defaults.chain(templates).chain(own);
        let unknown = all.filter(|(name, _)| self.columns.index_of(name).is_err());
        let known = || self.columns.fields().iter().map(|field| field.name().as_str());
        let told = unknown.map(|(name, at)| {
            let problem = Problem::error(at, format!("the source has no column `{name}`"));
            match name {
                SOURCE => problem.help(
                    "every row has it by itself; which source gives the rows, `source:` of a step says",
                ),
                _ => problem.suggest(name, known()),
            }
        });
        told.collect()
    }

    fn row(&self, table: &Table, row: usize, at: &Path) -> Result<Full, Problems> {
        let by_column = matches!(table, Table::Columns(_));
        // A column has to say something for every row: null in it leaves the row as it is.
        let mut own = table.cells(row, at);
        own.retain(|(_, value, _)| !(by_column && value.is_null()));
        let take =
            |key: &str| own.iter().find(|(name, ..)| *name == key).map(|(_, value, at)| (*value, at.clone()));
        let here = own.first().map_or_else(|| at.clone(), |(.., at)| at.clone());
        let mut problems = Problems::new();
        let like = take(LIKE).and_then(|(value, at)| self.template(value, at, &mut problems));
        let time = take(TIME).map_or_else(
            || {
                Err(Problem::error(here.clone(), "the row has no `time`")
                    .help("say when its poll began: `time: 12:30`"))
            },
            |(value, at)| {
                let read = value
                    .as_str()
                    .ok_or_else(|| format!("`{value}` is no time"))
                    .and_then(|text| self.times.read(text));
                read.map_err(|said| Problem::error(at, said))
            },
        );
        let time = time.map_err(|problem| problems.push(problem)).ok();
        let mut values: Vec<(String, Value, Path)> = Vec::new();
        let mut set = |name: &str, value: &Value, at: &Path| {
            values.retain(|(known, ..)| known != name);
            values.push((name.to_owned(), value.clone(), at.clone()));
        };
        for (base, at) in [(&self.file.defaults, Path::root()), (&self.case.defaults, case_at(&here))] {
            let at = at.key("defaults");
            base.iter().for_each(|(name, value)| set(name, value, &at.key(name.as_str())));
        }
        like.into_iter().flatten().for_each(|(name, value)| set(name, value, &here));
        for (name, value, at) in own.iter().filter(|(name, ..)| ![LIKE, TIME].contains(name)) {
            set(name, value, at);
        }
        match time {
            Some(time) if problems.is_empty() => Ok(Full { time, values, at: here }),
            _ => Err(problems),
        }
    }

    fn template(&self, value: &Value, at: Path, problems: &mut Problems) -> Option<&Row> {
        let name = value.as_str().unwrap_or_default();
        let found = self.file.templates.get(name);
        if found.is_none() {
            let problem = Problem::error(at, format!("there is no template `{name}`"));
            problems.push(problem.suggest(name, self.file.templates.keys().map(String::as_str)));
        }
        found
    }

    fn batch(&self, rows: &[Full]) -> Result<RecordBatch, Problems> {
        let mut problems: Problems = rows.iter().filter_map(|row| self.missing(row)).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let columns: Vec<ArrayRef> = self
            .columns
            .fields()
            .iter()
            .filter_map(|field| self.column(field, rows).map_err(|wrong| problems.extend(wrong)).ok())
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        RecordBatch::try_new(Arc::clone(self.columns), columns)
            .map_err(|error| vec![Problem::error(Path::root(), error.to_string())])
    }

    fn column(&self, field: &Field, rows: &[Full]) -> Result<ArrayRef, Problems> {
        if field.name() == TIME {
            let times = rows.iter().map(|row| row.time.as_microsecond());
            return Ok(Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")));
        }
        let cells: Vec<(&Value, &Path)> = rows.iter().map(|row| row.cell(field.name())).collect();
        array(field.data_type(), &cells, self.times)
    }

    /// Columns that the source always fills and the row does not.
    fn missing(&self, row: &Full) -> Option<Problem> {
        let missing: Vec<String> = self
            .columns
            .fields()
            .iter()
            .filter(|field| {
                !field.is_nullable() && field.name() != TIME && row.cell(field.name()).0.is_null()
            })
            .map(|field| format!("`{}`", field.name()))
            .collect();
        let message = format!("the source always has a value for {}", missing.join(", "));
        let problem = Problem::error(row.at.clone(), message);
        (!missing.is_empty())
            .then(|| problem.help("name it in the row, in a template (`like:`) or in `defaults`"))
    }
}

/// A case is the second step of a path: `cases[0]`.
fn case_at(at: &Path) -> Path {
    Path(at.0.iter().take(2).cloned().collect())
}

impl Full {
    fn cell(&self, name: &str) -> (&Value, &Path) {
        let found = self.values.iter().find(|(known, ..)| known == name);
        found.map_or((&Value::Null, &self.at), |(_, value, at)| (value, at))
    }
}

fn array(data_type: &DataType, cells: &[(&Value, &Path)], times: &Times) -> Result<ArrayRef, Problems> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match data_type {
        DataType::UInt8 => whole::<UInt8Type>(cells),
        DataType::UInt16 => whole::<UInt16Type>(cells),
        DataType::UInt32 => whole::<UInt32Type>(cells),
        DataType::UInt64 => whole::<UInt64Type>(cells),
        DataType::Int8 => whole::<Int8Type>(cells),
        DataType::Int16 => whole::<Int16Type>(cells),
        DataType::Int32 => whole::<Int32Type>(cells),
        DataType::Int64 => whole::<Int64Type>(cells),
        #[expect(clippy::cast_possible_truncation, reason = "a single-precision column holds no more")]
        DataType::Float32 => {
            let values = read(cells, "a number", |value| value.as_f64().map(|value| value as f32))?;
            Ok(Arc::new(values.into_iter().collect::<PrimitiveArray<Float32Type>>()))
        }
        DataType::Float64 => {
            let values = read(cells, "a number", Value::as_f64)?;
            Ok(Arc::new(values.into_iter().collect::<PrimitiveArray<Float64Type>>()))
        }
        DataType::Boolean => {
            Ok(Arc::new(read(cells, "true or false", Value::as_bool)?.into_iter().collect::<BooleanArray>()))
        }
        DataType::Utf8 => {
            Ok(Arc::new(read(cells, "text: put it in quotes", text)?.into_iter().collect::<StringArray>()))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let time = |value: &Value| Some(times.read(value.as_str()?).ok()?.as_microsecond());
            let array: TimestampMicrosecondArray = read(cells, "a time", time)?.into_iter().collect();
            Ok(Arc::new(array.with_timezone_opt(zone.clone())))
        }
        other => {
            let at = cells.first().map_or_else(Path::root, |(_, at)| (*at).clone());
            Err(vec![Problem::error(at, format!("columns of {other} cannot be given"))])
        }
    }
}

fn whole<T: ArrowPrimitiveType>(cells: &[(&Value, &Path)]) -> Result<ArrayRef, Problems>
where
    T::Native: TryFrom<i128>,
{
    let whole = |value: &Value| {
        let number = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))?;
        T::Native::try_from(number).ok()
    };
    let values = read(cells, &format!("a whole number of {}", T::DATA_TYPE), whole)?;
    Ok(Arc::new(values.into_iter().collect::<PrimitiveArray<T>>()))
}

/// Every value; null is null.
fn read<T>(
    cells: &[(&Value, &Path)],
    what: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<Option<T>>, Problems> {
    let mut problems = Problems::new();
    let mut values = Vec::with_capacity(cells.len());
    for (value, at) in cells {
        let read = if value.is_null() { None } else { read(value) };
        if read.is_none() && !value.is_null() {
            problems.push(Problem::error((*at).clone(), format!("`{value}` is not {what}")));
        }
        values.push(read);
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}
