//! Series of columns, their columns found.

use arrow_schema::{DataType, SchemaRef};
use smiles_stage::unit::{Conversion, Unit};
use smiles_stage::{ColumnMeta, ParseError, Path, Problem, Problems};

use crate::declare::config::metrics::{Aggregate, ColumnSeries, Metrics, SeriesType};

/// A declared series, its columns found.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) help: String,
    pub(crate) kind: SeriesType,
    pub(crate) aggregate: Aggregate,
    pub(crate) column: usize,
    pub(crate) conversion: Option<Conversion>,
    pub(crate) labels: Vec<(String, usize)>,
}

/// Finds the columns of the declared series.
///
/// # Errors
/// Every column and unit that does not fit, by its option.
pub(crate) fn wire(metrics: &Metrics, input: &SchemaRef) -> Result<Vec<Series>, Problems> {
    let mut problems = Problems::new();
    let at = Path::root().key("metrics").key("columns");
    let series = metrics
        .columns
        .iter()
        .filter_map(|(name, series)| wire_one(name, series, input, &at.key(name), &mut problems))
        .collect();
    if problems.is_empty() { Ok(series) } else { Err(problems) }
}

fn wire_one(
    name: &str,
    series: &ColumnSeries,
    input: &SchemaRef,
    at: &Path,
    problems: &mut Problems,
) -> Option<Series> {
    let mut find = |column: &str, at: Path| {
        let place = input.index_of(column).ok();
        if place.is_none() {
            let known = input.fields().iter().map(|field| field.name().as_str());
            let problem = Problem::error(at, format!("the pipeline has no column `{column}`"));
            problems.push(problem.suggest(column, known));
        }
        place
    };
    let column = find(&series.column, at.key("column"));
    let labels: Option<Vec<(String, usize)>> = series
        .labels
        .iter()
        .map(|(label, column)| Some((label.to_owned(), find(column, at.key("labels").key(label))?)))
        .collect::<Vec<_>>()
        .into_iter()
        .collect();
    let column = column?;
    let field = input.field(column);
    if !field.data_type().is_numeric() && field.data_type() != &DataType::Boolean {
        let message = format!("the column `{}` is of type {}, not a number", field.name(), field.data_type());
        problems.push(Problem::error(at.key("column"), message));
    }
    let conversion = series.unit.as_deref().and_then(|unit| {
        let own = field.measure();
        let wanted = match Unit::beside(unit, own.as_ref()) {
            Ok(wanted) => wanted,
            Err(ParseError { message, help }) => {
                problems.push(Problem { help, ..Problem::error(at.key("unit"), message) });
                return None;
            }
        };
        let conversion = own.as_ref().and_then(|own| own.to(&wanted));
        if conversion.is_none() {
            let has = field.shown_unit().map_or("has no unit".to_owned(), |unit| format!("is in {unit}"));
            let message = format!("the column `{}` {has}, which is no {unit}", field.name());
            problems.push(Problem::error(at.key("unit"), message));
        }
        conversion
    });
    Some(Series {
        name: name.to_owned(),
        help: series.help.clone(),
        kind: series.kind,
        aggregate: series.aggregate,
        column,
        conversion,
        labels: labels?,
    })
}
