//! The random worlds every transactional sink must survive, in a file of its own each.

use async_trait::async_trait;
use serde_json::json;
use smiles_stage::Sink;
use smiles_testkit::sink_worlds::{self, World, input};

use crate::fixture::Fixture;

struct Database(Fixture);

#[async_trait]
impl World for Database {
    async fn open(&self) -> Box<dyn Sink> {
        self.0.open().await.sink
    }

    fn stored(&self) -> Vec<i64> {
        let rows = self.0.rows("SELECT id FROM readings ORDER BY rowid");
        rows.iter().map(|id| id.parse().unwrap()).collect()
    }

    fn back_up(&self) {
        let backup = self.0.folder.path().join("backup.db");
        let _ = std::fs::remove_file(&backup);
        self.0.database().execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    }

    fn restore(&self) {
        let backup = self.0.folder.path().join("backup.db");
        if backup.exists() {
            for end in ["-wal", "-shm"] {
                let _ = std::fs::remove_file(self.0.folder.path().join(format!("store.db{end}")));
            }
            std::fs::rename(&backup, self.0.path()).unwrap();
        }
    }
}

#[test]
fn nothing_is_stored_twice_in_any_world() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    sink_worlds::all(&runtime, 24, || {
        Database(Fixture::new(json!({ "readings": { "create": true, "columns": { "id": "id" } } }), input()))
    });
}
