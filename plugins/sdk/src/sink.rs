//! The table of a sink.

use std::ffi::c_void;

use smiles_plugin_abi::{
    ArrowArray, ArrowSchema, ROLE_SINK, STATUS_OK, SmilesError, SmilesHost, SmilesPosition, SmilesStage,
    SmilesStr, SmilesWatermark,
};

use crate::cell::{self, Cell};
use crate::{Error, Position, Sink, export, options, rows};

type Own<T> = Cell<T, <T as Sink>::Options>;

/// The table of `T`.
pub const fn table<T: Sink>() -> SmilesStage {
    SmilesStage {
        options_schema: Some(schema::<T>),
        plan: Some(plan::<T>),
        open: Some(open::<T>),
        bind: Some(bind::<T>),
        write: Some(write::<T>),
        flush: Some(flush::<T>),
        watermark: if T::TRANSACTIONAL { Some(watermark::<T>) } else { None },
        forget: if T::TRANSACTIONAL { Some(forget::<T>) } else { None },
        close: Some(close::<T>),
        ..export::empty(ROLE_SINK, T::TYPE)
    }
}

unsafe extern "C" fn schema<T: Sink>() -> SmilesStr {
    options::schema::<T, T::Options>()
}

unsafe extern "C" fn plan<T: Sink>(
    text: SmilesStr,
    input: *const ArrowSchema,
    _: *mut ArrowSchema,
    error: *mut SmilesError,
) -> i32 {
    let check = || {
        // SAFETY: the host's text and schema.
        let (options, input) = unsafe { (options::read(text)?, rows::columns(input)?) };
        T::plan(&options, input.as_ref()).map(|()| STATUS_OK)
    };
    // SAFETY: the host's error.
    unsafe { cell::guarded(error, None, check) }
}

unsafe extern "C" fn open<T: Sink>(
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

unsafe extern "C" fn bind<T: Sink>(
    this: *mut c_void,
    input: *const ArrowSchema,
    _: *mut ArrowSchema,
    error: *mut SmilesError,
) -> i32 {
    let call = |cell: &mut Own<T>| {
        // SAFETY: the host's schema.
        let input = unsafe { rows::columns(input) }?.ok_or_else(|| Error::retry("bound to no columns"))?;
        let options = cell.options.take().ok_or_else(|| Error::retry("bound twice"))?;
        cell.stage = Some(T::open(options, input.clone(), cell.host)?);
        cell.input = Some(input);
        Ok(STATUS_OK)
    };
    // SAFETY: the host's instance and error.
    unsafe { cell::enter(this, error, call) }
}

/// After an error the rows since the last flush come again.
fn forgetting<T: Sink>(cell: &mut Own<T>, result: Result<(), Error>) -> Result<i32, Error> {
    if result.is_err() {
        cell.last = None;
        if let Some(stage) = &mut cell.stage {
            stage.forget_unflushed();
        }
    }
    result.map(|()| STATUS_OK)
}

unsafe extern "C" fn write<T: Sink>(
    this: *mut c_void,
    given: *mut ArrowArray,
    position: *const SmilesPosition,
    error: *mut SmilesError,
) -> i32 {
    // SAFETY: the host's rows; also a call that comes to nothing takes them.
    let given = unsafe { rows::own(given) };
    let call = move |cell: &mut Own<T>| {
        let columns = cell.input.clone().ok_or_else(|| Error::retry("written to before it was bound"))?;
        // SAFETY: the host's rows and position.
        let (batch, position) = unsafe { (rows::take(given, &columns)?, *position) };
        let position = Position { run: position.run, seq: position.seq };
        let written = cell.stage().and_then(|stage| stage.write(&batch, position));
        cell.last = Some(position);
        forgetting(cell, written)
    };
    // SAFETY: the host's instance and error.
    unsafe { cell::enter(this, error, call) }
}

unsafe extern "C" fn flush<T: Sink>(
    this: *mut c_void,
    _: u32,
    durable: *mut SmilesPosition,
    error: *mut SmilesError,
) -> i32 {
    let call = |cell: &mut Own<T>| {
        let Some(last) = cell.last else { return Ok(STATUS_OK) };
        let flushed = cell.stage().and_then(Sink::flush);
        let status = forgetting(cell, flushed)?;
        cell.last = None;
        // SAFETY: the host's variable.
        unsafe { *durable = SmilesPosition { run: last.run, seq: last.seq } };
        Ok(status)
    };
    // SAFETY: the host's instance and error.
    unsafe { cell::enter(this, error, call) }
}

unsafe extern "C" fn watermark<T: Sink>(
    this: *mut c_void,
    run: *const u8,
    out: *mut SmilesWatermark,
    error: *mut SmilesError,
) -> i32 {
    let call = |cell: &mut Own<T>| {
        cell.last = None;
        // SAFETY: 16 bytes of the host.
        let run = unsafe { run.cast::<[u8; 16]>().read() };
        let stage = cell.stage()?;
        stage.forget_unflushed();
        let mark = stage.watermark(run)?;
        // SAFETY: the host's variable.
        unsafe { *out = SmilesWatermark { target: mark.target, seq: mark.seq } };
        Ok(STATUS_OK)
    };
    // SAFETY: the host's instance and error.
    unsafe { cell::enter(this, error, call) }
}

unsafe extern "C" fn forget<T: Sink>(
    this: *mut c_void,
    runs: *const u8,
    count: usize,
    error: *mut SmilesError,
) -> i32 {
    let call = |cell: &mut Own<T>| {
        if count == 0 {
            return Ok(STATUS_OK);
        }
        // SAFETY: `count` times 16 bytes of the host.
        let runs = unsafe { std::slice::from_raw_parts(runs.cast::<[u8; 16]>(), count) };
        cell.stage()?.forget(runs).map(|()| STATUS_OK)
    };
    // SAFETY: the host's instance and error.
    unsafe { cell::enter(this, error, call) }
}

unsafe extern "C" fn close<T: Sink>(this: *mut *mut c_void) {
    // SAFETY: the host's variable.
    unsafe { cell::close::<T, T::Options>(this) };
}
