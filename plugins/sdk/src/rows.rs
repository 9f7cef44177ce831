//! Columns and rows across the line.

use arrow_array::ffi::{FFI_ArrowArray, from_ffi_and_data_type};
use arrow_array::{Array, RecordBatch, RecordBatchOptions, StructArray};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{DataType, Schema, SchemaRef};
use smiles_plugin_abi::{ArrowArray, ArrowSchema};

use crate::Error;

const _: () = assert!(size_of::<ArrowArray>() == size_of::<FFI_ArrowArray>());
const _: () = assert!(size_of::<ArrowSchema>() == size_of::<FFI_ArrowSchema>());

/// # Safety
/// `given` is null or a schema of the host.
pub(crate) unsafe fn columns(given: *const ArrowSchema) -> Result<Option<SchemaRef>, Error> {
    // SAFETY: the same struct by the C data interface.
    let Some(given) = (unsafe { given.cast::<FFI_ArrowSchema>().as_ref() }) else { return Ok(None) };
    Ok(Some(SchemaRef::new(Schema::try_from(given)?)))
}

/// # Safety
/// `into` is null or room for a schema.
pub(crate) unsafe fn fill_columns(into: *mut ArrowSchema, columns: &Schema) -> Result<(), Error> {
    if into.is_null() {
        return Ok(());
    }
    let made = FFI_ArrowSchema::try_from(columns)?;
    // SAFETY: the same struct by the C data interface; the host has emptied it.
    unsafe { into.cast::<FFI_ArrowSchema>().write(made) };
    Ok(())
}

/// Takes the host's rows out of its hands, before anything can go wrong; released when they are dropped.
///
/// # Safety
/// `given` is rows of the host.
pub(crate) unsafe fn own(given: *mut ArrowArray) -> FFI_ArrowArray {
    // SAFETY: the same struct by the C data interface.
    unsafe { FFI_ArrowArray::from_raw(given.cast()) }
}

/// The rows as a batch of these columns.
///
/// # Safety
/// `owned` is rows of the host in these columns.
pub(crate) unsafe fn take(owned: FFI_ArrowArray, columns: &SchemaRef) -> Result<RecordBatch, Error> {
    if owned.is_empty() {
        return Ok(RecordBatch::new_empty(SchemaRef::clone(columns)));
    }
    let data_type = DataType::Struct(columns.fields().clone());
    // SAFETY: the host's rows keep to the C data interface.
    let rows = StructArray::from(unsafe { from_ffi_and_data_type(owned, data_type) }?);
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(SchemaRef::clone(columns), rows.columns().to_vec(), &options)?)
}

/// # Safety
/// `into` is room for an array.
pub(crate) unsafe fn give(into: *mut ArrowArray, rows: RecordBatch) {
    let made = FFI_ArrowArray::new(&StructArray::from(rows).to_data());
    // SAFETY: the same struct by the C data interface; the host has emptied it.
    unsafe { into.cast::<FFI_ArrowArray>().write(made) };
}

/// That rows have the columns that were planned.
pub(crate) fn fit(rows: &RecordBatch, columns: &SchemaRef) -> Result<(), Error> {
    let schema = rows.schema_ref();
    let same =
        schema.fields().len() == columns.fields().len()
            && schema.fields().iter().zip(columns.fields()).all(|(ours, planned)| {
                ours.name() == planned.name() && ours.data_type() == planned.data_type()
            });
    if same { Ok(()) } else { Err(Error::retry("the rows have other columns than `plan` said")) }
}
