//! Reads the tables of a database row by row, as text: for taking over what another program stored.

use smiles_stage::StageError;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::config::Host;

use crate::config::PostgresConfig;
use crate::connect::{Connected, Connector, Purpose};
use crate::error::stage_error;
use smiles_store::quoted;

use crate::sql::{literal, qualified};

/// A row: its number in the table (0 where it has none), then the columns asked for; `None` is null.
pub type TextRow = (i64, Vec<Option<String>>);

/// A session that reads.
pub struct Extract {
    connector: Connector,
    connected: Connected,
    zone: String,
}

impl Extract {
    /// Connects to what an address such as `postgres://user:password@host:5432/database?sslmode=require` names. Without
    /// a password, `~/.pgpass` is asked.
    ///
    /// # Errors
    /// The address is none, or nobody can be reached there.
    pub async fn open(address: &str) -> Result<Self, StageError> {
        Self::connect(parse(address).map_err(StageError::halt)?).await
    }

    /// Connects with the options of a sink (a JSON object of its `type: postgres`).
    ///
    /// # Errors
    /// As [`Extract::open`].
    pub async fn of_sink(options: &serde_json::Value) -> Result<Self, StageError> {
        let config = serde_json::from_value(options.clone())
            .map_err(|error| StageError::halt("these are not the options of a database").because(error))?;
        Self::connect(config).await
    }

    async fn connect(config: PostgresConfig) -> Result<Self, StageError> {
        let connector = Connector::new(config);
        let connected = connector.connect(Purpose::Read).await?;
        let mut this = Self { connector, connected, zone: String::new() };
        this.zone = this.one("SHOW TimeZone").await?.unwrap_or_else(|| "UTC".to_owned());
        // Instants are printed alike whatever the role's habits are, and numbers without loss.
        this.run("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 1").await?;
        Ok(this)
    }

    /// The time zone in which this role reads instants that have none.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Server and database, for people.
    pub fn place(&self) -> String {
        self.connector.address.to_string()
    }

    /// The id a sink of ours gave to this database, if one ever wrote there.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn target_id(&self) -> Result<Option<String>, StageError> {
        let there = self.one("SELECT to_regclass('smiles_target')").await?;
        if there.is_none() { Ok(None) } else { self.one("SELECT id FROM smiles_target").await }
    }

    /// The columns of a table; none if there is no such table.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn columns(&self, table: &str) -> Result<Vec<String>, StageError> {
        let sql = format!(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass({}) AND attnum > 0 AND NOT attisdropped \
             ORDER BY attnum",
            literal(&qualified(table))
        );
        let rows = self.run(&sql).await?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn count(&self, table: &str) -> Result<u64, StageError> {
        let count = self.one(&format!("SELECT count(*) FROM {}", qualified(table))).await?;
        Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
    }

    /// Up to `limit` rows with a number above `after`, in its order; without a number all rows.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn rows(
        &self,
        table: &str,
        columns: &[String],
        number: Option<&str>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<TextRow>, StageError> {
        let list = columns.iter().map(|column| format!(", {}::text", quoted(column))).collect::<String>();
        let sql = match number.map(quoted) {
            Some(number) => format!(
                "SELECT {number}::bigint{list} FROM {} WHERE {number} > {after} ORDER BY {number} LIMIT {limit}",
                qualified(table)
            ),
            None => format!("SELECT 0{list} FROM {} ORDER BY 2", qualified(table)),
        };
        let rows = self.run(&sql).await?;
        let row = |mut cells: Vec<Option<String>>| {
            let number = cells.remove(0).and_then(|number| number.parse().ok()).unwrap_or(0);
            (number, cells)
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Runs statements in one transaction, says how many rows each changed, and takes all of it back on a dry run.
    ///
    /// # Errors
    /// The first that fails; nothing is changed then.
    pub async fn change(&self, statements: &[&str], dry_run: bool) -> Result<Vec<u64>, StageError> {
        self.run("BEGIN").await?;
        let mut changed = Vec::new();
        for statement in statements {
            changed.push(self.changed(statement).await?);
        }
        self.run(if dry_run { "ROLLBACK" } else { "COMMIT" }).await?;
        Ok(changed)
    }

    async fn changed(&self, statement: &str) -> Result<u64, StageError> {
        let done = self.connected.client.execute_typed(statement, &[]).await;
        done.map_err(|error| stage_error(&self.connector.address, "change", error))
    }

    async fn one(&self, sql: &str) -> Result<Option<String>, StageError> {
        Ok(self.run(sql).await?.into_iter().next().and_then(|row| row.into_iter().next().flatten()))
    }

    async fn run(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, StageError> {
        let answers = self.connected.client.simple_query(sql).await;
        let answers = answers.map_err(|error| stage_error(&self.connector.address, "read", error))?;
        let rows = answers.into_iter().filter_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }
}

/// The options of an address.
fn parse(address: &str) -> Result<PostgresConfig, String> {
    const HELP: &str = "write postgres://USER:PASSWORD@HOST:PORT/DATABASE";
    // `sslmode` has more values here than the driver knows.
    let (plain, mode) = match address.split_once("sslmode=") {
        Some((before, rest)) => {
            let (mode, after) = rest.split_once('&').unwrap_or((rest, ""));
            (format!("{before}{after}").trim_end_matches(['?', '&']).to_owned(), mode)
        }
        None => (address.to_owned(), "prefer"),
    };
    let parsed: tokio_postgres::Config =
        plain.parse().map_err(|error| format!("this is no address of a database ({error}): {HELP}"))?;
    let host = match parsed.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(folder)) => folder.to_string_lossy().into_owned(),
        None => return Err(format!("the address names no host: {HELP}")),
    };
    let user = parsed.get_user().ok_or_else(|| format!("the address names no user: {HELP}"))?;
    let options = serde_json::json!({
        "host": host,
        "port": parsed.get_ports().first().copied().unwrap_or(5432),
        "database": parsed.get_dbname().unwrap_or(user),
        "user": user,
        "password": parsed.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default(),
        "sslmode": mode,
        "tables": {},
    });
    serde_json::from_value(options).map_err(|error| format!("{error}: {HELP}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_every_part() {
        let config = parse("postgres://solar:s%40cret@db.lan:5433/hoy?sslmode=verify-full").unwrap();
        assert_eq!((config.host.as_str(), config.port, config.database.as_str()), ("db.lan", 5433, "hoy"));
        assert_eq!((config.user.as_str(), config.password.0.as_str()), ("solar", "s@cret"));
        assert_eq!(config.sslmode, crate::SslMode::VerifyFull);
        assert_eq!(parse("postgresql://solar@db/hoy").unwrap().port, 5432);
    }

    #[test]
    fn what_is_none_says_how_one_looks() {
        for address in ["postgres://", "postgres://db/hoy", "postgres://solar@db/hoy?sslmode=maybe"] {
            let stage_error = parse(address).unwrap_err();
            assert!(stage_error.contains("postgres://USER"), "{stage_error}");
        }
    }
}
