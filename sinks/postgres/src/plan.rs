//! `type: postgres`: from options to an opened sink and store.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use smiles_stage::{
    Delivery, Migrate, Migrated, Offer, OpenContext, OpenSink, Path, PlanContext, Problem, Problems,
    SinkPlan, Stage, StageError, Store, WiredSink, time_zone,
};
use smiles_store::Migration;
use smiles_tables::TablesPlan;

use crate::config::{PostgresConfig, SslMode};
use crate::connect::Connector;
use crate::pool::Pool;
use crate::sink::PostgresSink;
use crate::store::PostgresStore;
use crate::watermark::Owner;
use crate::writer::Settings;

/// PostgreSQL.
#[derive(Debug)]
pub struct Postgres;

impl Stage for Postgres {
    type Plan = dyn SinkPlan;
    type Config = PostgresConfig;
    const NAME: &'static str = "postgres";
    const ABOUT: &'static str =
        "stores rows in tables of PostgreSQL by COPY, exactly once, and answers queries";

    fn plan(config: PostgresConfig, context: PlanContext<'_>) -> Result<Box<dyn SinkPlan>, Problems> {
        let mut problems = check(&config);
        let folder = config.migrations.as_deref().filter(|folder| !folder.is_empty());
        let migrations = match folder {
            Some(folder) => Migration::read(context.files, folder, &Path::root().key("migrations")),
            None => Ok(Vec::new()),
        };
        let migrations = migrations.unwrap_or_else(|unreadable| {
            problems.extend(unreadable);
            Vec::new()
        });
        if problems.is_empty() { Ok(Box::new(PostgresPlan { config, migrations })) } else { Err(problems) }
    }
}

/// What JSON Schema cannot say.
fn check(config: &PostgresConfig) -> Problems {
    let mut problems = Problems::new();
    let mut error = |option: &str, message: &str, help: &str| {
        problems.push(Problem::error(Path::root().key(option), message).help(help));
    };
    for (option, value) in [("host", &config.host), ("database", &config.database), ("user", &config.user)] {
        if value.trim().is_empty() {
            error(option, &format!("`{option}` is empty"), "name it, or set the variable that stands here");
        }
    }
    let host = config.host.trim();
    if !host.is_empty() && !host.starts_with('/') && !smiles_stage::is_host(host) {
        let help = "write a name or an IP address alone (the port is an option of its own), or the folder of a socket";
        error("host", &format!("`{}` is no host", host.escape_debug()), help);
    }
    if config.port == 0 {
        error("port", "there is no port 0", "PostgreSQL listens on 5432 unless told otherwise");
    }
    if config.pool_size == 0 {
        error("pool_size", "at least one query must be able to run", "write a number from 1 to 1000");
    }
    if config.sslcert.is_empty() != config.sslkey.is_empty() {
        let option = if config.sslcert.is_empty() { "sslcert" } else { "sslkey" };
        error(option, "`sslcert` and `sslkey` go together", "give both or none");
    }
    let unverified = matches!(config.sslmode, SslMode::Disable | SslMode::Allow | SslMode::Prefer);
    if !config.sslrootcert.is_empty() && unverified {
        let help = "write `sslmode: verify-full`, or remove `sslrootcert`";
        error("sslrootcert", "nothing is verified with this `sslmode`", help);
    }
    if !config.timezone.is_empty()
        && let Err(problem) = time_zone(&config.timezone, Path::root().key("timezone"))
    {
        problems.push(problem);
    }
    problems
}

struct PostgresPlan {
    config: PostgresConfig,
    migrations: Vec<Migration>,
}

struct WiredPostgres {
    plan: PostgresPlan,
    tables: Arc<TablesPlan>,
}

impl WiredPostgres {
    fn settings(&self, context: OpenContext) -> Settings {
        Settings {
            connector: Connector::new(self.plan.config.clone()),
            owner: Owner { pipeline: context.pipeline, sink: context.stage },
            tables: Arc::clone(&self.tables),
            migrations: self.plan.migrations.clone(),
            clock: context.clock,
        }
    }
}

impl SinkPlan for PostgresPlan {
    fn delivery(&self) -> Delivery {
        Delivery::Transactional
    }

    fn wire(
        self: Box<Self>,
        input: &SchemaRef,
        _store: Option<&Offer>,
    ) -> Result<Box<dyn WiredSink>, Problems> {
        let tables = TablesPlan::new(&self.config.tables, input, &Path::root().key("tables"))?;
        Ok(Box::new(WiredPostgres { plan: *self, tables: Arc::new(tables) }))
    }
}

#[async_trait]
impl WiredSink for WiredPostgres {
    fn offer(&self) -> Option<Offer> {
        Some(self.tables.offer())
    }

    async fn migrate(&self, context: OpenContext, options: &Migrate) -> Result<Option<Migrated>, StageError> {
        let settings = self.settings(context);
        settings.migrate(options.timezone.as_deref(), options.dry_run).await.map(Some)
    }

    async fn open(
        &self,
        context: OpenContext,
        _store: Option<Arc<dyn Store>>,
    ) -> Result<OpenSink, StageError> {
        let settings = self.settings(context);
        let pool = Pool::new(settings.connector.clone());
        let order = settings.tables.tables.iter().map(|table| table.name.clone()).collect();
        let store = PostgresStore::new(pool, settings.tables.offer().tables, order);
        Ok(OpenSink { sink: Box::new(PostgresSink::new(Arc::new(settings))), store: Some(Arc::new(store)) })
    }
}
