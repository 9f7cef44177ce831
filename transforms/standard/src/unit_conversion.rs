//! `unit_conversion`: every scaled raw unit (0.1 V) to its base unit, and any column to the unit asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::unit::{Conversion, Unit};
use smiles_stage::{
    ColumnMeta, OpenContext, ParseError, PassInfo, Path, PlanContext, Problem, Problems, Stage, StageError,
    State, Transform, TransformPlan,
};

use crate::column_plan::{ColumnPlan, transform_plan};
use crate::columns;

/// The stage type `unit_conversion`.
pub struct UnitConversion;

/// Options of `unit_conversion`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Options")]
pub struct ConversionOptions {
    /// Columns that should end in another unit than the base unit of their own, for example
    /// `total_production: kWh`. The dimension must be the same.
    #[serde(default)]
    to: BTreeMap<String, String>,
}

impl Stage for UnitConversion {
    type Plan = dyn TransformPlan;
    type Config = ConversionOptions;
    const NAME: &'static str = "unit_conversion";
    const ABOUT: &'static str =
        "converts every scaled raw unit (0.1 V) to its base unit, or to the unit asked for";

    fn plan(
        config: ConversionOptions,
        _context: PlanContext<'_>,
    ) -> Result<Box<dyn TransformPlan>, Problems> {
        let targets = config.to;
        // A unit that a device file declares is known once its column is.
        let certain = targets.iter().filter(|(_, text)| !Unit::may_be_declared(text));
        let wrong = certain.filter_map(|(column, text)| target(column, text, None).err());
        let problems: Problems = wrong.collect();
        if problems.is_empty() { Ok(transform_plan(ConversionPlan { targets })) } else { Err(problems) }
    }
}

struct ConversionPlan {
    targets: BTreeMap<String, String>,
}

/// The unit that a column should end in.
fn target(column: &str, text: &str, own: Option<&Unit>) -> Result<Unit, Problem> {
    let at = Path::root().key("to").key(column);
    Unit::beside(text, own)
        .map_err(|ParseError { message, help }| Problem { help, ..Problem::error(at, message) })
}

/// What happens to one column.
enum ColumnStep {
    Keep,
    Convert(Conversion),
}

impl ConversionPlan {
    fn column(&self, field: &Field) -> Result<(ColumnStep, Field), Problem> {
        let asked = self.targets.get(field.name());
        let at = Path::root().key("to").key(field.name());
        if field.is_copy() {
            return Ok((ColumnStep::Keep, field.clone()));
        }
        let Some(text) = field.unit() else {
            return match asked {
                None => Ok((ColumnStep::Keep, field.clone())),
                Some(_) => {
                    Err(Problem::error(at, format!("column `{}` has no unit to convert from", field.name()))
                        .help("give the field a `unit:` in its device file"))
                }
            };
        };
        let own = field.measure().ok_or_else(|| {
            let message = format!("column `{}` has the unknown unit `{text}`", field.name());
            Problem::error(Path::root(), message)
        })?;
        let target = asked.map_or_else(|| Ok(own.base()), |text| target(field.name(), text, Some(&own)))?;
        let conversion = own.to(&target).ok_or_else(|| {
            let (from, to) = (own.dimension(), target.dimension());
            Problem::error(at, format!("`{own}` is {from}, `{target}` is {to}: they do not convert"))
        })?;
        let mut named = field.clone().with_unit(&target.to_string());
        if field.data_type().is_integer() {
            // One step of the device in the unit it ends in: an answer rounds means to it.
            named = named.with_resolution((conversion.apply(1.0) - conversion.apply(0.0)).abs());
        }
        if conversion.is_identity() {
            return Ok((ColumnStep::Keep, named));
        }
        let data_type =
            if conversion.keeps_integers() { columns::widened(field.data_type()) } else { DataType::Float64 };
        // What is scaled is no code any more.
        Ok((ColumnStep::Convert(conversion), named.with_data_type(data_type).without_labels()))
    }
}

/// What happens to each column, and the columns that leave.
struct ConversionColumns {
    steps: Vec<ColumnStep>,
    schema: SchemaRef,
}

impl ColumnPlan for ConversionPlan {
    type Columns = ConversionColumns;

    fn columns(&self, input: &SchemaRef) -> Result<ConversionColumns, Problems> {
        let mut problems = Problems::new();
        for name in self.targets.keys() {
            problems.extend(columns::find_changed(input, name, Path::root().key("to").key(name)).err());
        }
        let mut steps = Vec::new();
        let mut fields = Vec::new();
        for field in input.fields() {
            match self.column(field) {
                Ok((step, field)) => {
                    steps.push(step);
                    fields.push(field);
                }
                Err(problem) => problems.push(problem),
            }
        }
        let schema = Schema::new_with_metadata(fields, input.metadata().clone());
        if problems.is_empty() {
            Ok(ConversionColumns { steps, schema: Arc::new(schema) })
        } else {
            Err(problems)
        }
    }

    fn output(columns: &ConversionColumns) -> SchemaRef {
        Arc::clone(&columns.schema)
    }

    fn open(&self, columns: Arc<ConversionColumns>, _context: OpenContext) -> Box<dyn Transform> {
        Box::new(ConversionTransform(columns))
    }
}

struct ConversionTransform(Arc<ConversionColumns>);

impl Transform for ConversionTransform {
    fn apply(
        &mut self,
        batch: RecordBatch,
        _pass: &PassInfo,
        _state: &mut dyn State,
    ) -> Result<RecordBatch, StageError> {
        let ConversionColumns { steps, schema } = self.0.as_ref();
        let columns = batch
            .columns()
            .iter()
            .zip(steps.iter().zip(schema.fields()))
            .map(|(column, (step, field))| convert(column, step, field))
            .collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(Arc::clone(schema), columns).map_err(columns::unexpected)
    }
}

fn convert(column: &ArrayRef, step: &ColumnStep, field: &Field) -> Result<ArrayRef, StageError> {
    let ColumnStep::Convert(conversion) = step else { return Ok(Arc::clone(column)) };
    let numbers = columns::numbers(column)
        .ok_or_else(|| StageError::halt(format!("column `{}` no longer holds numbers", field.name())))?;
    let converted = numbers.unary(|value| conversion.apply(value));
    Ok(columns::narrowed(&converted, field.data_type()))
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type};
    use arrow_array::{Int16Array, StringArray, UInt16Array};
    use smiles_testkit::NoFiles;

    use super::*;

    fn plan(options: &str) -> Result<Box<dyn TransformPlan>, Problems> {
        let context = PlanContext { stage: "unit_conversion", files: &NoFiles };
        UnitConversion::plan(serde_json::from_str(options).unwrap(), context)
    }

    fn field(name: &str, data_type: DataType, unit: &str) -> Field {
        Field::new(name, data_type, true).with_unit(unit)
    }

    fn input() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("name", DataType::Utf8, false),
            field("voltage", DataType::UInt16, "0.1 V"),
            field("temperature", DataType::Int16, "0.1 °C"),
            field("energy", DataType::UInt16, "Wh"),
            field("power", DataType::UInt16, "10 W"),
        ]))
    }

    #[test]
    fn raw_units_become_base_units_and_keep_their_nulls() {
        let schema = input();
        let Ok(columns) = ConversionPlan { targets: BTreeMap::new() }.columns(&schema) else {
            panic!("refused")
        };
        let rows = RecordBatch::try_new(
            schema,
            vec![
                Arc::new(StringArray::from(vec!["a", "b"])),
                Arc::new(UInt16Array::from(vec![Some(2301), None])),
                Arc::new(Int16Array::from(vec![-55, 0])),
                Arc::new(UInt16Array::from(vec![751, 65535])),
                Arc::new(UInt16Array::from(vec![7, 8])),
            ],
        )
        .unwrap();
        // The discarded state is never asked: a conversion has no memory.
        struct NoState;
        impl State for NoState {
            fn get(&self, _key: &[u8]) -> Option<Vec<u8>> {
                panic!("asked for state")
            }
            fn put(&mut self, _key: &[u8], _value: Vec<u8>) {
                panic!("put state")
            }
        }
        let output = Arc::clone(&columns.schema);
        let pass = PassInfo::new("DTU", jiff::Timestamp::UNIX_EPOCH, true);
        let rows =
            ConversionTransform(Arc::new(columns)).apply(rows.slice(0, 2), &pass, &mut NoState).unwrap();
        let float = |name: &str| {
            rows.column_by_name(name).unwrap().as_primitive::<Float64Type>().iter().collect::<Vec<_>>()
        };
        assert_eq!(float("voltage"), [Some(230.1), None]);
        assert_eq!(float("temperature"), [Some(-5.5), Some(0.0)]);
        let power = rows.column_by_name("power").unwrap().as_primitive::<Int64Type>();
        assert_eq!(power.iter().collect::<Vec<_>>(), [Some(70), Some(80)], "whole watts stay whole");
        let units: Vec<_> = output.fields().iter().map(|field| field.unit()).collect();
        assert_eq!(units, [None, Some("V"), Some("°C"), Some("Wh"), Some("W")]);
        assert_eq!(output.field(3).data_type(), &DataType::UInt16, "nothing to convert, nothing changed");
    }

    #[test]
    fn single_precision_converts_as_it_was_said() {
        let schema: SchemaRef = Arc::new(Schema::new(vec![
            field("energy", DataType::Float32, "kWh"),
            field("voltage", DataType::Float32, "0.1 V"),
        ]));
        let targets = BTreeMap::from([("energy".to_owned(), "Wh".to_owned())]);
        let Ok(ConversionColumns { steps, schema: output }) = (ConversionPlan { targets }).columns(&schema)
        else {
            panic!("refused")
        };
        let singles =
            |values: [f32; 3]| Arc::new(arrow_array::Float32Array::from(values.to_vec())) as ArrayRef;
        let columns = [singles([1234.567, 0.001, 1.005]), singles([2301.0, 2300.9, -0.7])];
        let converted: Vec<ArrayRef> = columns
            .iter()
            .zip(steps.iter().zip(output.fields()))
            .map(|(column, (step, field))| convert(column, step, field).unwrap())
            .collect();
        let float = |column: usize| converted[column].as_primitive::<Float64Type>().values().to_vec();
        assert_eq!(float(0), [1_234_567.0, 1.0, 1005.0]);
        assert_eq!(float(1), [230.1, 230.09, -0.07]);
    }

    #[test]
    fn a_copy_of_what_was_read_stays_as_it_is() {
        let schema = input();
        let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(crate::raw::copy(schema.field(1), "raw_voltage".to_owned()));
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let output = plan("{}").unwrap().wire(&schema).map(|wired| wired.output()).unwrap();
        assert_eq!(output.field(5), schema.field(5));
        assert_eq!(output.field(1).unit(), Some("V"));
        let Err(problems) =
            plan(r#"{"to": {"raw_voltage": "V"}}"#).unwrap().wire(&schema).map(|wired| wired.output())
        else {
            panic!("accepted")
        };
        assert_eq!(problems[0].at.to_string(), "to.raw_voltage");
    }

    /// Its device file declares the unit; no table has it.
    #[test]
    fn a_declared_unit_is_scaled_and_passes() {
        let made = Field::new("made", DataType::UInt16, true).with_declared_unit("0.1 widget", "widget");
        let kept = Field::new("kept", DataType::UInt16, true).with_declared_unit("gadget", "gadget");
        let schema: SchemaRef = Arc::new(Schema::new(vec![made, kept]));
        let wire = |options: &str| plan(options).unwrap().wire(&schema);
        let wired = wire("{}").map_err(|problems| format!("{problems:?}")).unwrap();
        let output = wired.output();
        let units: Vec<_> = output.fields().iter().map(|field| field.unit()).collect();
        assert_eq!(units, [Some("widget"), Some("gadget")]);
        assert_eq!(output.field(1).measure(), schema.field(1).measure(), "nothing to scale");
        assert!(output.field(0).measure().is_some(), "stages behind still know it");
        let again = plan("{}").unwrap().wire(&output).map(|wired| wired.output());
        assert_eq!(again.unwrap().field(0).measure(), output.field(0).measure());

        let Ok(columns) = (ConversionPlan { targets: BTreeMap::new() }).columns(&schema) else {
            panic!("refused")
        };
        let rows: Vec<ArrayRef> =
            vec![Arc::new(UInt16Array::from(vec![Some(23), None])), Arc::new(UInt16Array::from(vec![5, 6]))];
        let made = convert(&rows[0], &columns.steps[0], columns.schema.field(0)).unwrap();
        assert_eq!(made.as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [Some(2.3), None]);

        let asked = wire(r#"{"to": {"made": "10 widget"}}"#).map(|wired| wired.output()).unwrap();
        assert_eq!(asked.field(0).unit(), Some("10 widget"));
        for (options, said) in [
            (r#"{"to": {"made": "gadget"}}"#, "unknown unit `gadget`"),
            (r#"{"to": {"made": "V"}}"#, "`0.1 widget` is a unit of its own, `V` is voltage"),
        ] {
            let Err(problems) = wire(options).map(|wired| wired.output()) else { panic!("{options}") };
            assert_eq!(problems[0].at.to_string(), "to.made");
            assert!(problems[0].message.contains(said), "{options}: {}", problems[0].message);
        }
    }

    #[test]
    fn what_does_not_convert_is_named_where_it_stands() {
        for (options, at, said) in [
            (r#"{"to": {"energy": "V"}}"#, "to.energy", "`Wh` is energy, `V` is voltage"),
            (r#"{"to": {"enrgy": "kWh"}}"#, "to.enrgy", "no column `enrgy` here"),
            (r#"{"to": {"name": "kWh"}}"#, "to.name", "holds Utf8, not numbers"),
            (r#"{"to": {"energy": "widget"}}"#, "to.energy", "unknown unit `widget`"),
            (r#"{"to": {"energy": "mwh"}}"#, "to.energy", "unknown unit `mwh`"),
        ] {
            let Err(problems) = plan(options).unwrap().wire(&input()).map(|wired| wired.output()) else {
                panic!("{options} was accepted")
            };
            assert_eq!(problems[0].at.to_string(), at, "{options}");
            assert!(problems[0].message.contains(said), "{options}: {}", problems[0].message);
        }
        let Err(problems) = plan(r#"{"to": {"energy": "0.1kwh"}}"#) else { panic!("accepted") };
        assert_eq!(problems[0].help.as_deref(), Some("put a space between number and unit: `0.1 kWh`"));
        let output = plan(r#"{"to": {"energy": "kwh"}}"#).unwrap().wire(&input()).map(|wired| wired.output());
        assert_eq!(output.unwrap().field(3).unit(), Some("kWh"));
    }
}
