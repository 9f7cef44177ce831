//! What an error of PostgreSQL means for the rows at hand: one table from SQLSTATE to action.

use std::fmt;
use std::time::Duration;

use smiles_stage::StageError;
use tokio_postgres::error::DbError;

use crate::tls;

/// Address of the server and name of the database, for messages.
#[derive(Clone, Debug)]
pub(crate) struct ServerAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: String,
    pub(crate) user: String,
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL {}:{}/{}", self.host, self.port, self.database)
    }
}

/// Why the row was refused, without any cell value: details are left out, and so is what a message quotes at its end.
pub(crate) fn reason(table: &str, error: &DbError) -> String {
    let said = error.message();
    let said = if error.code().code().starts_with("22") {
        said.split_once(": \"").map_or(said, |(said, _)| said)
    } else {
        said
    };
    // A trigger that refuses at COMMIT does not say of which table.
    let table = if table.is_empty() { "the database".to_owned() } else { format!("table `{table}`") };
    format!("{table} refused the row: {said}")
}

/// The error of an action on the database, for the operator. Everything unknown is tried again.
pub(crate) fn stage_error(address: &ServerAddress, doing: &str, error: tokio_postgres::Error) -> StageError {
    match error.as_db_error() {
        Some(said) => server_error(address, doing, said),
        None => client_error(address, doing, error),
    }
}

/// The message of the server, as a cause: text and code, no details, which may hold cell values.
#[derive(Debug)]
struct ServerMessage(String);

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServerMessage {}

fn server_error(address: &ServerAddress, doing: &str, error: &DbError) -> StageError {
    let code = error.code().code();
    let user = &address.user;
    let halt = |message: String| StageError::halt(message);
    let retry = |message: String| StageError::retry(message);
    let stage_error = match code {
        "28P01" => halt(format!("{address} does not let `{user}` in: correct user and password")),
        "28000" => {
            halt(format!("{address} does not let `{user}` in: allow it in pg_hba.conf or by ALTER ROLE"))
        }
        "3D000" => halt(format!("{address}: there is no such database: create it, or correct `database`")),
        "42501" => {
            halt(format!("{address}: `{user}` may not do this: grant it the right, or make it the owner"))
        }
        "42P01" | "42703" | "42P10" | "42804" => halt(format!(
            "the tables of {address} do not fit the mapping: repair them by a migration, or change `tables`"
        )),
        "08P01" => retry(format!("what {address} sends is against the protocol of PostgreSQL")),
        "25006" => retry(format!("{address} is read-only: is it a standby?")),
        "53100" => retry(format!("no space left on the disk of {address}: make room there")),
        "53200" => retry(format!("{address} is out of memory")),
        "53300" => StageError::retry_after(
            Duration::from_secs(1),
            format!("{address} has no connection left: raise max_connections there, or lower `pool_size`"),
        ),
        "55P03" => retry(format!("another session holds a lock that is needed at {address}")),
        "57014" => retry(format!("{address} cancelled the statement")),
        "57P01" | "57P02" | "57P03" => retry(format!("{address} is starting or stopping")),
        _ if ["28", "3D", "3F", "42"].iter().any(|class| code.starts_with(class)) => {
            halt(format!("{address} refuses to {doing}: fix the cause"))
        }
        // Of a write the row is to blame, and was found before; reading the same again finds the same again.
        _ if code.starts_with("22") && doing == "read" => halt(format!(
            "{address} holds a value that cannot be read as the mapping says: correct the row, or the type"
        )),
        _ if code.starts_with("23") => retry(format!(
            "a constraint of {address} was violated by no single row of the mapping: look at constraints and triggers"
        )),
        _ => retry(format!("cannot {doing} {address}")),
    };
    stage_error.because(server_message(error))
}

/// The message of the server, as a cause.
pub(crate) fn server_message(error: &DbError) -> impl std::error::Error + Send + Sync + 'static {
    let hint = error.hint().map_or(String::new(), |hint| format!("; {hint}"));
    ServerMessage(format!("{} (SQLSTATE {}){hint}", error.message(), error.code().code()))
}

fn client_error(address: &ServerAddress, doing: &str, error: tokio_postgres::Error) -> StageError {
    if let Some(sentence) = tls::explain(&error) {
        return StageError::halt(format!("{address}: {sentence}")).because(error);
    }
    let text = with_causes(&error);
    let user = &address.user;
    if text.contains("password missing") {
        let message = format!("{address} asks for a password of `{user}`: give one with `password`");
        return StageError::halt(message);
    }
    if text.starts_with("authentication error") {
        return StageError::halt(format!("{address} does not let `{user}` in")).because(error);
    }
    let message = if error.is_closed() {
        format!("{address} closed the connection")
    } else if doing == "connect to" {
        format!("cannot reach {address}")
    } else {
        format!("the connection to {address} broke")
    };
    StageError::retry(message).because(error)
}

/// The error with all its causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
