//! Rows across the line: out as a struct array, in only after everything that can be checked was checked.

use std::ffi::c_void;

use arrow_array::ffi::{FFI_ArrowArray, from_ffi_and_data_type};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StructArray, make_array};
use arrow_data::transform::MutableArrayData;
use arrow_schema::{ArrowError, DataType, SchemaRef};
use smiles_plugin_abi::ArrowArray;

/// More rows than one batch has.
const MAX_ROWS: i64 = 1 << 31;

const _: () = assert!(size_of::<ArrowArray>() == size_of::<FFI_ArrowArray>());

/// The rows as the C data interface has them; they share the columns.
pub(crate) fn export(rows: &RecordBatch) -> FFI_ArrowArray {
    if rows.num_columns() == 0 {
        let none = StructArray::new_empty_fields(rows.num_rows(), None);
        return FFI_ArrowArray::new(&none.to_data());
    }
    FFI_ArrowArray::new(&StructArray::from(rows.clone()).to_data())
}

/// The same rows in memory of their own. Whoever is given rows could write to them, and whoever gave some could go on
/// to: journal, other sinks and a second try must not see that.
pub(crate) fn copied(rows: &RecordBatch) -> RecordBatch {
    let copy = |column: &ArrayRef| {
        let data = column.to_data();
        let mut copy = MutableArrayData::new(vec![&data], false, data.len());
        copy.try_extend(0, 0, data.len())?;
        Ok::<ArrayRef, ArrowError>(make_array(copy.freeze()))
    };
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    let columns: Result<Vec<_>, _> = rows.columns().iter().map(copy).collect();
    let copied =
        columns.and_then(|columns| RecordBatch::try_new_with_options(rows.schema(), columns, &options));
    #[expect(clippy::expect_used, reason = "what is copied was a batch of this schema and no longer")]
    copied.expect("columns of the schema")
}

/// Takes the rows a plugin filled in. `Ok(None)`: it filled in none.
///
/// # Safety
/// `filled` is empty, or was filled in by a producer of the C data interface; its buffers are as long as it says.
pub(crate) unsafe fn import(
    filled: &mut ArrowArray,
    schema: &SchemaRef,
) -> Result<Option<RecordBatch>, String> {
    if filled.release.is_none() {
        return Ok(None);
    }
    let raw: *mut ArrowArray = &raw mut *filled;
    // SAFETY: the two structs are the same by the C data interface. Moved: released when the rows are dropped.
    let owned = unsafe { FFI_ArrowArray::from_raw(raw.cast()) };
    let view: *const FFI_ArrowArray = &raw const owned;
    // SAFETY: the producer's struct, in its new place.
    unsafe { check(&*view.cast::<ArrowArray>(), schema) }?;
    if owned.is_empty() {
        // Arrow's own reader takes offsets of no texts for offsets into nothing.
        return Ok(Some(RecordBatch::new_empty(SchemaRef::clone(schema))));
    }
    let data_type = DataType::Struct(schema.fields().clone());
    // SAFETY: checked above as far as it can be; the length of the buffers is the producer's promise.
    let data = unsafe { from_ffi_and_data_type(owned, data_type) }
        .map_err(|error| format!("rows that do not read: {error}"))?;
    data.validate_full().map_err(|error| format!("rows that are not sound: {error}"))?;
    let rows = StructArray::from(data);
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let columns = rows.columns().to_vec();
    let batch = RecordBatch::try_new_with_options(SchemaRef::clone(schema), columns, &options);
    batch.map(Some).map_err(|error| format!("rows that do not fit its columns: {error}"))
}

unsafe fn check(rows: &ArrowArray, schema: &SchemaRef) -> Result<(), String> {
    let wanted = schema.fields().len();
    if !(0..MAX_ROWS).contains(&rows.length) || !(0..MAX_ROWS).contains(&rows.offset) {
        return Err(format!("{} rows from row {}", rows.length, rows.offset));
    }
    if usize::try_from(rows.n_children) != Ok(wanted) {
        return Err(format!("{} columns, its schema has {wanted}", rows.n_children));
    }
    if rows.n_buffers != 1 || rows.buffers.is_null() {
        return Err(format!("a struct with {} buffers, it has one", rows.n_buffers));
    }
    // SAFETY: there is one buffer.
    if !unsafe { *rows.buffers }.is_null() && rows.null_count != 0 {
        return Err("rows that are null as a whole".to_owned());
    }
    if wanted > 0 && rows.children.is_null() {
        return Err("columns and no pointer to them".to_owned());
    }
    for (index, field) in schema.fields().iter().enumerate() {
        // SAFETY: there are as many children as fields.
        let child = unsafe { (*rows.children.add(index)).as_ref() };
        let child = child.ok_or_else(|| format!("column `{}` as NULL", field.name()))?;
        // SAFETY: the producer's struct.
        unsafe { column(child, field.data_type(), rows.offset + rows.length) }
            .map_err(|reason| format!("column `{}` with {reason}", field.name()))?;
    }
    Ok(())
}

/// `rows`: how many the struct needs of the column.
unsafe fn column(array: &ArrowArray, data_type: &DataType, rows: i64) -> Result<(), String> {
    if array.length < rows || array.length >= MAX_ROWS || !(0..MAX_ROWS).contains(&array.offset) {
        return Err(format!("{} values from {} for {rows} rows", array.length, array.offset));
    }
    let with_offsets = matches!(data_type, DataType::Utf8 | DataType::Binary);
    let buffers = if with_offsets { 3 } else { 2 };
    if array.n_buffers != buffers || array.buffers.is_null() {
        return Err(format!("{} buffers, {data_type} has {buffers}", array.n_buffers));
    }
    if array.n_children != 0 || !array.dictionary.is_null() {
        return Err("children or a dictionary".to_owned());
    }
    // SAFETY: there are so many buffers.
    let buffer = |index: usize| -> *const c_void { unsafe { *array.buffers.add(index) } };
    if buffer(0).is_null() && array.null_count > 0 {
        return Err(format!("{} nulls and no validity bitmap", array.null_count));
    }
    if array.null_count > array.length {
        return Err(format!("{} nulls among {} values", array.null_count, array.length));
    }
    if array.length == 0 {
        return Ok(());
    }
    if buffer(1).is_null() {
        return Err("no values".to_owned());
    }
    if with_offsets {
        let end = usize::try_from(array.offset + array.length).unwrap_or(0);
        // SAFETY: one offset more than there are values.
        let last = unsafe { ascending(buffer(1).cast(), end) }?;
        if last > 0 && buffer(2).is_null() {
            return Err("texts and no bytes of them".to_owned());
        }
    }
    Ok(())
}

/// The last offset, if each is at least the one before; else reading the values would lead anywhere.
unsafe fn ascending(offsets: *const i32, end: usize) -> Result<i32, String> {
    let mut before = 0;
    for index in 0..=end {
        // SAFETY: the caller has so many; C code may not align them.
        let offset = unsafe { offsets.add(index).read_unaligned() };
        if offset < before {
            return Err(format!("offset {offset} after {before}"));
        }
        before = offset;
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};
    use arrow_schema::{Field, Schema};

    use super::*;

    fn rows() -> RecordBatch {
        let schema =
            Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("t", DataType::Utf8, true)]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(1), None, Some(3), Some(4)])),
            Arc::new(StringArray::from(vec![None, Some("b"), Some(""), Some("dd")])),
        ];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    /// Out and in again, with the struct in between for the test to spoil.
    fn pass(
        rows: &RecordBatch,
        corrupt: impl FnOnce(&mut ArrowArray),
    ) -> Result<Option<RecordBatch>, String> {
        let mut exported = std::mem::ManuallyDrop::new(export(rows));
        let raw: *mut FFI_ArrowArray = &raw mut *exported;
        // SAFETY: the same struct by the C data interface.
        let raw = unsafe { &mut *raw.cast::<ArrowArray>() };
        corrupt(raw);
        // SAFETY: what `spoil` changes is checked before it is followed.
        unsafe { import(raw, &rows.schema()) }
    }

    #[test]
    fn rows_come_back_whole_sliced_and_empty() {
        let all = rows();
        for part in [all.clone(), all.slice(1, 2), all.slice(3, 1), all.slice(0, 0)] {
            assert_eq!(pass(&part, |_| {}).unwrap().unwrap(), part);
        }
    }

    #[test]
    fn a_copy_has_the_rows_and_none_of_the_memory() {
        let all = rows();
        let none = all.project(&[]).unwrap();
        for part in [all.clone(), all.slice(1, 2), all.slice(3, 1), all.slice(0, 0), none] {
            let copy = copied(&part);
            assert_eq!(copy, part);
            let memory = |rows: &RecordBatch| -> Vec<usize> {
                let columns = rows.columns().iter().map(Array::to_data);
                let buffers = columns.flat_map(|data| {
                    let nulls = data.nulls().map(|nulls| nulls.buffer().as_ptr() as usize);
                    let values = data.buffers().iter().filter(|buffer| !buffer.is_empty());
                    values.map(|buffer| buffer.as_ptr() as usize).chain(nulls).collect::<Vec<_>>()
                });
                buffers.collect()
            };
            if part.num_rows() > 0 {
                let (ours, theirs) = (memory(&part), memory(&copy));
                assert!(theirs.iter().all(|buffer| !ours.contains(buffer)), "{ours:x?} {theirs:x?}");
            }
        }
    }

    #[test]
    fn what_is_not_sound_is_refused_and_released() {
        type Corrupt = fn(&mut ArrowArray);
        // SAFETY of the closures: the struct has two children with the buffers of their types.
        fn child(rows: &mut ArrowArray, index: usize) -> &mut ArrowArray {
            // SAFETY: exported from a batch of two columns.
            unsafe { &mut **rows.children.add(index) }
        }
        let corruptions: [(Corrupt, &str); 9] = [
            (|rows| rows.length = -1, "-1 rows"),
            (|rows| rows.length = 9, "4 values from 0 for 9 rows"),
            (|rows| rows.n_children = 1, "1 columns, its schema has 2"),
            (|rows| rows.n_buffers = 0, "a struct with 0 buffers"),
            (|rows| child(rows, 0).length = 2, "column `n`"),
            (|rows| child(rows, 0).n_buffers = 3, "3 buffers"),
            (|rows| child(rows, 1).n_buffers = 2, "2 buffers"),
            (|rows| child(rows, 0).null_count = 77, "77 nulls"),
            (|rows| child(rows, 1).offset = -4, "from -4"),
        ];
        for (corrupt, expected) in corruptions {
            let reason = pass(&rows(), corrupt).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
        let none = pass(&rows(), |rows| {
            let release = rows.release.expect("exported");
            // SAFETY: released once, by its own function.
            unsafe { release(&raw mut *rows) };
        });
        assert_eq!(none, Ok(None));
    }

    #[test]
    fn falling_offsets_are_not_followed() {
        let text = RecordBatch::try_new(
            Arc::new(Schema::new(vec![Field::new("t", DataType::Utf8, true)])),
            vec![Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef],
        );
        static OFFSETS: [i32; 3] = [0, 9, 3];
        let reason = pass(&text.unwrap(), |rows| {
            // SAFETY: one child with three buffers.
            unsafe { *(**rows.children).buffers.add(1) = OFFSETS.as_ptr().cast() };
        });
        assert!(reason.unwrap_err().contains("offset 3 after 9"));
    }
}
