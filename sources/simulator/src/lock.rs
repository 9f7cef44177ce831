//! Locks whose value outlives a panic of who held them.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The value, whatever became of others who held it.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
