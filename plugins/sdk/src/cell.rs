//! What stands behind the `self` of the ABI, and the one way into it: panics stop here.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use smiles_plugin_abi::{
    ERROR_REOPEN, STATUS_HALT, STATUS_OK, STATUS_REJECT, STATUS_RETRY, SmilesError, SmilesHost, SmilesStr,
};

use crate::error::{Action, Error};
use crate::{Host, SchemaRef, options};

/// An instance: options and host from `open` on, the stage from `bind` on.
pub(crate) struct Cell<T, O> {
    pub(crate) host: Host,
    pub(crate) options: Option<O>,
    pub(crate) stage: Option<T>,
    pub(crate) input: Option<SchemaRef>,
    pub(crate) output: Option<SchemaRef>,
    /// The last batch written and not flushed.
    pub(crate) last: Option<crate::Position>,
    /// A source has given its last rows.
    pub(crate) ended: bool,
    poisoned: bool,
}

impl<T, O> Cell<T, O> {
    /// The stage, once it is bound.
    pub(crate) fn stage(&mut self) -> Result<&mut T, Error> {
        self.stage.as_mut().ok_or_else(|| Error::retry("called before its columns were bound"))
    }
}

/// Runs `call`; an error or a panic becomes a status. `host` hears of rejected rows.
///
/// # Safety
/// `error` is null or the host's.
pub(crate) unsafe fn guarded(
    error: *mut SmilesError,
    host: Option<Host>,
    call: impl FnOnce() -> Result<i32, Error>,
) -> i32 {
    // SAFETY: the caller's promise.
    let error = unsafe { error.as_mut() };
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(status)) => status,
        Ok(Err(failed)) => tell(error, host, &failed),
        Err(panic) => {
            let text =
                panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            let status = tell(
                error,
                host,
                &Error::retry(format!("it panicked: {}", text.unwrap_or("without a message"))),
            );
            // What the panic carries may itself panic when it is dropped.
            std::mem::forget(panic);
            status
        }
    }
}

fn tell(error: Option<&mut SmilesError>, host: Option<Host>, failed: &Error) -> i32 {
    let (status, after) = match &failed.action {
        Action::Retry(after) => (STATUS_RETRY, *after),
        Action::Halt => (STATUS_HALT, std::time::Duration::ZERO),
        Action::Reject(rows) => {
            if let Some(host) = host {
                host.reject(rows);
            }
            (STATUS_REJECT, std::time::Duration::ZERO)
        }
    };
    if let Some(error) = error {
        error.say(&failed.message);
        error.code = failed.code;
        error.retry_after_ms = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
    }
    status
}

/// Makes a cell: the body of every `open`.
///
/// # Safety
/// The pointers are those of the ABI's `open`.
pub(crate) unsafe fn open<T, O: serde::de::DeserializeOwned>(
    host: *const SmilesHost,
    text: SmilesStr,
    this: *mut *mut c_void,
    error: *mut SmilesError,
) -> i32 {
    // SAFETY: the host's table.
    let Some(host) = (unsafe { Host::new(host) }) else { return STATUS_HALT };
    let make = || {
        // SAFETY: the host's text.
        let options = Some(unsafe { options::read::<O>(text) }?);
        let (stage, input, output, last) = (None, None, None, None);
        let cell: Cell<T, O> =
            Cell { host, options, stage, input, output, last, ended: false, poisoned: false };
        // SAFETY: room for the instance.
        unsafe { *this = Box::into_raw(Box::new(cell)).cast() };
        Ok(STATUS_OK)
    };
    // SAFETY: the host's error.
    unsafe { guarded(error, Some(host), make) }
}

/// Calls into a cell: a panic poisons it, and the host is asked to open another.
///
/// # Safety
/// `this` is what `open` made and `close` has not taken; `error` is the host's.
pub(crate) unsafe fn enter<T, O>(
    this: *mut c_void,
    error: *mut SmilesError,
    call: impl FnOnce(&mut Cell<T, O>) -> Result<i32, Error>,
) -> i32 {
    // SAFETY: one call at a time, by the rules of the ABI.
    let Some(cell) = (unsafe { this.cast::<Cell<T, O>>().as_mut() }) else { return STATUS_RETRY };
    let host = cell.host;
    let was_poisoned = std::mem::replace(&mut cell.poisoned, true);
    let inside = || {
        if was_poisoned {
            return Err(Error::retry("it panicked before and is to be opened anew"));
        }
        let result = call(cell);
        cell.poisoned = false;
        result
    };
    // SAFETY: the host's error.
    let status = unsafe { guarded(error, Some(host), inside) };
    // SAFETY: as above; the closure has ended.
    let poisoned = unsafe { this.cast::<Cell<T, O>>().as_ref() }.is_some_and(|cell| cell.poisoned);
    // SAFETY: the host's error.
    if poisoned && let Some(error) = unsafe { error.as_mut() } {
        error.flags |= ERROR_REOPEN;
    }
    status
}

/// Ends a cell: the body of every `close`.
///
/// # Safety
/// `this` points to what `open` made, or to null.
pub(crate) unsafe fn close<T, O>(this: *mut *mut c_void) {
    // SAFETY: the host's variable.
    let Some(this) = (unsafe { this.as_mut() }) else { return };
    let cell = std::mem::replace(this, std::ptr::null_mut()).cast::<Cell<T, O>>();
    if cell.is_null() {
        return;
    }
    // SAFETY: made by `open`, taken once.
    let cell = unsafe { Box::from_raw(cell) };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(cell))) {
        std::mem::forget(panic);
    }
}
