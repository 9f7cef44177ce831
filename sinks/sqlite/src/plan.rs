//! `type: sqlite`: from options to an opened sink and store.

use std::path::Path as FilePath;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use smiles_stage::{
    Delivery, Offer, OpenContext, OpenSink, Path, PlanContext, Problem, Problems, SinkPlan, Stage,
    StageError, Store, WiredSink,
};
use smiles_store::Migration;
use smiles_tables::TablesPlan;

use crate::config::SqliteConfig;
use crate::file::Location;
use crate::readers::Readers;
use crate::sink::SqliteSink;
use crate::store::SqliteStore;
use crate::watermark::Owner;
use crate::writer::Settings;

/// The embedded store.
#[derive(Debug)]
pub struct Sqlite;

impl Stage for Sqlite {
    type Plan = dyn SinkPlan;
    type Config = SqliteConfig;
    const NAME: &'static str = "sqlite";
    const ABOUT: &'static str = "stores rows in tables of a SQLite file, exactly once, and answers queries";

    fn plan(config: SqliteConfig, context: PlanContext<'_>) -> Result<Box<dyn SinkPlan>, Problems> {
        let mut problems = Problems::new();
        if config.path.as_deref().is_some_and(str::is_empty) {
            let problem = Problem::error(Path::root().key("path"), "the path is empty");
            problems.push(problem.help("name a file, or remove `path` for `<pipeline>.db` in DATA_DIR"));
        }
        if config.path.as_deref().is_some_and(|path| is_journal(FilePath::new(path))) {
            let problem =
                Problem::error(Path::root().key("path"), "this is the name of a journal, not of a store");
            problems.push(problem.help("name another file, such as `readings.db`"));
        }
        if config.readers == 0 {
            let problem =
                Problem::error(Path::root().key("readers"), "at least one query must be able to run");
            problems.push(problem.help("write a number from 1 to 64"));
        }
        let migrations = match &config.migrations {
            Some(folder) => Migration::read(context.files, folder, &Path::root().key("migrations")),
            None => Ok(Vec::new()),
        };
        match migrations {
            Ok(migrations) if problems.is_empty() => Ok(Box::new(SqlitePlan { config, migrations })),
            Ok(_) => Err(problems),
            Err(unreadable) => {
                problems.extend(unreadable);
                Err(problems)
            }
        }
    }
}

/// Where the journals of pipelines are, this one's among them, no store can be.
fn is_journal(path: &FilePath) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("journal"))
}

struct SqlitePlan {
    config: SqliteConfig,
    migrations: Vec<Migration>,
}

struct WiredSqlite {
    plan: SqlitePlan,
    tables: Arc<TablesPlan>,
}

impl WiredSqlite {
    fn location(&self, context: &OpenContext) -> Location {
        let default = || format!("{}.db", context.pipeline);
        let path = self.plan.config.path.clone().unwrap_or_else(default);
        Location {
            // Joining keeps a path that is absolute already.
            path: context.data_dir.join(path),
            busy_timeout: self.plan.config.busy_timeout.0,
            synchronous: self.plan.config.synchronous,
        }
    }
}

impl SinkPlan for SqlitePlan {
    fn delivery(&self) -> Delivery {
        Delivery::Transactional
    }

    fn wire(
        self: Box<Self>,
        input: &SchemaRef,
        _store: Option<&Offer>,
    ) -> Result<Box<dyn WiredSink>, Problems> {
        let tables = TablesPlan::new(&self.config.tables, input, &Path::root().key("tables"))?;
        Ok(Box::new(WiredSqlite { plan: *self, tables: Arc::new(tables) }))
    }
}

#[async_trait]
impl WiredSink for WiredSqlite {
    fn offer(&self) -> Option<Offer> {
        Some(self.tables.offer())
    }

    async fn open(
        &self,
        context: OpenContext,
        _store: Option<Arc<dyn Store>>,
    ) -> Result<OpenSink, StageError> {
        let tables = Arc::clone(&self.tables);
        let location = self.location(&context);
        make_folder(&location.path)?;
        let order = tables.tables.iter().map(|table| table.name.clone()).collect();
        let readers = Readers::new(location.clone(), self.plan.config.readers);
        let store = SqliteStore::new(readers, tables.offer().tables, order);
        let owner = Owner { pipeline: context.pipeline, sink: context.stage };
        let migrations = self.plan.migrations.clone();
        let settings = Settings { location, owner, tables, migrations, clock: context.clock };
        Ok(OpenSink { sink: Box::new(SqliteSink::new(Arc::new(settings))), store: Some(Arc::new(store)) })
    }
}

fn make_folder(file: &FilePath) -> Result<(), StageError> {
    let Some(folder) = file.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|error| {
        let message = format!("cannot make the folder {}: choose one that can be written", folder.display());
        StageError::halt(message).because(error)
    })
}
