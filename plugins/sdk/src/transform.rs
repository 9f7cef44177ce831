//! The table of a transform.

use std::ffi::c_void;

use smiles_plugin_abi::{
    ArrowArray, ArrowSchema, ROLE_TRANSFORM, STATUS_OK, SmilesError, SmilesHost, SmilesStage, SmilesStr,
};

use crate::cell::{self, Cell};
use crate::{Error, State, Transform, export, options, rows};

type Own<T> = Cell<T, <T as Transform>::Options>;

/// The table of `T`.
pub const fn table<T: Transform>() -> SmilesStage {
    SmilesStage {
        options_schema: Some(schema::<T>),
        plan: Some(plan::<T>),
        open: Some(open::<T>),
        bind: Some(bind::<T>),
        apply: Some(apply::<T>),
        close: Some(close::<T>),
        ..export::empty(ROLE_TRANSFORM, T::TYPE)
    }
}

unsafe extern "C" fn schema<T: Transform>() -> SmilesStr {
    options::schema::<T, T::Options>()
}

unsafe extern "C" fn plan<T: Transform>(
    text: SmilesStr,
    input: *const ArrowSchema,
    output: *mut ArrowSchema,
    error: *mut SmilesError,
) -> i32 {
    let check = || {
        // SAFETY: the host's text and schema.
        let (options, input) = unsafe { (options::read::<T::Options>(text)?, rows::columns(input)?) };
        if let Some(input) = input {
            // SAFETY: the host's room for a schema, or null.
            unsafe { rows::fill_columns(output, T::plan(&options, &input)?.as_ref()) }?;
        }
        Ok(STATUS_OK)
    };
    // SAFETY: the host's error.
    unsafe { cell::guarded(error, None, check) }
}

unsafe extern "C" fn open<T: Transform>(
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

unsafe extern "C" fn bind<T: Transform>(
    this: *mut c_void,
    input: *const ArrowSchema,
    output: *mut ArrowSchema,
    error: *mut SmilesError,
) -> i32 {
    let call = |cell: &mut Own<T>| {
        // SAFETY: the host's schema.
        let input = unsafe { rows::columns(input) }?.ok_or_else(|| Error::retry("bound to no columns"))?;
        let options = cell.options.take().ok_or_else(|| Error::retry("bound twice"))?;
        let planned = T::plan(&options, &input)?;
        cell.stage = Some(T::open(options, input.clone(), cell.host)?);
        // SAFETY: the host's room for a schema.
        unsafe { rows::fill_columns(output, planned.as_ref()) }?;
        (cell.input, cell.output) = (Some(input), Some(planned));
        Ok(STATUS_OK)
    };
    // SAFETY: the host's instance and error.
    unsafe { cell::enter(this, error, call) }
}

unsafe extern "C" fn apply<T: Transform>(
    this: *mut c_void,
    given: *mut ArrowArray,
    made: *mut ArrowArray,
    error: *mut SmilesError,
) -> i32 {
    // SAFETY: the host's rows; also a call that comes to nothing takes them.
    let given = unsafe { rows::own(given) };
    let call = move |cell: &mut Own<T>| {
        let unbound = || Error::retry("applied before it was bound");
        let (input, output) =
            (cell.input.clone().ok_or_else(unbound)?, cell.output.clone().ok_or_else(unbound)?);
        let mut state = State::new(cell.host);
        // SAFETY: the host's rows.
        let batch = unsafe { rows::take(given, &input) }?;
        let batch = cell.stage()?.apply(batch, &mut state)?;
        rows::fit(&batch, &output)?;
        // SAFETY: the host's room for an array.
        unsafe { rows::give(made, batch) };
        Ok(STATUS_OK)
    };
    // SAFETY: the host's instance and error.
    unsafe { cell::enter(this, error, call) }
}

unsafe extern "C" fn close<T: Transform>(this: *mut *mut c_void) {
    // SAFETY: the host's variable.
    unsafe { cell::close::<T, T::Options>(this) };
}
