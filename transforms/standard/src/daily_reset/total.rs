//! The lifetime total beside a counter of the day: where it stands, how it reads in that one's unit, and in what steps
//! it counts.

use arrow_schema::{Field, SchemaRef};
use smiles_stage::unit::{Conversion, Unit};
use smiles_stage::{ColumnMeta, Path, Problem};

use crate::columns;
use crate::quantity::Quantity;

/// Where the total is and how it reads in the unit of the counter of the day.
#[derive(Clone, Copy, Debug)]
pub(super) struct TotalColumn {
    pub(super) index: usize,
    conversion: Option<Conversion>,
    /// One step of the device in its own unit; zero where it is not known.
    own_step: f64,
}

impl TotalColumn {
    /// Finds the total; it is taken as it is where either has no unit.
    pub(super) fn find(
        input: &SchemaRef,
        name: &str,
        today: Option<&Field>,
        at: &Path,
    ) -> Result<Self, Problem> {
        let index = columns::find_number(input, name, at.clone())?;
        let field = input.field(index);
        let own_step = columns::one_step(field);
        let (Some(own), Some(target)) = (field.measure(), today.and_then(Field::measure)) else {
            return Ok(Self { index, conversion: None, own_step });
        };
        let conversion = own.to(&target).ok_or_else(|| {
            let message = format!("column `{name}` in `{own}` cannot be held against one in `{target}`");
            Problem::error(at.clone(), message).help("name the lifetime total of the same quantity")
        })?;
        Ok(Self { index, conversion: Some(conversion), own_step })
    }

    /// A value of it in the unit of the counter of the day.
    pub(super) fn read(&self, value: f64) -> f64 {
        self.conversion.map_or(value, |conversion| conversion.apply(value))
    }

    fn step(&self) -> f64 {
        self.read(self.own_step) - self.read(0.0)
    }
}

/// The step in which the total counts, in the unit of the counter of the day, and whether it is a fine one: no coarser
/// than that counter.
pub(super) fn step_of(
    total: Option<&TotalColumn>,
    said: Option<&Quantity>,
    today: &Field,
    at: &Path,
) -> Result<(f64, bool), Problem> {
    let said = said.map(|said| said.resolve(today.measure().as_ref(), at)).transpose()?;
    let finest = finest(today, said);
    let step = said.or(total.map(TotalColumn::step)).unwrap_or(0.0).max(finest);
    Ok((step, step <= finest))
}

/// One watt-hour where energy is counted, else one step of whatever is.
fn finest(today: &Field, said: Option<f64>) -> f64 {
    let energy = today.measure().and_then(|own| "Wh".parse::<Unit>().ok()?.to(&own));
    energy.map(|conversion| conversion.apply(1.0)).unwrap_or_else(|| match columns::one_step(today) {
        step if step > 0.0 => step,
        _ => said.unwrap_or(1.0),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Schema};
    use smiles_stage::ColumnMeta;

    use super::*;

    fn of(data_type: DataType, unit: &str) -> Field {
        let field = Field::new("column", data_type, false);
        if unit.is_empty() { field } else { field.with_unit(unit) }
    }

    #[test]
    fn the_step_of_a_total_is_its_raw_unit_or_what_is_said_and_at_least_a_watt_hour() {
        let watt_hours = || of(DataType::UInt16, "Wh");
        for (case, today, total, said, expected) in [
            ("both fine", watt_hours(), of(DataType::UInt32, "Wh"), None, (1.0, true)),
            ("whole kilowatt-hours", watt_hours(), of(DataType::UInt32, "kWh"), None, (1000.0, false)),
            (
                "a raw unit",
                watt_hours(),
                of(DataType::Float64, "Wh").with_resolution(100.0),
                None,
                (100.0, false),
            ),
            ("a fraction says nothing", watt_hours(), of(DataType::Float64, "kWh"), None, (1.0, true)),
            ("said", watt_hours(), of(DataType::Float64, "kWh"), Some("\"10 Wh\""), (10.0, false)),
            ("finer than it can be", watt_hours(), of(DataType::Float64, "kWh"), Some("0.1"), (1.0, true)),
            ("kilowatt-hours", of(DataType::Float64, "kWh"), of(DataType::UInt32, "Wh"), None, (0.001, true)),
            ("pieces", of(DataType::UInt16, ""), of(DataType::UInt32, ""), None, (1.0, true)),
            (
                "water",
                of(DataType::Float64, "m³"),
                of(DataType::Float64, "m³"),
                Some("\"1 l\""),
                (0.001, true),
            ),
        ] {
            let schema: SchemaRef = Arc::new(Schema::new(vec![total]));
            let total = TotalColumn::find(&schema, "column", Some(&today), &Path::root()).unwrap();
            let said: Option<Quantity> = said.map(|said| serde_json::from_str(said).unwrap());
            let found = step_of(Some(&total), said.as_ref(), &today, &Path::root()).unwrap();
            assert_eq!(found, expected, "{case}");
        }
    }
}
