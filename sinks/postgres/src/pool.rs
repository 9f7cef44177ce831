//! A bounded pool of connections for queries, opened on demand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smiles_stage::StageError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Client;

use crate::catalog::{self, DatabaseTable};
use crate::connect::{Connected, Connector, Purpose};

/// At most `pool_size` connections that wait for a query, and `max_overflow` more while they are used.
pub(crate) struct Pool {
    connector: Connector,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connected>>,
    /// What each table looks like; forgotten after any error, since it may have changed.
    shapes: Mutex<HashMap<String, Arc<DatabaseTable>>>,
}

/// A connection in use; it goes back by [`Pool::put`]. Dropped, its query is cancelled and it is closed, and only then
/// is there a place for another.
pub(crate) struct PooledConnection {
    connected: Option<(Connected, OwnedSemaphorePermit)>,
    connector: Connector,
}

impl PooledConnection {
    /// The connection.
    ///
    /// # Errors
    /// Never in practice: it is there until the connection is given back.
    pub(crate) fn client(&self) -> Result<&Client, StageError> {
        let connected = self.connected.as_ref().map(|(connected, _)| &connected.client);
        connected.ok_or_else(|| StageError::retry("the connection has just been given back"))
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let Some((connected, place)) = self.connected.take() else { return };
        let connector = self.connector.clone();
        // Outside of a runtime there is nobody to cancel with; closing is all there is.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                connector.cancel(&connected).await;
                drop((connected, place));
            });
        }
    }
}

impl Pool {
    pub(crate) fn new(connector: Connector) -> Self {
        let size = connector.config.pool_size + connector.config.max_overflow;
        Self {
            connector,
            permits: Arc::new(Semaphore::new(size)),
            idle: Mutex::default(),
            shapes: Mutex::default(),
        }
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// A connection that works, as soon as there is a place for one.
    ///
    /// # Errors
    /// As [`crate::error::stage_error`].
    pub(crate) async fn take(&self) -> Result<PooledConnection, StageError> {
        let place = Arc::clone(&self.permits).acquire_owned().await;
        let place =
            place.map_err(|error| StageError::retry("the pool of connections is closed").because(error))?;
        let idle = {
            let mut idle = lock(&self.idle);
            idle.retain(|connected| !connected.client.is_closed());
            idle.pop()
        };
        let connected = match idle {
            Some(connected) => connected,
            None => self.connector.connect(Purpose::Read).await?,
        };
        Ok(PooledConnection { connected: Some((connected, place)), connector: self.connector.clone() })
    }

    /// Keeps the connection for the next query, unless enough wait already.
    pub(crate) fn put(&self, mut connection: PooledConnection) {
        let Some((connected, _place)) = connection.connected.take() else { return };
        let mut idle = lock(&self.idle);
        if idle.len() < self.connector.config.pool_size {
            idle.push(connected);
        }
    }

    /// What the table looks like; looked up once.
    ///
    /// # Errors
    /// Halt: there is none; else as [`crate::error::stage_error`].
    pub(crate) async fn shape(
        &self,
        connection: &PooledConnection,
        table: &str,
    ) -> Result<Arc<DatabaseTable>, StageError> {
        if let Some(found) = lock(&self.shapes).get(table) {
            return Ok(Arc::clone(found));
        }
        let limit = self.connector.config.timeout.0;
        let looked = catalog::look(connection.client()?, table);
        let found = self.connector.within(limit, "read", looked).await?;
        let found = Arc::new(found.ok_or_else(|| not_there(table))?);
        lock(&self.shapes).insert(table.to_owned(), Arc::clone(&found));
        Ok(found)
    }

    /// Looks tables up anew from now on.
    pub(crate) fn forget_shapes(&self) {
        lock(&self.shapes).clear();
    }
}

/// Tables are made by the writer at its first connect: until then this is a matter of waiting.
fn not_there(table: &str) -> StageError {
    StageError::retry(format!("there is no table `{table}` yet"))
}

/// What a panicking holder left behind is still a list.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
