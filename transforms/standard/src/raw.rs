//! Copies of what was read: columns that `validity` adds and every later stage leaves alone.
//!
//! A copy keeps its unit and its words for codes, so that tables, OpenAPI and dashboards can name it; it has no `kind`, since what was read
//! may fall to zero at night and is no counter; and it says of which column it is a copy.

use arrow_schema::Field;
use smiles_stage::ColumnMeta;

/// The field of a copy of `field`.
pub(crate) fn copy(field: &Field, name: String) -> Field {
    let copy = Field::new(name, field.data_type().clone(), field.is_nullable());
    let copy = copy.copy_of(field.name()).with_unit_of(field);
    match field.labels() {
        Some(labels) => copy.with_labels(&labels),
        None => copy,
    }
}
