//! Applying migrations: each once, in one transaction, under a lock that other processes wait for.

use postgres_types::Type;
use smiles_stage::{Migrated, MigrationStep, RewrittenTable, StageError};
use smiles_store::Migration;
use tokio_postgres::Client;

use crate::connect::Connector;
use crate::error::stage_error;
use crate::sql::{literal, qualified};
use crate::watermark::{BEGIN, LOCK};

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS smiles_migrations (
    name     text PRIMARY KEY,
    checksum text NOT NULL,
    applied  timestamptz NOT NULL DEFAULT now()
)";

/// What a role or database may allow a statement, or a transaction, is for queries: a table is written anew in whatever
/// time that takes, or it would begin again for ever. Not every version knows all of these.
const NO_LIMITS: &str = "
SELECT set_config(name, '0', true) FROM pg_settings
WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')";

/// A connection at work on migrations.
pub(crate) struct Migrator<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) client: &'a Client,
    pub(crate) migrations: &'a [Migration],
    /// In place of the time zone of role and database.
    pub(crate) timezone: Option<&'a str>,
}

impl Migrator<'_> {
    fn failed(&self, error: tokio_postgres::Error) -> StageError {
        stage_error(&self.connector.address, "migrate", error)
    }

    /// What is not applied yet, with the size of what is written anew.
    ///
    /// # Errors
    /// Halt: a migration was changed after it was applied.
    pub(crate) async fn survey(&self) -> Result<Migrated, StageError> {
        let mut survey = Migrated { target: self.connector.address.to_string(), ..Migrated::default() };
        for migration in self.migrations {
            if self.is_applied(migration).await? {
                continue;
            }
            if let Some(checks) = migration.checks() {
                self.check(migration, checks).await?;
            }
            let mut step = MigrationStep { name: migration.name.clone(), rewrites: Vec::new() };
            for table in migration.rewrites() {
                step.rewrites.extend(self.size(&table).await?);
            }
            survey.steps.push(step);
        }
        if survey.bytes() > 0 {
            survey.free_bytes = self.free_bytes().await;
            survey.timezone = Some(self.zone().await?);
        }
        Ok(survey)
    }

    /// Lets a migration say what stands in its way, with nothing changed.
    async fn check(&self, migration: &Migration, checks: &str) -> Result<(), StageError> {
        let zone = literal(self.timezone.unwrap_or(""));
        let begin = format!("BEGIN READ ONLY; {NO_LIMITS}; SET LOCAL smiles.timezone = {zone}; {checks}");
        let checked = self.client.batch_execute(&begin).await;
        // The first error is the one to tell.
        let _ = self.client.batch_execute("ROLLBACK").await;
        checked.map_err(|error| self.wrong(migration, error))
    }

    async fn zone(&self) -> Result<String, StageError> {
        if let Some(zone) = self.timezone {
            return Ok(zone.to_owned());
        }
        let row = self.client.query_typed_one("SELECT current_setting('TimeZone')", &[]).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| self.failed(error))
    }

    async fn size(&self, table: &str) -> Result<Option<RewrittenTable>, StageError> {
        let ask = "SELECT nullif(reltuples, -1)::bigint, pg_total_relation_size(oid)
                   FROM pg_class WHERE oid = to_regclass($1)";
        let name = qualified(table);
        let row = self.client.query_typed_opt(ask, &[(&name, Type::TEXT)]).await;
        let Some(row) = row.map_err(|error| self.failed(error))? else { return Ok(None) };
        let number = |index| row.try_get::<_, i64>(index).ok().and_then(|it| u64::try_from(it).ok());
        Ok(Some(RewrittenTable {
            name: table.to_owned(),
            rows: number(0).filter(|rows| *rows > 0),
            bytes: number(1).unwrap_or(0),
        }))
    }

    /// What `df` says of the server's data folder. Only a role that may run programs there can ask; any other does
    /// not get to know.
    async fn free_bytes(&self) -> Option<u64> {
        let ask = "BEGIN;
            CREATE TEMPORARY TABLE smiles_df (line text) ON COMMIT DROP;
            COPY smiles_df FROM PROGRAM 'df -Pk . | tail -n 1';
            SELECT split_part(regexp_replace(line, ' +', ' ', 'g'), ' ', 4) FROM smiles_df";
        let answers = self.client.simple_query(ask).await;
        // Undone in any case: nothing was to be left behind.
        let _ = self.client.batch_execute("ROLLBACK").await;
        let kilobytes = answers.ok()?.iter().find_map(|answer| match answer {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                row.get(0).and_then(|text| text.parse::<u64>().ok())
            }
            _ => None,
        });
        kilobytes.and_then(|kilobytes| kilobytes.checked_mul(1024))
    }

    /// Applies what is not applied yet.
    ///
    /// # Errors
    /// Halt: a migration fails, or was changed after it was applied.
    pub(crate) async fn apply(&self) -> Result<Migrated, StageError> {
        if self.migrations.is_empty() {
            return Ok(Migrated::default());
        }
        let survey = self.survey().await?;
        tell(&survey);
        for step in &survey.steps {
            let migration = self.migrations.iter().find(|migration| migration.name == step.name);
            let Some(migration) = migration else { continue };
            let applied = self.one(migration).await;
            if applied.is_err() {
                // The first error is the one to tell.
                let _ = self.client.batch_execute("ROLLBACK").await;
            }
            applied?;
        }
        Ok(survey)
    }

    async fn one(&self, migration: &Migration) -> Result<(), StageError> {
        let lock_timeout = self.connector.config.lock_timeout.0.as_millis();
        let zone = literal(self.timezone.unwrap_or(""));
        let begin = format!(
            "{BEGIN}; {NO_LIMITS}; SET LOCAL lock_timeout = 0; {LOCK}; SET LOCAL lock_timeout = {lock_timeout}; \
             SET LOCAL smiles.timezone = {zone}; {TABLE}"
        );
        self.client.batch_execute(&begin).await.map_err(|error| self.failed(error))?;
        if self.is_applied(migration).await? {
            return self.client.batch_execute("ROLLBACK").await.map_err(|error| self.failed(error));
        }
        self.hold(migration).await?;
        let transaction = self.transaction().await?;
        self.client.batch_execute(&migration.sql).await.map_err(|error| self.wrong(migration, error))?;
        if self.transaction().await? != transaction {
            return Err(self.halt(migration, "must not commit by itself: remove COMMIT from the file"));
        }
        let (name, checksum) = (literal(&migration.name), literal(&migration.checksum()));
        let record =
            format!("INSERT INTO smiles_migrations (name, checksum) VALUES ({name}, {checksum}); COMMIT");
        self.client.batch_execute(&record).await.map_err(|error| self.failed(error))?;
        let (place, migration) = (&self.connector.address, migration.name.as_str());
        tracing::info!(%place, migration, "migration applied");
        Ok(())
    }

    /// Takes all locks first: one that cannot be had would undo the hours before it.
    async fn hold(&self, migration: &Migration) -> Result<(), StageError> {
        let mut tables = Vec::new();
        for table in migration.rewrites() {
            tables.extend(self.size(&table).await?.map(|found| qualified(&found.name)));
        }
        if tables.is_empty() {
            return Ok(());
        }
        let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "));
        self.client.batch_execute(&lock).await.map_err(|error| self.failed(error))
    }

    async fn transaction(&self) -> Result<i64, StageError> {
        let row = self.client.query_typed_one("SELECT txid_current()", &[]).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| self.failed(error))
    }

    fn halt(&self, migration: &Migration, why: &str) -> StageError {
        StageError::halt(format!("migration {} of {} {why}", migration.name, self.connector.address))
    }

    /// What a migration itself got wrong halts; what befalls any statement is told as ever.
    fn wrong(&self, migration: &Migration, error: tokio_postgres::Error) -> StageError {
        let text = |said: &tokio_postgres::error::DbError| {
            let class = &said.code().code()[..2];
            let its_own =
                ["0A", "22", "23", "2B", "42", "P0"].contains(&class) && said.code().code() != "42501";
            let hint = said.hint().map_or(String::new(), |hint| format!("; {hint}"));
            its_own.then(|| format!("failed and was undone: {}{hint}", said.message()))
        };
        match error.as_db_error().and_then(text) {
            Some(text) => self.halt(migration, &text),
            None => self.failed(error),
        }
    }

    async fn is_applied(&self, migration: &Migration) -> Result<bool, StageError> {
        let there = self.client.query_typed_one("SELECT to_regclass('smiles_migrations') IS NOT NULL", &[]);
        let there: Result<bool, _> = there.await.and_then(|row| row.try_get(0));
        if !there.map_err(|error| self.failed(error))? {
            return Ok(false);
        }
        let ask = "SELECT checksum FROM smiles_migrations WHERE name = $1";
        let row = self.client.query_typed_opt(ask, &[(&migration.name, Type::TEXT)]).await;
        let checksum: Option<String> = row
            .and_then(|row| row.map(|row| row.try_get(0)).transpose())
            .map_err(|error| self.failed(error))?;
        match checksum {
            None => Ok(false),
            Some(checksum) if checksum == migration.checksum() => Ok(true),
            Some(_) => Err(self.halt(
                migration,
                "is not what was applied: put the applied text back and make the change in a new file",
            )),
        }
    }
}

/// What the operator should know before a long migration: size, free space, time.
fn tell(survey: &Migrated) {
    let bytes = survey.bytes();
    if bytes == 0 {
        return;
    }
    let tables: Vec<&str> =
        survey.steps.iter().flat_map(|step| &step.rewrites).map(|table| table.name.as_str()).collect();
    let (target, tables) = (survey.target.as_str(), tables.join(", "));
    let (best, worst) = survey.expected();
    let expected = format!("{} to {} s", best.as_secs(), worst.as_secs());
    let (free, zone) = (survey.free_bytes, survey.timezone.as_deref());
    tracing::info!(
        target_database = target,
        tables,
        bytes,
        free_bytes = free,
        expected,
        zone,
        "the migration rewrites tables; polling continues into the journal meanwhile"
    );
}
