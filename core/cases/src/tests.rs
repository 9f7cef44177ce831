//! A stage that keeps its memory to itself is found out.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::SchemaRef;
use schemars::JsonSchema;
use serde::Deserialize;
use smiles_config::{Folder, Tree};
use smiles_sink_sqlite::Sqlite;
use smiles_source_simulator::Synthetic;
use smiles_stage::{
    OpenContext, PassInfo, PlanContext, Problems, Registry, Stage, StageError, State, Transform,
    TransformPlan, WiredTransform,
};

use super::*;

/// Adds up the column `value`, in its state or in itself.
struct Sum;

#[derive(Clone, Copy, Deserialize, JsonSchema)]
struct Options {
    forgetful: bool,
}

struct Summing {
    options: Options,
    sum: i64,
}

impl Stage for Sum {
    type Plan = dyn TransformPlan;
    type Config = Options;
    const NAME: &'static str = "sum";
    const ABOUT: &'static str = "a running sum";

    fn plan(options: Options, _context: PlanContext<'_>) -> Result<Box<dyn TransformPlan>, Problems> {
        Ok(Box::new(options))
    }
}

impl TransformPlan for Options {
    fn wire(&self, input: &SchemaRef) -> Result<Box<dyn WiredTransform>, Problems> {
        Ok(Box::new(Wired { options: *self, schema: SchemaRef::clone(input) }))
    }
}

struct Wired {
    options: Options,
    schema: SchemaRef,
}

impl WiredTransform for Wired {
    fn output(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn open(&self, _context: OpenContext) -> Result<Box<dyn Transform>, StageError> {
        Ok(Box::new(Summing { options: self.options, sum: 0 }))
    }
}

impl Transform for Summing {
    fn apply(
        &mut self,
        batch: RecordBatch,
        _pass: &PassInfo,
        state: &mut dyn State,
    ) -> Result<RecordBatch, StageError> {
        if !self.options.forgetful {
            let kept = state.get(b"").and_then(|bytes| bytes.try_into().ok());
            self.sum = kept.map_or(0, i64::from_le_bytes);
        }
        let index = batch.schema_ref().index_of("value").unwrap();
        let values = batch.column(index).as_primitive::<Int64Type>();
        let sums: Int64Array = values
            .iter()
            .map(|value| {
                self.sum += value.unwrap_or(0);
                Some(self.sum)
            })
            .collect();
        state.put(b"", self.sum.to_le_bytes().to_vec());
        let mut columns = batch.columns().to_vec();
        columns[index] = std::sync::Arc::new(sums);
        Ok(RecordBatch::try_new(batch.schema(), columns).unwrap())
    }
}

fn outcome(forgetful: bool) -> (bool, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = format!(
        "pipeline: p
sources: {{made: {{type: synthetic, every: 1s, rows: 1, columns: {{value: {{type: int, pattern: counter}}}}}}}}
transforms: [{{type: sum, forgetful: {forgetful}}}]
sinks: {{s: {{type: sqlite, path: s.db, tables: {{t: {{mode: append, create: true, columns: {{value: value}}}}}}}}}}
"
    );
    let cases = "pipeline: p.yaml
date: 2026-06-01
cases:
  - name: sums
    given: {rows: {time: ['12:00', '12:01', '12:02'], value: [1, 2, 3]}}
    expect: {sum: {value: [1, 3, 6]}}
";
    std::fs::write(folder.path().join("p.yaml"), pipeline).unwrap();
    std::fs::write(folder.path().join("tests.yaml"), cases).unwrap();
    let registry = Registry::new().source::<Synthetic>().transform::<Sum>().sink::<Sqlite>();
    let tree: std::sync::Arc<dyn Tree> = std::sync::Arc::new(Folder::new(folder.path()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcomes = runtime.block_on(async {
        let mut suite = load("tests.yaml", &tree, "tests.yaml").unwrap_or_else(|error| panic!("{error:?}"));
        let under_test = UnderTest { tree: &tree, file: "p.yaml", registry: &registry };
        run(&mut suite, &under_test, "").await.unwrap_or_else(|error| panic!("{error:?}"))
    });
    assert_eq!(outcomes.len(), 1);
    assert!(outcomes[0].differences.is_empty(), "straight through, both add up");
    (outcomes[0].passed(), outcomes[0].errors.clone())
}

#[test]
fn memory_outside_the_state_is_found_by_the_restarts() {
    assert_eq!(outcome(false), (true, Vec::new()));
    let (passed, errors) = outcome(true);
    assert!(!passed);
    let said = "a restart between passes changes what leaves `sum`: value of pass 2, row 1, is 2 and was 3";
    assert!(errors[0].starts_with(said), "{errors:?}");
}
