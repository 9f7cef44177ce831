//! `type: postgres`: from options to an opened sink and store.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use smiles_stage::tables::TablesPlan;
use smiles_stage::{
    Delivery, Migrate, Migrated, Migration, OpenContext, OpenSink, Path, PlanContext, Problem, Problems,
    SinkPlan, Stage, StageError, Store, StoreSchema, time_zone,
};

use crate::config::{Config, SslMode};
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
    type Config = Config;
    const NAME: &'static str = "postgres";
    const ABOUT: &'static str =
        "stores rows in tables of PostgreSQL by COPY, exactly once, and answers queries";

    fn plan(config: Config, context: PlanContext<'_>) -> Result<Box<dyn SinkPlan>, Problems> {
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
        if problems.is_empty() {
            Ok(Box::new(Plan { config, migrations, tables: None }))
        } else {
            Err(problems)
        }
    }
}

/// What JSON Schema cannot say.
fn check(config: &Config) -> Problems {
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
        && let Err((message, help)) = time_zone(&config.timezone)
    {
        error("timezone", &message, &help);
    }
    problems
}

struct Plan {
    config: Config,
    migrations: Vec<Migration>,
    tables: Option<TablesPlan>,
}

impl Plan {
    fn settings(&self, context: OpenContext) -> Result<Settings, StageError> {
        let tables = self.tables.clone().ok_or_else(|| StageError::halt("opened before it was wired"))?;
        Ok(Settings {
            connector: Connector::new(self.config.clone()),
            owner: Owner { pipeline: context.pipeline, sink: context.stage },
            tables,
            migrations: self.migrations.clone(),
            clock: context.clock,
        })
    }
}

#[async_trait]
impl SinkPlan for Plan {
    fn delivery(&self) -> Delivery {
        Delivery::Transactional
    }

    fn wire(&mut self, input: &SchemaRef, _store: Option<&StoreSchema>) -> Result<(), Problems> {
        self.tables = Some(TablesPlan::new(&self.config.tables, input, &Path::root().key("tables"))?);
        Ok(())
    }

    fn offers(&self) -> Option<StoreSchema> {
        self.tables.as_ref().map(TablesPlan::store_schema)
    }

    fn mapping(&self) -> Option<Arc<TablesPlan>> {
        self.tables.clone().map(Arc::new)
    }

    async fn migrate(&self, context: OpenContext, options: &Migrate) -> Result<Option<Migrated>, StageError> {
        let settings = self.settings(context)?;
        settings.migrate(options.timezone.as_deref(), options.dry_run).await.map(Some)
    }

    async fn open(
        &self,
        context: OpenContext,
        _store: Option<Arc<dyn Store>>,
    ) -> Result<OpenSink, StageError> {
        let settings = self.settings(context)?;
        let pool = Pool::new(settings.connector.clone());
        let order = settings.tables.tables().iter().map(|table| table.name().to_owned()).collect();
        let store = PostgresStore::new(pool, settings.tables.store_schema(), order);
        Ok(OpenSink { sink: Box::new(PostgresSink::new(Arc::new(settings))), store: Some(Arc::new(store)) })
    }
}
