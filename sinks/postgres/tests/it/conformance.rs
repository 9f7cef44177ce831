//! The battery every transactional sink must pass.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use async_trait::async_trait;
use serde_json::json;
use smiles_stage::Sink;
use smiles_testkit::sink_conformance::{Subject, checks};

use crate::fixture::Fixture;

pub(crate) struct Target(pub(crate) Fixture);

pub(crate) fn target() -> Target {
    let input = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    let tables = json!({ "readings": { "columns": { "id": "id" } } });
    let sql = "CREATE TABLE readings (n bigserial, id integer CHECK (id < 1000000))";
    Target(Fixture::new(tables, input).with_migration("001_readings.sql", sql))
}

#[async_trait]
impl Subject for Target {
    async fn open(&self) -> Box<dyn Sink> {
        self.0.open().await.sink
    }

    async fn open_named(&self, sink: &str) -> Option<Box<dyn Sink>> {
        Some(self.0.open_named(sink).await.sink)
    }

    fn rows(&self, ids: &[i64]) -> RecordBatch {
        let column = Int64Array::from(ids.to_vec());
        RecordBatch::try_new(Arc::clone(&self.0.input), vec![Arc::new(column)]).unwrap()
    }

    async fn stored(&self) -> Vec<i64> {
        if self.0.rows("SELECT to_regclass('readings')") == ["-"] {
            return Vec::new();
        }
        let rows = self.0.rows("SELECT id FROM readings ORDER BY n");
        rows.iter().map(|id| id.parse().unwrap()).collect()
    }

    fn poisoned(&self, ids: &[i64]) -> Option<RecordBatch> {
        let mut ids = ids.to_vec();
        *ids.last_mut()? = 1_000_000;
        Some(self.rows(&ids))
    }
}

#[tokio::test]
async fn the_sink_passes_the_battery() {
    for (name, check) in checks() {
        eprintln!("{name}");
        check(&target()).await;
    }
}
