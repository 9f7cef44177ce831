//! The one connection that writes: opening it, and what it knows of the target.

use std::collections::HashMap;
use std::sync::Arc;

use smiles_stage::{Clock, Migrated, RunId, Seq, StageError, TargetId, Watermark};
use smiles_store::Migration;
use smiles_tables::{Mode, TablePlan, TablesPlan};
use tokio_postgres::Client;

use crate::catalog::SchemaGuard;
use crate::connect::{Connected, Connector, Purpose};
use crate::encode::Wire;
use crate::migrate::Migrator;
use crate::sql::PostgresDialect;
use crate::watermark::{self, BEGIN, LOCK, Owner};
use crate::{catalog, sql};

/// Everything a connection is made from.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) connector: Connector,
    pub(crate) owner: Owner,
    pub(crate) tables: Arc<TablesPlan>,
    pub(crate) migrations: Vec<Migration>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// How one table of the mapping is written here.
#[derive(Debug)]
pub(crate) struct Statement {
    /// COPY for an append, INSERT for an upsert.
    pub(crate) sql: String,
    /// INSERT for rows that come after the rest of their poll, where the table has a rule for them.
    pub(crate) late: Option<String>,
    /// Counts the rows of an INSERT that neither stand in the table nor had to.
    pub(crate) missing: Option<String>,
    /// How the cells of each column are sent.
    pub(crate) wires: Vec<Wire>,
}

/// An open connection whose tables fit the mapping.
pub(crate) struct Writer {
    pub(crate) settings: Arc<Settings>,
    pub(crate) connected: Connected,
    pub(crate) target: TargetId,
    /// Where the watermarks of the runs asked for stand, as far as this connection was told.
    pub(crate) known: HashMap<RunId, Seq>,
    /// In the order of the written tables of the mapping.
    pub(crate) statements: Arc<[Statement]>,
    /// What those tables were when the statements were made.
    pub(crate) guard: SchemaGuard,
}

impl Settings {
    /// Applies migrations on a connection of its own.
    pub(crate) async fn migrate(
        &self,
        timezone: Option<&str>,
        dry_run: bool,
    ) -> Result<Migrated, StageError> {
        let connected = self.connector.connect(Purpose::Write).await?;
        let migrator = self.migrator(&connected.client, timezone);
        if dry_run { migrator.survey().await } else { migrator.apply().await }
    }

    fn migrator<'a>(&'a self, client: &'a Client, timezone: Option<&'a str>) -> Migrator<'a> {
        let declared = Some(self.connector.config.timezone.as_str()).filter(|zone| !zone.is_empty());
        Migrator {
            connector: &self.connector,
            client,
            migrations: &self.migrations,
            timezone: timezone.or(declared),
        }
    }
}

impl Writer {
    /// Connects, applies migrations, makes missing tables and checks that all columns are there.
    ///
    /// # Errors
    /// Halt where user, database or tables are wrong, else retry.
    pub(crate) async fn connect(settings: Arc<Settings>) -> Result<Self, StageError> {
        let connected = settings.connector.connect(Purpose::Write).await?;
        let target = watermark::target(&settings.connector, &connected.client).await?;
        settings.migrator(&connected.client, None).apply().await?;
        create(&settings, &connected.client).await?;
        let mut guard = SchemaGuard::new(settings.tables.written().map(|table| table.name.as_str()));
        let limit = settings.connector.config.timeout.0;
        guard.seen = settings.connector.within(limit, "read", guard.look(&connected.client)).await?;
        let mut statements = Vec::new();
        for table in &settings.tables.tables {
            let statement = statement(&settings.connector, &connected.client, table).await?;
            statements.extend((table.mode != Mode::Read).then_some(statement));
        }
        Ok(Self { settings, connected, target, known: HashMap::new(), statements: statements.into(), guard })
    }

    /// Whether the connection may still work.
    pub(crate) fn is_open(&self) -> bool {
        !self.connected.client.is_closed()
    }

    /// Asks for a run's watermark.
    ///
    /// # Errors
    /// As [`crate::error::stage_error`].
    pub(crate) async fn ask(&mut self, run: RunId) -> Result<Watermark, StageError> {
        let Settings { connector, owner, .. } = self.settings.as_ref();
        let limit = connector.config.timeout.0;
        let asked = watermark::read(&self.connected.client, owner, run);
        let seq = connector.within(limit, "ask", asked).await?;
        self.known.insert(run, seq);
        Ok(Watermark { target: self.target, seq })
    }

    /// Takes over the watermarks of a former name.
    ///
    /// # Errors
    /// As [`crate::error::stage_error`].
    pub(crate) async fn rename(&mut self, from: &str) -> Result<(), StageError> {
        self.known.clear();
        let Settings { connector, owner, .. } = self.settings.as_ref();
        let renamed = watermark::rename(&self.connected.client, owner, from);
        connector.within(connector.config.timeout.0, "write", renamed).await
    }

    /// Removes watermarks.
    ///
    /// # Errors
    /// As [`crate::error::stage_error`].
    pub(crate) async fn forget(&mut self, runs: &[RunId]) -> Result<(), StageError> {
        for run in runs {
            self.known.remove(run);
        }
        let Settings { connector, owner, .. } = self.settings.as_ref();
        let forgotten = watermark::forget(&self.connected.client, owner, runs);
        connector.within(connector.config.timeout.0, "write", forgotten).await
    }
}

/// Makes the tables that ask for it and are missing.
async fn create(settings: &Settings, client: &Client) -> Result<(), StageError> {
    let make: Vec<String> = {
        let made = settings.tables.written().filter(|table| table.create);
        made.map(|table| smiles_store::create(table, &PostgresDialect(&[]))).collect()
    };
    if make.is_empty() {
        return Ok(());
    }
    let text = format!("{BEGIN}; {LOCK}; {}; COMMIT", make.join("; "));
    let connector = &settings.connector;
    connector.within(connector.config.timeout.0, "make tables in", client.batch_execute(&text)).await
}

/// Looks the table up; what does not fit is said before the first row is written.
async fn statement(
    connector: &Connector,
    client: &Client,
    table: &TablePlan,
) -> Result<Statement, StageError> {
    let limit = connector.config.timeout.0;
    let found = connector.within(limit, "read", catalog::look(client, &table.name)).await?;
    let found = found.ok_or_else(|| catalog::unfit(&table.name, "there is no such table"))?;
    let wires = found.wires(table)?;
    let spelled = |name: &String| found.columns.get(name).map_or("text", |column| column.spelled.as_str());
    let types: Vec<&str> = table.columns.iter().map(|column| spelled(&column.name)).collect();
    let sql = match table.mode {
        Mode::Upsert => sql::upsert(table, &wires, &types),
        Mode::Append | Mode::Read => sql::copy(table),
    };
    let late = sql::insert_late(table, &wires, &types);
    let missing = sql::missing(table, &wires, &types);
    Ok(Statement { sql, late, missing, wires })
}
