//! A transform that adds a moving average of columns, by key: the mean of the last N values of each inverter's power, say.

use std::sync::Arc;

use smiles_plugin_sdk::arrow_array::cast::AsArray;
use smiles_plugin_sdk::arrow_array::types::Float64Type;
use smiles_plugin_sdk::arrow_array::{Array, ArrayRef, Float64Array};
use smiles_plugin_sdk::arrow_schema::{DataType, Field, Schema};
use smiles_plugin_sdk::schemars::JsonSchema;
use smiles_plugin_sdk::serde::Deserialize;
use smiles_plugin_sdk::{Error, Host, RecordBatch, SchemaRef, State, Transform};

/// What the stage is told.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "smiles_plugin_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "smiles_plugin_sdk::schemars")]
#[schemars(extend("examples" = [{"columns": ["value"], "key": ["source"], "window": 3}]))]
pub struct Options {
    /// columns of decimal numbers; each gets a neighbour `<column>_average`
    #[schemars(length(min = 1))]
    columns: Vec<String>,
    /// text columns that together say whose value it is; none: all rows are one
    #[serde(default)]
    key: Vec<String>,
    /// how many of the latest values are averaged
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 10_000))]
    window: u16,
}

fn ten() -> u16 {
    10
}

/// Columns by their place.
pub struct MovingAverage {
    columns: Vec<usize>,
    key: Vec<usize>,
    window: usize,
    output: SchemaRef,
}

impl Transform for MovingAverage {
    type Options = Options;
    const TYPE: &'static str = "moving_average";
    const ABOUT: &'static str = "adds the mean of the last values of a column, by key";

    fn plan(options: &Options, input: &SchemaRef) -> Result<SchemaRef, Error> {
        let mut fields: Vec<_> = input.fields().iter().cloned().collect();
        for name in &options.columns {
            let place = find(input, name, &DataType::Float64, "a column of decimal numbers")?;
            let average = format!("{name}_average");
            if input.column_with_name(&average).is_some() {
                return Err(Error::halt(format!("there is a column `{average}` already")));
            }
            let field = Field::new(average, DataType::Float64, true);
            fields.push(Arc::new(field.with_metadata(input.field(place).metadata().clone())));
        }
        for name in &options.key {
            find(input, name, &DataType::Utf8, "a text column")?;
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    fn open(options: Options, input: SchemaRef, _: Host) -> Result<Self, Error> {
        let output = Self::plan(&options, &input)?;
        let places = |names: &[String]| names.iter().map(|name| input.index_of(name)).collect::<Result<_, _>>();
        Ok(Self {
            columns: places(&options.columns)?,
            key: places(&options.key)?,
            window: usize::from(options.window),
            output,
        })
    }

    fn apply(&mut self, rows: RecordBatch, state: &mut State<'_>) -> Result<RecordBatch, Error> {
        let mut columns = rows.columns().to_vec();
        for (index, place) in self.columns.iter().enumerate() {
            columns.push(self.averages(index, *place, &rows, state));
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.output), columns)?)
    }
}

impl MovingAverage {
    fn averages(&self, index: usize, place: usize, rows: &RecordBatch, state: &mut State<'_>) -> ArrayRef {
        let values = rows.column(place).as_primitive::<Float64Type>();
        let average = |row: usize| {
            if values.is_null(row) {
                return None;
            }
            let key = self.key_of(index, rows, row);
            let mut window = state.get(&key).map(|bytes| numbers(&bytes)).unwrap_or_default();
            window.push(values.value(row));
            let latest = &window[window.len().saturating_sub(self.window)..];
            let bytes: Vec<u8> = latest.iter().flat_map(|number| number.to_le_bytes()).collect();
            state.put(&key, &bytes);
            #[expect(clippy::cast_precision_loss, reason = "at most 10,000")]
            let count = latest.len() as f64;
            Some(latest.iter().sum::<f64>() / count)
        };
        Arc::new((0..rows.num_rows()).map(average).collect::<Float64Array>())
    }

    /// The column and the row's key values, each with its length, so that no two keys look alike.
    fn key_of(&self, index: usize, rows: &RecordBatch, row: usize) -> Vec<u8> {
        let mut key = index.to_le_bytes().to_vec();
        for place in &self.key {
            let texts = rows.column(*place).as_string::<i32>();
            let text = if texts.is_null(row) { "" } else { texts.value(row) };
            key.extend(text.len().to_le_bytes());
            key.extend(text.as_bytes());
        }
        key
    }
}

fn numbers(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<8>().0.iter().map(|number| f64::from_le_bytes(*number)).collect()
}

fn find(input: &SchemaRef, name: &str, wanted: &DataType, words: &str) -> Result<usize, Error> {
    match input.column_with_name(name) {
        Some((place, field)) if field.data_type() == wanted => Ok(place),
        Some((_, field)) => Err(Error::halt(format!("column `{name}` is {}, not {words}", field.data_type()))),
        None => Err(Error::halt(format!("there is no column `{name}`"))),
    }
}

smiles_plugin_sdk::export! { license: "MIT", transforms: [MovingAverage] }
