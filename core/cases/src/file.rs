//! The file of test cases, as a person writes it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use smiles_stage::{Path, Problem};

/// Columns and their values.
pub(crate) type Row = Map<String, Value>;

/// Test cases of one pipeline.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CasesFile {
    /// The pipeline file, named from the folder of this file.
    pub(crate) pipeline: String,
    /// Variables of the pipeline. Those of the environment are not looked at: a case says everything it depends on.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
    /// Values of given columns that a row does not name.
    #[serde(default)]
    pub(crate) defaults: Row,
    /// Kinds of given rows by name: a row with `like: NAME` has these values where it names none of its own.
    #[serde(default)]
    pub(crate) templates: BTreeMap<String, Row>,
    /// The day of times such as `12:30`; `1d 12:30` is on the next.
    pub(crate) date: Option<String>,
    /// The time zone of such times (IANA name); UTC unless said.
    pub(crate) timezone: Option<String>,
    /// How far a number may lie from the one expected; a billionth of it unless said.
    pub(crate) tolerance: Option<f64>,
    /// The cases.
    pub(crate) cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What it shows, as a sentence; every case has its own.
    pub(crate) name: String,
    /// More about it, for people.
    #[expect(dead_code, reason = "for people who read the file")]
    pub(crate) about: Option<String>,
    /// Variables that differ from the file's.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
    /// Defaults that differ from the file's.
    #[serde(default)]
    pub(crate) defaults: Row,
    /// The day of times such as `12:30`; `1d 12:30` is on the next.
    pub(crate) date: Option<String>,
    /// The time zone of such times (IANA name); UTC unless said.
    pub(crate) timezone: Option<String>,
    /// How far a number may lie from the one expected; a billionth of it unless said.
    pub(crate) tolerance: Option<f64>,
    /// What comes from the sources: one step, or a list of them.
    pub(crate) given: Given,
    /// What leaves each stage in the whole case, by the stage's name.
    #[serde(default)]
    pub(crate) expect: BTreeMap<String, Table>,
}

/// One step, or a list of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Given {
    /// One.
    Step(Box<Step>),
    /// Several, in order.
    Steps(Vec<Step>),
}

/// Something that comes from a source: rows, or what a device has in its registers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// The process was killed and started again before this.
    #[serde(default)]
    pub(crate) restart: bool,
    /// Which source; needs no saying where there is one.
    pub(crate) source: Option<String>,
    /// Rows as the source emits them, each with its `time`; rows of the same time are of one pass.
    pub(crate) rows: Option<Table>,
    /// Registers of the device: address to hexadecimal bytes, or table to such a map, as for `smiles simulate --image`.
    pub(crate) image: Option<BTreeMap<String, Recorded>>,
    /// When the pass over these registers begins.
    pub(crate) time: Option<String>,
    /// What the device gets wrong on the wire (`smiles simulate --quirk help`).
    #[serde(default)]
    pub(crate) quirks: Vec<String>,
    /// The pass fails, wholly or in part, and says this.
    pub(crate) fails: Option<String>,
    /// What leaves each stage in this step, by the stage's name.
    #[serde(default)]
    pub(crate) expect: BTreeMap<String, Table>,
}

/// What is recorded under an address, or of a table.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Recorded {
    /// Hexadecimal bytes from an address on.
    Hex(String),
    /// One coil or discrete input.
    Bit(bool),
    /// Several of them from an address on.
    Bits(Vec<bool>),
    /// Of one table (`holding`, `input`, `coils`, `discrete`): by address.
    Table(BTreeMap<String, RecordedInTable>),
}

/// What is recorded under an address of a table.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RecordedInTable {
    /// Hexadecimal bytes from the address on.
    Hex(String),
    /// One coil or discrete input.
    Bit(bool),
    /// Several of them from the address on.
    Bits(Vec<bool>),
}

/// Rows: a list of maps, or a map of columns with a list of values each.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Table {
    /// Row by row; a column that is not named does not matter.
    Rows(Vec<Row>),
    /// Column by column, all of one length.
    Columns(BTreeMap<String, Vec<Value>>),
}

/// The JSON Schema of files of cases.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(CasesFile).to_value();
    schema["title"] = "S-Miles test cases".into();
    schema
}

impl Case {
    /// Whether any step is about registers.
    pub(crate) fn gives_registers(&self) -> bool {
        self.steps(&Path::root()).iter().any(|(_, step)| step.image.is_some())
    }

    /// The steps with their places, below the case's own.
    pub(crate) fn steps(&self, at: &Path) -> Vec<(Path, &Step)> {
        let given = at.key("given");
        match &self.given {
            Given::Step(step) => vec![(given, step)],
            Given::Steps(steps) => {
                steps.iter().enumerate().map(|(place, step)| (given.index(place), step)).collect()
            }
        }
    }
}

impl CasesFile {
    /// The day and the zone of short times in a case.
    pub(crate) fn terms<'a>(&'a self, case: &'a Case) -> (Option<&'a str>, Option<&'a str>) {
        let date = case.date.as_deref().or(self.date.as_deref());
        (date, case.timezone.as_deref().or(self.timezone.as_deref()))
    }

    /// The variables of a case.
    pub(crate) fn variables(&self, case: &Case) -> BTreeMap<String, String> {
        let all = self.variables.iter().chain(&case.variables);
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

impl Table {
    /// How many rows.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Columns(columns) => columns.values().map(Vec::len).max().unwrap_or(0),
        }
    }

    /// A column of another length than the others.
    pub(crate) fn uneven(&self, at: &Path) -> Option<Problem> {
        let Self::Columns(columns) = self else { return None };
        let (name, values) = columns.iter().find(|(_, values)| values.len() < self.len())?;
        let message = format!("`{name}` has {} values and another column has {}", values.len(), self.len());
        Some(Problem::error(at.key(name), message).help("every column has one value per row"))
    }

    /// The names of all columns, each with the place that names it first.
    pub(crate) fn columns<'a>(&'a self, at: &Path) -> Vec<(&'a str, Path)> {
        match self {
            Self::Columns(columns) => columns.keys().map(|name| (name.as_str(), at.key(name))).collect(),
            Self::Rows(rows) => {
                let mut all: Vec<(&str, Path)> = Vec::new();
                let cells = rows.iter().enumerate();
                for (place, name) in cells.flat_map(|(place, row)| row.keys().map(move |name| (place, name)))
                {
                    if !all.iter().any(|(known, _)| known == name) {
                        all.push((name, at.index(place).key(name)));
                    }
                }
                all
            }
        }
    }

    /// The cells of one row with their places.
    pub(crate) fn cells<'a>(&'a self, row: usize, at: &Path) -> Vec<(&'a str, &'a Value, Path)> {
        match self {
            Self::Rows(rows) => {
                let cells = rows.get(row).into_iter().flatten();
                cells.map(|(name, value)| (name.as_str(), value, at.index(row).key(name))).collect()
            }
            Self::Columns(columns) => {
                let cells = columns.iter().filter_map(|(name, values)| {
                    Some((name.as_str(), values.get(row)?, at.key(name).index(row)))
                });
                cells.collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(yaml: &str) -> Table {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn cells(table: &Table, row: usize) -> Vec<String> {
        let at = Path::root().key("rows");
        table.cells(row, &at).iter().map(|(name, value, at)| format!("{name}={value} {at}")).collect()
    }

    #[test]
    fn both_ways_to_write_a_table_say_the_same() {
        let rows = table("[{a: 1, b: x}, {a: 2}]");
        let columns = table("{a: [1, 2], b: [x, y]}");
        assert_eq!(cells(&rows, 0), ["a=1 rows[0].a", "b=\"x\" rows[0].b"]);
        assert_eq!(cells(&columns, 0), ["a=1 rows.a[0]", "b=\"x\" rows.b[0]"]);
        assert_eq!(cells(&rows, 1), ["a=2 rows[1].a"]);
        assert_eq!((rows.len(), columns.len(), table("[]").len()), (2, 2, 0));
        let names: Vec<_> = rows.columns(&Path::root()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
        let uneven = table("{a: [1, 2], b: [x]}").uneven(&Path::root()).unwrap();
        assert_eq!(uneven.at.to_string(), "b");
        assert_eq!(uneven.message, "`b` has 1 values and another column has 2");
    }
}
