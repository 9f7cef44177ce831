//! A connection, made anew for every try: options, password and certificates are looked at each time.

use std::future::Future;
use std::time::Duration;

use smiles_stage::StageError;
use tokio::net::UnixStream;
use tokio_postgres::config::{SslMode as Wanted, SslNegotiation};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Connection, Socket};
use tokio_util::task::AbortOnDropHandle;

use crate::config::{PostgresConfig, SslMode};
use crate::error::{ServerAddress, stage_error};
use crate::message_limit::{Encrypted, Unencrypted};
use crate::passfile::password;
use crate::tls;

/// An open connection. Dropping it ends the session: what was not committed is undone.
pub(crate) struct Connected {
    pub(crate) client: Client,
    by: By,
    _task: AbortOnDropHandle<()>,
}

/// By what way it was opened, which is the way to open another.
#[derive(Clone, Copy, Debug)]
enum By {
    Tls,
    Plain,
    UnixSocket,
}

/// How to connect to the database of these options.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) config: PostgresConfig,
    pub(crate) address: ServerAddress,
}

/// What a connection is for; its name in the server's list of sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Write,
    Read,
}

impl Connector {
    pub(crate) fn new(config: PostgresConfig) -> Self {
        let address = ServerAddress {
            host: config.host.clone(),
            port: config.port,
            database: config.database.clone(),
            user: config.user.clone(),
        };
        Self { config, address }
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// As [`stage_error`]; retry when it takes longer than `connect_timeout`.
    pub(crate) async fn connect(&self, purpose: Purpose) -> Result<Connected, StageError> {
        let wanted = self.wanted(purpose)?;
        // A folder of Unix sockets needs no TLS, and libpq ignores the mode there.
        if self.config.host.starts_with('/') {
            return self.by_unix_socket(wanted).await;
        }
        match self.config.sslmode {
            SslMode::Disable => self.plain(wanted).await,
            SslMode::Allow => match self.plain(wanted.clone()).await {
                Err(error) if insists(&error) => self.encrypted(wanted).await.map_err(|_| error),
                other => other,
            },
            SslMode::Prefer => match self.encrypted(wanted.clone()).await {
                Err(error) if insists(&error) => {
                    let absent = tls::is_absent(&error.chain());
                    self.plain(wanted).await.map_err(|plain| if absent { plain } else { error })
                }
                other => other,
            },
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => self.encrypted(wanted).await,
        }
    }

    fn wanted(&self, purpose: Purpose) -> Result<tokio_postgres::Config, StageError> {
        let config = &self.config;
        let mut wanted = tokio_postgres::Config::new();
        wanted
            .host(&config.host)
            .port(config.port)
            .dbname(&config.database)
            .user(&config.user)
            .connect_timeout(config.connect_timeout.0)
            // A server that went away without a word is noticed within minutes, not hours.
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3)
            .application_name(match purpose {
                Purpose::Write => "smiles",
                Purpose::Read => "smiles queries",
            });
        if let Some(password) = password(config)? {
            wanted.password(password);
        }
        Ok(wanted)
    }

    async fn plain(&self, mut wanted: tokio_postgres::Config) -> Result<Connected, StageError> {
        // As a TLS without a handshake, which the server is told nothing of.
        wanted.ssl_mode(Wanted::Require).ssl_negotiation(SslNegotiation::Direct);
        self.opened(&wanted, Unencrypted, By::Plain).await
    }

    async fn encrypted(&self, mut wanted: tokio_postgres::Config) -> Result<Connected, StageError> {
        wanted.ssl_mode(Wanted::Require);
        self.opened(&wanted, Encrypted(tls::connector(&self.config)?), By::Tls).await
    }

    async fn by_unix_socket(&self, mut wanted: tokio_postgres::Config) -> Result<Connected, StageError> {
        wanted.ssl_mode(Wanted::Require).ssl_negotiation(SslNegotiation::Direct);
        let limit = self.config.connect_timeout.0;
        let socket = tokio::time::timeout(limit, self.unix_socket()).await;
        let socket = socket
            .map_err(|_| self.silent(limit))?
            .map_err(|error| StageError::retry(format!("cannot reach {}", self.address)).because(error))?;
        let opened = self.within(limit, "connect to", wanted.connect_raw(socket, Unencrypted)).await?;
        Ok(self.attended(opened, By::UnixSocket))
    }

    async fn unix_socket(&self) -> std::io::Result<UnixStream> {
        UnixStream::connect(format!("{}/.s.PGSQL.{}", self.config.host, self.config.port)).await
    }

    async fn opened<T>(
        &self,
        wanted: &tokio_postgres::Config,
        tls: T,
        by: By,
    ) -> Result<Connected, StageError>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let opened = self.within(self.config.connect_timeout.0, "connect to", wanted.connect(tls)).await?;
        Ok(self.attended(opened, by))
    }

    fn attended<S, T>(&self, (client, connection): (Client, Connection<S, T>), by: By) -> Connected
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let task = tokio::spawn(attend(connection, self.address.clone()));
        Connected { client, by, _task: AbortOnDropHandle::new(task) }
    }

    /// Asks the server to stop what the session runs; a server that waits for a lock would not notice that nobody
    /// listens any more.
    pub(crate) async fn cancel(&self, connected: &Connected) {
        let token = connected.client.cancel_token();
        let asked = async {
            match connected.by {
                By::Tls => {
                    let Ok(tls) = tls::connector(&self.config) else { return };
                    drop(token.cancel_query(tls).await);
                }
                By::Plain => drop(token.cancel_query(Unencrypted).await),
                By::UnixSocket => {
                    let Ok(socket) = self.unix_socket().await else { return };
                    drop(token.cancel_query_raw(socket, Unencrypted).await);
                }
            }
        };
        // Whether it was heard in time or not: the connection is closed either way.
        let _ = tokio::time::timeout(self.config.connect_timeout.0, asked).await;
    }

    /// The answer of the database, or the sentence that none came in time.
    ///
    /// # Errors
    /// As [`stage_error`]; retry when it takes longer than `limit`.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        doing: &str,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StageError> {
        match tokio::time::timeout(limit, work).await {
            Ok(done) => done.map_err(|error| stage_error(&self.address, doing, error)),
            Err(_) => Err(self.silent(limit)),
        }
    }

    /// What is said when no answer came in time.
    pub(crate) fn silent(&self, limit: Duration) -> StageError {
        StageError::retry(format!("{} did not answer within {limit:?}", self.address))
    }
}

/// Whether the server may let us in the other way, with or without TLS.
fn insists(error: &StageError) -> bool {
    let said = error.chain();
    said.contains("no pg_hba.conf entry") || tls::is_about_tls(&said)
}

/// Drives the connection; what the server says besides goes to the log.
async fn attend<S, T>(mut connection: Connection<S, T>, address: ServerAddress)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    // An error here is also the answer of whoever waits for the connection.
    while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notice(notice) = message {
            let (severity, said) = (notice.severity(), notice.message());
            tracing::debug!(%address, severity, said, "notice of the server");
        }
    }
}
