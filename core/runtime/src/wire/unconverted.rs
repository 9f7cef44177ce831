//! Columns that reach a sink as the device counts them: 4998 hundredths of a hertz, stored as 4998.

use arrow_schema::{Field, SchemaRef};
use smiles_config::SinkDecl;
use smiles_stage::unit::Unit;
use smiles_stage::{ColumnMeta, Offer, Path, Problem};

/// A count of a device to say as an example.
const COUNT: f64 = 4998.0;

/// One warning per sink that takes such columns. One that only shows what another stores says nothing of its own.
pub(crate) fn unconverted(
    decl: &SinkDecl,
    reads: Option<usize>,
    offer: Option<&Offer>,
    schema: &SchemaRef,
) -> Option<Problem> {
    if reads.is_some() {
        return None;
    }
    let takes = |name: &str| {
        offer.is_none_or(|offer| {
            offer.mapped.is_empty() || offer.mapped.iter().any(|table| table.columns.contains_key(name))
        })
    };
    // A copy of what was read keeps the device's count on purpose.
    let fields = schema.fields().iter().filter(|field| !field.is_copy() && takes(field.name()));
    let scaled: Vec<(&str, Unit)> =
        fields.filter_map(|field| Some((field.name().as_str(), scaled(field)?))).collect();
    let ((column, unit), others) = scaled.split_first()?;
    let others: Vec<String> = others.iter().map(|(name, unit)| format!("`{name}` as {unit}")).collect();
    let more = if others.is_empty() { String::new() } else { format!("; also {}", others.join(", ")) };
    let base = unit.base();
    let meant = unit.to(&base)?.apply(COUNT);
    let name = &decl.stage.name;
    let message =
        format!("`{column}` enters `{name}` as {unit}: {meant} {base} would be stored as {COUNT}{more}");
    let help = "add `- type: unit_conversion` to `transforms:`; it makes base units of all scaled ones";
    Some(Problem::warning(Path::root(), message).help(help))
}

/// The unit of a column that counts in parts or multiples of it.
fn scaled(field: &Field) -> Option<Unit> {
    field.measure().filter(|unit| *unit != unit.base())
}
