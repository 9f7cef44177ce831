//! A bounded pool of read-only connections, opened on demand and used on blocking threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, InterruptHandle};
use smiles_stage::StageError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::stage_error;
use crate::file::{FileId, Location, file_id, open_reader};
use crate::shape::{Shape, shape};

/// Connections that wait for a query.
#[derive(Debug)]
pub(crate) struct Readers {
    location: Location,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Reader>>,
}

/// One connection for reading.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) connection: Connection,
    file: Option<FileId>,
    shapes: HashMap<String, Shape>,
}

impl Readers {
    pub(crate) fn new(location: Location, size: usize) -> Self {
        Self { location, permits: Arc::new(Semaphore::new(size)), idle: Mutex::default() }
    }

    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// Waits for a place in the pool.
    ///
    /// # Errors
    /// Never in practice: the pool is not closed while it can be asked.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, StageError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        permit.map_err(|error| StageError::retry("the pool of readers is closed").because(error))
    }

    /// A connection to the file that stands at the path now; to be called on a blocking thread, with a place.
    ///
    /// # Errors
    /// As [`stage_error`].
    pub(crate) fn take(&self) -> Result<Reader, StageError> {
        let now = file_id(&self.location.path);
        let mut idle = lock(&self.idle);
        idle.retain(|reader| reader.file == now);
        let reader = idle.pop();
        drop(idle);
        match reader {
            Some(reader) => Ok(reader),
            None => {
                let connection = open_reader(&self.location)?;
                Ok(Reader { connection, file: file_id(&self.location.path), shapes: HashMap::new() })
            }
        }
    }

    /// Whether the connection is to the file that stands at the path now.
    pub(crate) fn is_current(&self, reader: &Reader) -> bool {
        reader.file == file_id(&self.location.path)
    }

    /// Keeps the connection for the next query.
    pub(crate) fn put(&self, reader: Reader) {
        lock(&self.idle).push(reader);
    }
}

impl Reader {
    /// What the table looks like; looked up once per connection.
    ///
    /// # Errors
    /// As [`stage_error`].
    pub(crate) fn shape(&mut self, table: &str, location: &Location) -> Result<&Shape, StageError> {
        if !self.shapes.contains_key(table) {
            let found =
                shape(&self.connection, table).map_err(|error| stage_error(&location.path, "read", error))?;
            self.shapes.insert(table.to_owned(), found);
        }
        self.shapes.get(table).ok_or_else(|| StageError::retry("a table has just vanished"))
    }
}

/// Stops a running query when the one who asked goes away.
#[derive(Clone, Default)]
pub(crate) struct Cancel(Arc<Mutex<Option<InterruptHandle>>>);

impl Cancel {
    /// From now on there is something to stop.
    pub(crate) fn arm(&self, reader: &Reader) {
        *lock(&self.0) = Some(reader.connection.get_interrupt_handle());
    }

    /// From now on the connection belongs to nobody, or to another query.
    pub(crate) fn disarm(&self) {
        lock(&self.0).take();
    }

    /// Stops what runs, if it still does.
    pub(crate) fn stop(&self) {
        // Held while interrupting, so that `disarm` cannot hand the connection on in between.
        if let Some(handle) = lock(&self.0).take() {
            handle.interrupt();
        }
    }
}

/// What a panicking holder left behind is still a list of connections.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
