//! The key of a row: the texts of some columns, as bytes under which state is kept, and that state.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::Float64Builder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Float64Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use smiles_stage::{Path, Problem, Problems, StageError, State};

use crate::columns;

/// The columns that make a key, by index.
#[derive(Clone, Debug)]
pub(crate) struct Key(Vec<usize>);

impl Key {
    /// Finds the columns; `at` is the path of the option that lists them.
    pub(crate) fn resolve(schema: &Schema, names: &[String], at: &Path) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if names.is_empty() {
            problems.push(
                Problem::error(at.clone(), "no column is named")
                    .help("list the columns that tell one device from another"),
            );
        }
        let mut indices = Vec::new();
        for (place, name) in names.iter().enumerate() {
            match columns::find(schema, name, at.index(place)) {
                Ok(index)
                    if matches!(schema.field(index).data_type(), DataType::Utf8)
                        || schema.field(index).data_type().is_integer() =>
                {
                    indices.push(index);
                }
                Ok(index) => problems.push(Problem::error(
                    at.index(place),
                    format!(
                        "column `{name}` holds {}; a key is text or whole numbers",
                        schema.field(index).data_type()
                    ),
                )),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(Self(indices)) } else { Err(problems) }
    }

    /// Of one column.
    pub(crate) fn single(column: usize) -> Self {
        Self(vec![column])
    }

    /// Writes the row's key: the values as text, joined by a zero byte; `false` where any of them is null.
    pub(crate) fn write(&self, batch: &RecordBatch, row: usize, key: &mut Vec<u8>) -> bool {
        key.clear();
        for (place, index) in self.0.iter().enumerate() {
            if place > 0 {
                key.push(0);
            }
            let column = batch.column(*index);
            if column.is_null(row) {
                return false;
            }
            macro_rules! whole {
                ($($kind:ident => $native:ident),*) => {
                    match column.data_type() {
                        DataType::Utf8 => key.extend_from_slice(column.as_string::<i32>().value(row).as_bytes()),
                        $(DataType::$kind => {
                            if write!(key, "{}", column.as_primitive::<$native>().value(row)).is_err() {
                                return false;
                            }
                        })*
                        _ => return false,
                    }
                };
            }
            whole!(
                Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, Int64 => Int64Type, UInt8 => UInt8Type,
                UInt16 => UInt16Type, UInt32 => UInt32Type, UInt64 => UInt64Type
            );
        }
        true
    }

    /// Whether the column is one of them.
    pub(crate) fn contains(&self, index: usize) -> bool {
        self.0.contains(&index)
    }
}

/// The states of the keys of one batch: each is read once and, if it changed, written once, as JSON, so that anyone
/// can read it in the journal.
struct Memory<T> {
    stage: &'static str,
    places: HashMap<Arc<[u8]>, usize>,
    slots: Vec<Slot<T>>,
}

struct Slot<T> {
    key: Arc<[u8]>,
    before: Option<T>,
    now: Option<T>,
}

impl<T: Copy + PartialEq + Serialize + DeserializeOwned> Memory<T> {
    fn new(stage: &'static str) -> Self {
        Self { stage, places: HashMap::new(), slots: Vec::new() }
    }

    /// The key's state; `None` for a key never seen.
    fn slot(&mut self, key: &[u8], state: &dyn State) -> Result<&mut Option<T>, StageError> {
        let place = match self.places.get(key) {
            Some(place) => *place,
            None => {
                let before = state.get(key).map(|bytes| self.decode(&bytes)).transpose()?;
                let key: Arc<[u8]> = key.into();
                self.places.insert(Arc::clone(&key), self.slots.len());
                self.slots.push(Slot { key, before, now: before });
                self.slots.len() - 1
            }
        };
        Ok(&mut self.slots[place].now)
    }

    /// Puts what changed.
    fn store(self, state: &mut dyn State) -> Result<(), StageError> {
        for Slot { key, before, now } in &self.slots {
            if let Some(now) = now.filter(|now| before.as_ref() != Some(now)) {
                let bytes = serde_json::to_vec(&now).map_err(|error| {
                    StageError::halt(format!("cannot write a state of {}", self.stage)).because(error)
                })?;
                state.put(key, bytes);
            }
        }
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, StageError> {
        serde_json::from_slice(bytes).map_err(|error| {
            StageError::halt(format!("the journal holds a state of {} that cannot be read", self.stage))
                .because(error)
        })
    }
}

/// Each row of a batch with its key and what is remembered of that, and the value that comes of it; a row of nobody knows
/// whom has none. What changed is put into the state at the end.
pub(crate) fn each_row<T: Copy + PartialEq + Serialize + DeserializeOwned>(
    stage: &'static str,
    batch: &RecordBatch,
    key: &Key,
    state: &mut dyn State,
    mut value: impl FnMut(usize, &[u8], &mut Option<T>) -> Result<Option<f64>, StageError>,
) -> Result<Float64Array, StageError> {
    let mut memory = Memory::new(stage);
    let mut values = Float64Builder::with_capacity(batch.num_rows());
    let mut bytes = Vec::new();
    for row in 0..batch.num_rows() {
        values.append_option(match key.write(batch, row, &mut bytes) {
            true => value(row, &bytes, memory.slot(&bytes, state)?)?,
            false => None,
        });
    }
    memory.store(state)?;
    Ok(values.finish())
}

/// A key for a log line.
pub(crate) fn shown(key: &[u8]) -> String {
    String::from_utf8_lossy(key).replace('\0', "/")
}
