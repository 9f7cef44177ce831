//! The options of the sink.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::option::Period;
use smiles_tables::Tables;

/// `type: postgres`. An empty text counts as an option that is not there, so that `${VARIABLE:-}` may stand for any.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Config")]
pub struct PostgresConfig {
    /// Host name or address of the server; a path is the folder of its Unix socket.
    #[serde(default = "localhost")]
    pub host: String,
    /// Its port.
    #[serde(default = "port")]
    pub port: u16,
    /// The database; it must exist.
    pub database: String,
    /// The role to log in as.
    pub user: String,
    /// Its password.
    #[serde(default)]
    pub password: Password,
    /// A file whose first line is the password; read at every connect, so that a changed one is taken up.
    #[serde(default)]
    pub password_file: String,
    /// A password file of PostgreSQL's own form (`host:port:database:user:password`), used where neither of the above
    /// is given. Default: `.pgpass` in the home folder, if it is there.
    #[serde(default)]
    pub passfile: String,
    /// When TLS is used and what is verified, as in PostgreSQL's own clients.
    #[serde(default)]
    pub sslmode: SslMode,
    /// A PEM file of the authorities to trust. Default: those the system trusts.
    #[serde(default)]
    pub sslrootcert: String,
    /// A PEM file with the client's certificate, for servers that ask for one.
    #[serde(default)]
    pub sslcert: String,
    /// A PEM file with the key of that certificate.
    #[serde(default)]
    pub sslkey: String,
    /// A folder of SQL files `001_name.sql`, each applied once, in order, in one transaction.
    pub migrations: Option<String>,
    /// The time zone in which migrations read instants that were stored without one. Default: the time zone of the
    /// role and the database.
    #[serde(default)]
    pub timezone: String,
    /// Which columns go to which tables.
    pub tables: Tables,
    /// Connections for queries that are kept open.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1000))]
    pub pool_size: usize,
    /// Connections for queries beyond `pool_size` while there are more queries than that.
    #[serde(default = "twenty")]
    #[schemars(range(min = 0, max = 1000))]
    pub max_overflow: usize,
    /// How long to wait for a connection.
    #[serde(default = "ten_seconds")]
    pub connect_timeout: Period,
    /// How long to wait for a row or table that another session holds locked.
    #[serde(default = "ten_seconds")]
    pub lock_timeout: Period,
    /// How long one transaction or query may take before the connection is closed and opened again.
    #[serde(default = "two_minutes")]
    pub timeout: Period,
}

/// A text that is never printed.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "***" })
    }
}

/// libpq's `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS only if the server insists.
    Allow,
    /// TLS if the server has it; nothing is verified.
    #[default]
    Prefer,
    /// Always TLS; nothing is verified unless `sslrootcert` is given, which then means `verify-ca`.
    Require,
    /// Always TLS; the certificate must come from a trusted authority.
    VerifyCa,
    /// As `verify-ca`, and the certificate must be for this host.
    VerifyFull,
}

fn localhost() -> String {
    "localhost".to_owned()
}

fn port() -> u16 {
    5432
}

fn ten() -> usize {
    10
}

fn twenty() -> usize {
    20
}

fn ten_seconds() -> Period {
    Period(Duration::from_secs(10))
}

fn two_minutes() -> Period {
    Period(Duration::from_secs(120))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_print_has_the_password() {
        let options = serde_json::json!({ "database": "a", "user": "b", "password": "geheim", "tables": {} });
        let config: PostgresConfig = serde_json::from_value(options).unwrap();
        for text in [format!("{config:?}"), format!("{config:#?}")] {
            assert!(text.contains("***") && !text.contains("geheim"), "{text}");
        }
    }
}
