//! The table of a source.

use std::ffi::c_void;
use std::time::Duration;

use smiles_plugin_abi::{
    ArrowArray, ArrowSchema, ROLE_SOURCE, STATUS_END, STATUS_OK, STREAMED, SmilesError, SmilesHost,
    SmilesPosition, SmilesStage, SmilesStr,
};

use crate::cell::{self, Cell};
use crate::{Error, Next, Position, Source, export, options, rows};

type Own<T> = Cell<T, <T as Source>::Options>;

/// The table of `T`.
pub const fn table<T: Source>() -> SmilesStage {
    SmilesStage {
        flags: if T::STREAMED { STREAMED } else { 0 },
        options_schema: Some(schema::<T>),
        plan: Some(plan::<T>),
        open: Some(open::<T>),
        bind: Some(bind::<T>),
        next: Some(next::<T>),
        commit: Some(commit::<T>),
        close: Some(close::<T>),
        ..export::empty(ROLE_SOURCE, T::TYPE)
    }
}

unsafe extern "C" fn schema<T: Source>() -> SmilesStr {
    options::schema::<T, T::Options>()
}

unsafe extern "C" fn plan<T: Source>(
    text: SmilesStr,
    _: *const ArrowSchema,
    output: *mut ArrowSchema,
    error: *mut SmilesError,
) -> i32 {
    let check = || {
        // SAFETY: the host's text.
        let options = unsafe { options::read(text) }?;
        // SAFETY: the host's room for a schema.
        unsafe { rows::fill_columns(output, T::plan(&options)?.as_ref()) }?;
        Ok(STATUS_OK)
    };
    // SAFETY: the host's error.
    unsafe { cell::guarded(error, None, check) }
}

unsafe extern "C" fn open<T: Source>(
    host: *const SmilesHost,
    _: SmilesStr,
    _: SmilesStr,
    text: SmilesStr,
    this: *mut *mut c_void,
    error: *mut SmilesError,
) -> i32 {
    // SAFETY: the host's pointers.
    unsafe { cell::open::<T, T::Options>(host, text, this, error) }
}

unsafe extern "C" fn bind<T: Source>(
    this: *mut c_void,
    _: *const ArrowSchema,
    output: *mut ArrowSchema,
    error: *mut SmilesError,
) -> i32 {
    let call = |cell: &mut Own<T>| {
        let options = cell.options.take().ok_or_else(|| Error::retry("bound twice"))?;
        let planned = T::plan(&options)?;
        cell.stage = Some(T::open(options, cell.host)?);
        // SAFETY: the host's room for a schema.
        unsafe { rows::fill_columns(output, planned.as_ref()) }?;
        cell.output = Some(planned);
        Ok(STATUS_OK)
    };
    // SAFETY: the host's instance and error.
    unsafe { cell::enter(this, error, call) }
}

unsafe extern "C" fn next<T: Source>(
    this: *mut c_void,
    timeout_ms: u32,
    made: *mut ArrowArray,
    error: *mut SmilesError,
) -> i32 {
    let call = |cell: &mut Own<T>| {
        let columns = cell.output.clone().ok_or_else(|| Error::retry("asked before it was bound"))?;
        if cell.ended {
            return Ok(STATUS_END);
        }
        let next = cell.stage()?.next(Duration::from_millis(u64::from(timeout_ms)))?;
        // The end is said alone, by the next answer: hosts of the first days leave rows that come with it.
        cell.ended = matches!(next, Next::Last(_) | Next::End);
        match next {
            Next::End => return Ok(STATUS_END),
            Next::Nothing => {}
            Next::Rows(batch) | Next::Last(batch) => {
                rows::fit(&batch, &columns)?;
                // SAFETY: the host's room for an array.
                unsafe { rows::give(made, batch) };
            }
        }
        Ok(STATUS_OK)
    };
    // SAFETY: the host's instance and error.
    unsafe { cell::enter(this, error, call) }
}

unsafe extern "C" fn commit<T: Source>(
    this: *mut c_void,
    position: *const SmilesPosition,
    error: *mut SmilesError,
) -> i32 {
    let call = |cell: &mut Own<T>| {
        // SAFETY: the host's position.
        let position = unsafe { *position };
        cell.stage()?.commit(Position { run: position.run, seq: position.seq }).map(|()| STATUS_OK)
    };
    // SAFETY: the host's instance and error.
    unsafe { cell::enter(this, error, call) }
}

unsafe extern "C" fn close<T: Source>(this: *mut *mut c_void) {
    // SAFETY: the host's variable.
    unsafe { cell::close::<T, T::Options>(this) };
}
