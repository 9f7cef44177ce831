//! The random worlds every transactional sink must survive, in a database of its own each.

use async_trait::async_trait;
use serde_json::json;
use smiles_stage::Sink;
use smiles_testkit::sink_worlds::{self, World, input};

use crate::fixture::Fixture;

const TABLES: [&str; 3] = ["readings", "smiles_watermarks", "smiles_target"];

struct Target(Fixture);

#[async_trait]
impl World for Target {
    async fn open(&self) -> Box<dyn Sink> {
        self.0.open().await.sink
    }

    fn stored(&self) -> Vec<i64> {
        let rows = self.0.rows("SELECT id FROM readings ORDER BY n");
        rows.iter().map(|id| id.parse().unwrap()).collect()
    }

    fn back_up(&self) {
        let copy = TABLES.map(|name| {
            format!("DROP TABLE IF EXISTS kept_{name}; CREATE TABLE kept_{name} AS TABLE {name};")
        });
        self.0.database.sql(&copy.concat());
    }

    fn restore(&self) {
        if self.0.rows("SELECT to_regclass('kept_readings')") != ["-"] {
            let back = TABLES.map(|name| format!("TRUNCATE {name}; INSERT INTO {name} TABLE kept_{name};"));
            self.0.database.sql(&format!("BEGIN; {} COMMIT", back.concat()));
        }
    }

    fn disturb(&self) {
        self.0.database.sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    }
}

#[test]
fn nothing_is_stored_twice_in_any_world() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    sink_worlds::all(&runtime, 12, || {
        let tables = json!({ "readings": { "columns": { "id": "id" } } });
        let sql = "CREATE TABLE readings (n bigserial, id bigint)";
        Target(Fixture::new(tables, input()).with_migration("001_readings.sql", sql))
    });
}
