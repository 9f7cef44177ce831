//! One pipeline, one row schema: what the sources have in common, and rows brought into it.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{Field, Schema, SchemaRef};
use jiff::Timestamp;
use smiles_stage::{ColumnMeta, Labels, SOURCE, StageError, TIME, source_field, time_field};

/// The columns of the first source with `time` and `source` in front.
pub(crate) fn row_schema(sources: &[SchemaRef]) -> SchemaRef {
    let Some(first) = sources.first() else {
        return Arc::new(Schema::new(vec![time_field(), source_field()]));
    };
    let own = first.fields().iter().filter(|field| !is_stamp(field.name()));
    let own = own.map(|field| {
        let nullable =
            sources.iter().any(|schema| schema.field_with_name(field.name()).is_ok_and(Field::is_nullable));
        Arc::new(field.as_ref().clone().with_nullable(nullable))
    });
    let stamps = [Arc::new(time_field()), Arc::new(source_field())];
    Arc::new(Schema::new(stamps.into_iter().chain(own).collect::<Vec<_>>()))
}

/// How the columns of a source differ from those of the first, as clauses: "column `x` is missing".
pub(crate) fn differences(first: &Schema, other: &Schema) -> Vec<String> {
    let mut all = Vec::new();
    for theirs in first.fields().iter().filter(|field| !is_stamp(field.name())) {
        let name = theirs.name();
        match other.field_with_name(name) {
            Err(_) => all.push(format!("column `{name}` is missing")),
            Ok(ours) if ours.data_type() != theirs.data_type() => {
                all.push(format!(
                    "column `{name}` is {} instead of {}",
                    ours.data_type(),
                    theirs.data_type()
                ));
            }
            // `kwh` and `kWh` are one unit.
            Ok(ours) if ours.shown_unit() != theirs.shown_unit() => {
                let unit =
                    |field: &Field| field.unit().map_or("no unit".to_owned(), |unit| format!("`{unit}`"));
                all.push(format!("column `{name}` has {} instead of {}", unit(ours), unit(theirs)));
            }
            Ok(ours) => all.extend(other_words(name, ours.labels().as_ref(), theirs.labels().as_ref())),
        }
    }
    let unknown = other.fields().iter().filter(|field| !is_stamp(field.name()));
    let unknown = unknown.filter(|field| first.field_with_name(field.name()).is_err());
    all.extend(unknown.map(|field| format!("column `{}` is additional", field.name())));
    all
}

/// How the words of a column differ: all rows of a pipeline are read by the same ones, so with others a code of one
/// device would be told in the word of another.
fn other_words(name: &str, ours: Option<&Labels>, theirs: Option<&Labels>) -> Option<String> {
    let (ours, theirs) = match (ours, theirs) {
        _ if ours == theirs => return None,
        (Some(ours), Some(theirs)) => (ours, theirs),
        (None, _) => return Some(format!("column `{name}` has no words for its codes")),
        (_, None) => return Some(format!("column `{name}` has words for its codes, and there it has none")),
    };
    if matches!(ours, Labels::Flags(_)) != matches!(theirs, Labels::Flags(_)) {
        return Some(format!("column `{name}` has `values` in one and `flags` in the other"));
    }
    let word = |labels: &Labels, code: i64| {
        let known = labels.words().into_iter().find(|(known, _)| *known == code);
        known.map_or("nothing".to_owned(), |(_, word)| format!("`{word}`"))
    };
    let mut codes = theirs.words().into_iter().chain(ours.words()).map(|(code, _)| code);
    let code = codes.find(|code| word(ours, *code) != word(theirs, *code))?;
    Some(format!("column `{name}` calls {code} {} instead of {}", word(ours, code), word(theirs, code)))
}

/// A `time` or `source` column that a source brings itself but that has not the type of the stamp.
pub(crate) fn wrong_stamps(schema: &Schema) -> Vec<String> {
    let stamps = [time_field(), source_field()];
    let wrong = stamps.iter().filter_map(|stamp| {
        let own = schema.field_with_name(stamp.name()).ok()?;
        let fits = own.data_type() == stamp.data_type();
        (!fits).then(|| {
            format!("column `{}` is {} and must be {}", own.name(), own.data_type(), stamp.data_type())
        })
    });
    wrong.collect()
}

/// Brings the rows of one source into the row schema of the pipeline.
#[derive(Debug)]
pub(crate) struct RowStamp {
    schema: SchemaRef,
    from: SchemaRef,
    source: String,
}

impl RowStamp {
    /// For a source of this name with these columns, which [`differences`] has found none in.
    pub(crate) fn new(schema: &SchemaRef, from: SchemaRef, source: &str) -> Self {
        Self { schema: Arc::clone(schema), from, source: source.to_owned() }
    }

    /// Whether the rows get their `time` here.
    pub(crate) fn dates(&self) -> bool {
        self.from.index_of(TIME).is_err()
    }

    /// The rows with `time` (when their pass began) and `source`, where they do not bring them.
    pub(crate) fn apply(&self, rows: &RecordBatch, began: Timestamp) -> Result<RecordBatch, StageError> {
        let columns = self.schema.fields().iter().map(|field| self.column(rows, field, began));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let misfit = |error| StageError::retry("the source's rows do not fit its own columns").because(error);
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(misfit)
    }

    fn column(&self, rows: &RecordBatch, field: &Field, began: Timestamp) -> Result<ArrayRef, StageError> {
        let name = field.name();
        let Ok(index) = self.from.index_of(name) else { return Ok(self.stamp(name, rows.num_rows(), began)) };
        let heard = rows.schema_ref().fields().get(index).filter(|heard| heard.name() == name);
        match heard {
            Some(_) => Ok(Arc::clone(rows.column(index))),
            None => Err(StageError::retry(format!("the source's rows lack their column `{name}`"))),
        }
    }

    fn stamp(&self, name: &str, rows: usize, began: Timestamp) -> ArrayRef {
        if name == TIME {
            let times = TimestampMicrosecondArray::from_value(began.as_microsecond(), rows);
            return Arc::new(times.with_timezone("UTC"));
        }
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&self.source, rows)))
    }
}

fn is_stamp(name: &str) -> bool {
    name == TIME || name == SOURCE
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, cast::AsArray, types::TimestampMicrosecondType};
    use arrow_schema::DataType::{self, Float64, Int64, Utf8};
    use smiles_stage::ColumnMeta;

    use super::*;

    fn schema(fields: &[(&str, DataType, &str, bool)]) -> SchemaRef {
        let field = |(name, kind, unit, nullable): &(&str, DataType, &str, bool)| {
            let field = Field::new(*name, kind.clone(), *nullable);
            if unit.is_empty() { field } else { field.with_unit(unit) }
        };
        Arc::new(Schema::new(fields.iter().map(field).collect::<Vec<_>>()))
    }

    #[test]
    fn every_difference_is_named() {
        let first = schema(&[("a", Int64, "V", true), ("b", Utf8, "", true)]);
        let rows: [(SchemaRef, &[&str]); 7] = [
            (schema(&[("b", Utf8, "", false), ("a", Int64, "V", true)]), &[]),
            (schema(&[("source", Utf8, "", false), ("a", Int64, "V", true), ("b", Utf8, "", true)]), &[]),
            (schema(&[("a", Int64, "V", true)]), &["column `b` is missing"]),
            (
                schema(&[("a", Float64, "V", true), ("b", Utf8, "", true)]),
                &["column `a` is Float64 instead of Int64"],
            ),
            (schema(&[("a", Int64, "volt", true), ("b", Utf8, "", true)]), &[]),
            (
                schema(&[("a", Int64, "", true), ("b", Utf8, "", true)]),
                &["column `a` has no unit instead of `V`"],
            ),
            (
                schema(&[("a", Int64, "V", true), ("c", Utf8, "", true)]),
                &["column `b` is missing", "column `c` is additional"],
            ),
        ];
        for (other, expected) in rows {
            assert_eq!(differences(&first, &other), expected);
        }
        let wrong = wrong_stamps(&schema(&[("time", Int64, "", false), ("source", Utf8, "", false)]));
        assert_eq!(wrong, ["column `time` is Int64 and must be Timestamp(µs, \"UTC\")"]);
    }

    #[test]
    fn sources_read_their_codes_by_the_same_words() {
        let words = |words: &[(i64, &str)]| {
            Labels::Values(words.iter().map(|(code, word)| (*code, (*word).to_owned())).collect())
        };
        let flags = Labels::Flags([(0, "standby".to_owned())].into());
        let first = words(&[(0, "standby"), (512, "on grid")]);
        let of = |labels: Option<&Labels>| {
            let field = Field::new("state", Int64, true);
            Schema::new(vec![labels.map_or(field.clone(), |labels| field.with_labels(labels))])
        };
        let rows: [(Option<&Labels>, &[&str]); 6] = [
            (Some(&first), &[]),
            (None, &["column `state` has no words for its codes"]),
            (
                Some(&words(&[(0, "standby"), (512, "running")])),
                &["column `state` calls 512 `running` instead of `on grid`"],
            ),
            (Some(&words(&[(0, "standby")])), &["column `state` calls 512 nothing instead of `on grid`"]),
            (
                Some(&words(&[(0, "standby"), (512, "on grid"), (768, "off")])),
                &["column `state` calls 768 `off` instead of nothing"],
            ),
            (Some(&flags), &["column `state` has `values` in one and `flags` in the other"]),
        ];
        for (labels, expected) in rows {
            assert_eq!(differences(&of(Some(&first)), &of(labels)), expected);
        }
        let unnamed = "column `state` has words for its codes, and there it has none";
        assert_eq!(differences(&of(None), &of(Some(&first))), [unnamed]);
    }

    #[test]
    fn rows_get_time_and_source_in_front_and_columns_by_name() {
        let (first, second) = (
            schema(&[("a", Int64, "", false), ("b", Int64, "", false)]),
            schema(&[("b", Int64, "", true), ("a", Int64, "", false)]),
        );
        let rows = row_schema(&[first, Arc::clone(&second)]);
        let nullable: Vec<_> =
            rows.fields().iter().map(|field| (field.name().as_str(), field.is_nullable())).collect();
        assert_eq!(nullable, [("time", false), ("source", false), ("a", false), ("b", true)]);
        let stamp = RowStamp::new(&rows, Arc::clone(&second), "roof");
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![None, Some(2)])), Arc::new(Int64Array::from(vec![1, 3]))];
        let heard = RecordBatch::try_new(second, columns).unwrap();
        let began = Timestamp::from_microsecond(1_234_567).unwrap();
        let stamped = stamp.apply(&heard, began).unwrap();
        assert_eq!(stamped.column(0).as_primitive::<TimestampMicrosecondType>().values(), &[1_234_567; 2]);
        assert_eq!(stamped.column(1).as_string::<i32>().value(1), "roof");
        assert_eq!(stamped.column(2).as_ref(), heard.column(1).as_ref());
        let other = heard.project(&[1, 0]).unwrap();
        assert!(stamp.apply(&other, began).is_err(), "columns are never taken for one another");
    }
}
