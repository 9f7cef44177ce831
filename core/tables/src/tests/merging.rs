//! Folding rows of one key, against upserting them one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{lines, planned};
use crate::{TablePlan, merge};

/// Key, how new, two values.
type Row = (&'static str, Option<i64>, Option<i64>, Option<i64>);

fn schema() -> Arc<Schema> {
    let number = |name| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Utf8, true),
        number("at"),
        number("v"),
        number("born"),
    ]))
}

fn plan(newest: bool) -> TablePlan {
    let mut options = json!({
        "mode": "upsert", "key": ["k"], "first": ["born"], "columns": { "k": "k", "at": "at", "v": "v", "born": "born" },
    });
    if newest {
        options["newest"] = json!("at");
    }
    planned(json!({ "t": options }), &schema()).unwrap().tables[0].clone()
}

fn part(plan: &TablePlan, rows: &[Row]) -> RecordBatch {
    let number =
        |cell: fn(&Row) -> Option<i64>| Arc::new(rows.iter().map(cell).collect::<Int64Array>()) as ArrayRef;
    let keys: StringArray = rows.iter().map(|row| Some(row.0)).collect();
    let columns =
        vec![Arc::new(keys) as ArrayRef, number(|row| row.1), number(|row| row.2), number(|row| row.3)];
    plan.project(&RecordBatch::try_new(schema(), columns).unwrap()).unwrap().records
}

#[test]
fn the_newest_wins_and_null_overwrites_nothing() {
    let cases: [(bool, &[Row], &[&str]); 7] = [
        (true, &[("a", Some(1), Some(10), Some(1)), ("a", Some(2), Some(20), Some(2))], &["a|2|20|1"]),
        (true, &[("a", Some(2), Some(20), Some(2)), ("a", Some(1), Some(10), Some(1))], &["a|2|20|2"]),
        (true, &[("a", Some(1), Some(10), Some(1)), ("a", Some(2), None, None)], &["a|2|10|1"]),
        (true, &[("a", Some(1), Some(10), None), ("a", Some(1), Some(11), Some(5))], &["a|1|11|-"]),
        (
            true,
            &[("a", None, Some(1), None), ("a", Some(-5), None, None), ("a", None, Some(3), None)],
            &["a|-5|1|-"],
        ),
        (
            false,
            &[("a", Some(2), Some(20), None), ("b", None, None, None), ("a", Some(1), Some(10), None)],
            &["a|1|10|-", "b|-|-|-"],
        ),
        (true, &[], &[]),
    ];
    for (newest, rows, expected) in cases {
        let plan = plan(newest);
        let middle = rows.len() / 2;
        for split in
            [vec![part(&plan, rows)], vec![part(&plan, &rows[..middle]), part(&plan, &rows[middle..])]]
        {
            assert_eq!(lines(&merge(&plan, &split.iter().collect::<Vec<_>>(), None)), expected, "{rows:?}");
        }
    }
    assert_eq!(lines(&merge(&plan(true), &[], None)), [""; 0]);
}

#[test]
fn an_append_keeps_every_row() {
    let options: Value = json!({ "t": { "columns": { "k": "k", "v": "v" } } });
    let plan = planned(options, &schema()).unwrap().tables[0].clone();
    let parts = [
        part(&plan, &[("a", None, Some(1), None), ("a", None, Some(1), None)]),
        part(&plan, &[("b", None, None, None)]),
    ];
    assert_eq!(lines(&merge(&plan, &parts.each_ref(), None)), ["a|1", "a|1", "b|-"]);
}

/// What upserting the rows one by one leaves, by the rules of the delivery half.
fn upserted(newest: bool, rows: &[Row]) -> BTreeMap<&'static str, Row> {
    let mut table: BTreeMap<&str, Row> = BTreeMap::new();
    for row in rows {
        match table.get_mut(row.0) {
            None => {
                table.insert(row.0, *row);
            }
            Some(old) if newest && row.1 < old.1 => {}
            Some(old) => *old = (row.0, row.1.or(old.1), row.2.or(old.2), old.3),
        }
    }
    table
}

proptest! {
    #[test]
    fn folding_is_upserting_one_by_one(
        rows in proptest::collection::vec(
            (prop_oneof![Just("a"), Just("b"), Just("c")], proptest::option::of(0..4_i64), proptest::option::of(0..9_i64), proptest::option::of(0..9_i64)),
            0..16,
        ),
        newest: bool,
        cut in 0..16_usize,
    ) {
        let plan = plan(newest);
        let cut = cut.min(rows.len());
        let folded = merge(&plan, &[&part(&plan, &rows[..cut]), &part(&plan, &rows[cut..])], None);
        let mut folded = lines(&folded);
        folded.sort();
        let cell = |value: Option<i64>| value.map_or("-".to_owned(), |value| value.to_string());
        let expected: Vec<String> = upserted(newest, &rows)
            .into_values()
            .map(|(key, at, v, born)| format!("{key}|{}|{}|{}", cell(at), cell(v), cell(born)))
            .collect();
        prop_assert_eq!(folded, expected);
    }
}
