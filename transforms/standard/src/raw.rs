//! Copies of what was read: columns that `validity` adds and every later stage leaves alone.
//!
//! A copy keeps its unit, so that tables, OpenAPI and dashboards can name it; it has no `kind`, since what was read
//! may fall to zero at night and is no counter; and it says of which column it is a copy.

use std::collections::HashMap;

use arrow_schema::Field;
use smiles_stage::column_unit;
use smiles_stage::with_unit;

const COPY_OF: &str = "copy_of";

/// The field of a copy of `field`.
pub(crate) fn copy(field: &Field, name: String) -> Field {
    let metadata = HashMap::from([(COPY_OF.to_owned(), field.name().clone())]);
    let copy = Field::new(name, field.data_type().clone(), field.is_nullable()).with_metadata(metadata);
    match column_unit(field) {
        Some(unit) => with_unit(copy, unit),
        None => copy,
    }
}

/// Whether the field is a copy.
pub(crate) fn is_copy(field: &Field) -> bool {
    field.metadata().contains_key(COPY_OF)
}
