//! Columns across the line: which types may cross, schemas out, and schemas in that are read with suspicion.

use std::collections::HashMap;
use std::ffi::{CStr, c_char};
use std::sync::Arc;

use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use smiles_plugin_abi::{ARROW_FLAG_NULLABLE, ArrowSchema};

/// More columns than any table has.
const MAX_COLUMNS: usize = 4096;
/// Longer than any name, unit or type.
const MAX_TEXT: usize = 1024;
/// More metadata entries than any field has.
const MAX_ENTRIES: i32 = 256;

/// The type's `format` in the C data interface; `None`: ABI 1 has no such type.
fn is_known(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => zone.as_ref() == "UTC",
        other => KNOWN.iter().any(|(_, known)| known == other),
    }
}

const KNOWN: &[(&str, DataType)] = &[
    ("b", DataType::Boolean),
    ("c", DataType::Int8),
    ("C", DataType::UInt8),
    ("s", DataType::Int16),
    ("S", DataType::UInt16),
    ("i", DataType::Int32),
    ("I", DataType::UInt32),
    ("l", DataType::Int64),
    ("L", DataType::UInt64),
    ("f", DataType::Float32),
    ("g", DataType::Float64),
    ("u", DataType::Utf8),
    ("z", DataType::Binary),
];

/// The first column a plugin cannot take, as a sentence.
pub(crate) fn unfit(schema: &Schema) -> Option<String> {
    let field = schema.fields().iter().find(|field| !is_known(field.data_type()))?;
    Some(format!(
        "column `{}` is {}: a plugin takes bool, integers, floats, text, binary and timestamps in microseconds UTC",
        field.name(),
        field.data_type()
    ))
}

/// The schema as the C data interface has it.
pub(crate) fn export(schema: &Schema) -> Result<FFI_ArrowSchema, String> {
    FFI_ArrowSchema::try_from(schema).map_err(|error| format!("the columns cannot be handed over: {error}"))
}

/// Reads the schema a plugin filled in and releases it.
///
/// # Safety
/// `filled` is empty, or was filled in by a producer of the C data interface; pointers it holds lead to what it says.
pub(crate) unsafe fn import(filled: &mut ArrowSchema) -> Result<SchemaRef, String> {
    if filled.release.is_none() {
        return Err("it succeeded and filled in no schema".to_owned());
    }
    // SAFETY: the caller's promise.
    let schema = unsafe { read(filled) };
    // SAFETY: as above.
    unsafe { release(filled) };
    schema
}

/// Releases a schema that holds something.
///
/// # Safety
/// As [`import`].
pub(crate) unsafe fn release(filled: &mut ArrowSchema) {
    if let Some(release) = filled.release {
        // SAFETY: the producer's own function, on the struct it filled in, once: it is marked as released after.
        unsafe { release(&raw mut *filled) };
        filled.release = None;
    }
}

unsafe fn read(filled: &ArrowSchema) -> Result<SchemaRef, String> {
    // SAFETY: a producer's text.
    let format = unsafe { text(filled.format) }.ok_or("its schema has no format")?;
    if format != "+s" {
        return Err(format!("its schema is `{format}`, not a struct (`+s`)"));
    }
    let count = usize::try_from(filled.n_children).ok().filter(|count| *count <= MAX_COLUMNS);
    let count = count.ok_or_else(|| format!("its schema says it has {} columns", filled.n_children))?;
    if count > 0 && filled.children.is_null() {
        return Err("its schema has columns and no pointer to them".to_owned());
    }
    let mut fields: Vec<Field> = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: the producer says there are so many children.
        let child = unsafe { *filled.children.add(index) };
        // SAFETY: a child of the producer, or null.
        let child =
            unsafe { child.as_ref() }.ok_or_else(|| format!("column {index} of its schema is NULL"))?;
        // SAFETY: as above.
        let field =
            unsafe { field(child) }.map_err(|reason| format!("column {index} of its schema {reason}"))?;
        if fields.iter().any(|other| other.name() == field.name()) {
            return Err(format!("its schema has two columns `{}`", field.name()));
        }
        fields.push(field);
    }
    Ok(Arc::new(Schema::new(fields)))
}

unsafe fn field(child: &ArrowSchema) -> Result<Field, String> {
    // SAFETY: a producer's text.
    let name = unsafe { text(child.name) }.filter(|name| !name.is_empty()).ok_or("has no name")?;
    // SAFETY: a producer's text.
    let format = unsafe { text(child.format) }.ok_or_else(|| format!("(`{name}`) has no format"))?;
    let known = KNOWN.iter().find(|(known, _)| *known == format).map(|(_, data_type)| data_type.clone());
    let data_type = match known {
        Some(data_type) => data_type,
        None if format == "tsu:UTC" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        None => return Err(format!("(`{name}`) has the format `{format}`, which ABI 1 does not know")),
    };
    // SAFETY: a producer's metadata, or null.
    let metadata = unsafe { metadata(child.metadata) }.map_err(|reason| format!("(`{name}`) {reason}"))?;
    Ok(Field::new(name, data_type, child.flags & ARROW_FLAG_NULLABLE != 0).with_metadata(metadata))
}

/// A text that ends within [`MAX_TEXT`] bytes; `None` for a null pointer, no end, or no UTF-8.
unsafe fn text(start: *const c_char) -> Option<String> {
    if start.is_null() {
        return None;
    }
    let mut length = 0;
    // SAFETY: read byte by byte up to the first zero, and no further than a name can be.
    while unsafe { *start.add(length) } != 0 {
        length += 1;
        if length > MAX_TEXT {
            return None;
        }
    }
    // SAFETY: a zero byte was found.
    unsafe { CStr::from_ptr(start) }.to_str().ok().map(str::to_owned)
}

/// Key-value pairs: a count, then lengths and bytes, all native 32-bit integers.
unsafe fn metadata(start: *const c_char) -> Result<HashMap<String, String>, String> {
    let mut pairs = HashMap::new();
    if start.is_null() {
        return Ok(pairs);
    }
    let mut at = start.cast::<u8>();
    // SAFETY: the format begins with a count.
    let count = unsafe { number(&mut at) };
    if !(0..=MAX_ENTRIES).contains(&count) {
        return Err(format!("says it has {count} metadata entries"));
    }
    for _ in 0..count {
        // SAFETY: so many pairs follow.
        let (key, value) = unsafe { (entry(&mut at)?, entry(&mut at)?) };
        pairs.insert(key, value);
    }
    Ok(pairs)
}

unsafe fn number(at: &mut *const u8) -> i32 {
    // SAFETY: the caller knows that a number stands here.
    let value = unsafe { at.cast::<i32>().read_unaligned() };
    // SAFETY: as above.
    *at = unsafe { at.add(size_of::<i32>()) };
    value
}

unsafe fn entry(at: &mut *const u8) -> Result<String, String> {
    // SAFETY: the caller knows that a length stands here.
    let length = unsafe { number(at) };
    let length = usize::try_from(length).ok().filter(|length| *length <= 64 * MAX_TEXT);
    let length = length.ok_or("has a metadata entry of impossible length")?;
    // SAFETY: so many bytes follow.
    let bytes = unsafe { std::slice::from_raw_parts(*at, length) };
    // SAFETY: as above.
    *at = unsafe { at.add(length) };
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// How two schemas differ, as a clause; `None`: they are the same in names, types and nullability.
pub(crate) fn difference(planned: &Schema, bound: &Schema) -> Option<String> {
    if planned.fields().len() != bound.fields().len() {
        return Some(format!("{} columns instead of {}", bound.fields().len(), planned.fields().len()));
    }
    let differing = planned.fields().iter().zip(bound.fields()).find(|(ours, theirs)| {
        ours.name() != theirs.name()
            || ours.data_type() != theirs.data_type()
            || ours.is_nullable() != theirs.is_nullable()
    });
    differing.map(|(ours, theirs)| {
        let null = |field: &Field| if field.is_nullable() { "nullable" } else { "never null" };
        format!(
            "column `{}` ({}, {}) instead of `{}` ({}, {})",
            theirs.name(),
            theirs.data_type(),
            null(theirs),
            ours.name(),
            ours.data_type(),
            null(ours)
        )
    })
}

#[cfg(test)]
mod tests {
    use smiles_stage::ColumnMeta as _;

    use super::*;

    fn all_types() -> Schema {
        let time = Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false);
        let others = KNOWN
            .iter()
            .map(|(format, data_type)| Field::new(format!("f_{format}"), data_type.clone(), true));
        let unit = Field::new("power", DataType::Float64, true).with_unit("W");
        Schema::new(std::iter::once(time).chain(others).chain([unit]).collect::<Vec<_>>())
    }

    #[test]
    fn every_type_survives_the_line_with_its_metadata() {
        let schema = all_types();
        assert_eq!(unfit(&schema), None);
        let mut exported = std::mem::ManuallyDrop::new(export(&schema).unwrap());
        let raw: *mut FFI_ArrowSchema = &raw mut *exported;
        // SAFETY: the two structs are the same by the C data interface; released by `import`.
        let read = unsafe { import(&mut *raw.cast::<ArrowSchema>()) }.unwrap();
        assert_eq!(read.as_ref(), &schema);
    }

    #[test]
    fn other_types_are_named() {
        let list = Schema::new(vec![Field::new("x", DataType::Date32, true)]);
        assert!(unfit(&list).unwrap().contains("column `x` is Date32"));
        let local = DataType::Timestamp(TimeUnit::Microsecond, None);
        assert!(unfit(&Schema::new(vec![Field::new("t", local, true)])).is_some());
    }

    extern "C" fn nothing_to_free(schema: *mut ArrowSchema) {
        // SAFETY: called with the struct of the test.
        unsafe { (*schema).release = None };
    }

    #[test]
    fn a_schema_of_nonsense_is_an_error() {
        let endless = [b'a'; 4096];
        let mut child = ArrowSchema { name: c"x".as_ptr(), format: c"l".as_ptr(), ..ArrowSchema::empty() };
        let mut children = [&raw mut child];
        let whole = |format: *const c_char, count: i64, children: *mut *mut ArrowSchema| ArrowSchema {
            format,
            n_children: count,
            children,
            release: Some(nothing_to_free),
            ..ArrowSchema::empty()
        };
        let list = children.as_mut_ptr();
        let rows = [
            (ArrowSchema::empty(), "filled in no schema"),
            (whole(std::ptr::null(), 1, list), "no format"),
            (whole(endless.as_ptr().cast(), 1, list), "no format"),
            (whole(c"l".as_ptr(), 1, list), "not a struct"),
            (whole(c"+s".as_ptr(), -1, list), "-1 columns"),
            (whole(c"+s".as_ptr(), 1 << 40, list), "columns"),
            (whole(c"+s".as_ptr(), 1, std::ptr::null_mut()), "no pointer"),
        ];
        for (mut schema, expected) in rows {
            // SAFETY: statics of this test.
            let reason = unsafe { import(&mut schema) }.unwrap_err();
            assert!(reason.contains(expected), "{reason}");
            assert!(schema.release.is_none());
        }
        for (name, format, expected) in [
            (std::ptr::null(), c"l".as_ptr(), "has no name"),
            (c"x".as_ptr(), c"+l".as_ptr(), "does not know"),
            (c"x".as_ptr(), std::ptr::null(), "has no format"),
        ] {
            child = ArrowSchema { name, format, ..ArrowSchema::empty() };
            let mut children = [&raw mut child];
            // SAFETY: statics of this test.
            let reason = unsafe { import(&mut whole(c"+s".as_ptr(), 1, children.as_mut_ptr())) }.unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
