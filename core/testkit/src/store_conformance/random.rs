//! Random small tables and random questions to them.

use jiff::Timestamp;
use proptest::prelude::*;
use smiles_stage::{
    Aggregate, BoundSide, Buckets, Comparison, Filter, Function, Order, PageBound, Query, Value,
};

use crate::store_conformance::table::{COLUMNS, Row};

pub(super) fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let text = proptest::option::weighted(0.9, prop_oneof![Just("a"), Just("b"), Just("B")]);
    let value = proptest::option::weighted(0.8, prop_oneof![Just(-1.5), Just(0.0), Just(2.0)]);
    let row =
        (text, proptest::option::weighted(0.9, 0..3_i64), proptest::option::weighted(0.9, -2..4_i64), value);
    proptest::collection::vec(row, 0..16).prop_map(|rows| {
        let numbered = rows.into_iter().zip(1..);
        numbered.map(|((s, p, time, v), id)| (id, s, p, time.map(|time| time * 1_000_001), v)).collect()
    })
}

pub(super) fn any_filter() -> impl Strategy<Value = Filter> {
    let condition = prop_oneof![
        prop_oneof![Just("a"), Just("b"), Just("zz"), Just("' OR 1=1 --")]
            .prop_map(|text| ("s", Value::Text(text.to_owned()))),
        (0..3_i64).prop_map(|value| ("p", Value::Int(value))),
        Just(("p", Value::Float(0.5))),
        (-2..4_i64)
            .prop_map(|at| ("time", Value::Time(Timestamp::from_microsecond(at * 1_000_001).unwrap()))),
        prop_oneof![Just(-1.5), Just(0.0), Just(1.0)].prop_map(|value| ("v", Value::Float(value))),
        Just(("v", Value::Int(0))),
    ];
    let comparison = prop_oneof![
        Just(Comparison::Eq),
        Just(Comparison::Lt),
        Just(Comparison::Le),
        Just(Comparison::Gt),
        Just(Comparison::Ge)
    ];
    (condition, comparison).prop_map(|((column, value), comparison)| Filter {
        column: column.to_owned(),
        comparison,
        value,
    })
}

/// A value for each column, and which sides of the place are meant.
type EdgeCase = ((i64, &'static str, i64, i64, f64), Vec<BoundSide>);

fn any_edge_case() -> impl Strategy<Value = EdgeCase> {
    let value = prop_oneof![Just(-1.5), Just(0.0), Just(2.0)];
    let place = (0..16_i64, prop_oneof![Just("a"), Just("B")], 0..3_i64, -2..4_i64, value);
    let side = prop_oneof![Just(BoundSide::From), Just(BoundSide::After), Just(BoundSide::UpTo)];
    (place, proptest::collection::vec(side, 0..3))
}

fn edges(((id, s, p, time, v), sides): &EdgeCase, order: &[Order]) -> Vec<PageBound> {
    let value = |order: &Order| match order.column.as_str() {
        "id" => Value::Int(*id),
        "s" => Value::Text((*s).to_owned()),
        "p" => Value::Int(*p),
        "time" => Value::Time(Timestamp::from_microsecond(time * 1_000_001).unwrap()),
        _ => Value::Float(*v),
    };
    let edge = |side: &BoundSide| PageBound { side: *side, place: order.iter().map(value).collect() };
    sides.iter().map(edge).collect()
}

/// Aggregates of all numbers over spans of time, some of them empty.
pub(super) fn any_buckets() -> impl Strategy<Value = Query> {
    let filters = proptest::collection::vec(any_filter(), 0..2);
    (proptest::sample::subsequence(vec![-3, -2, 0, 1, 2, 5], 2..=6), filters).prop_map(|(bounds, filters)| {
        let bound = |at: i64| Timestamp::from_microsecond(at * 1_000_001).unwrap();
        let aggregates = ["p", "v", "id"].into_iter().flat_map(|column| {
            Function::ALL.map(|function| Aggregate { column: column.to_owned(), function })
        });
        let buckets = Buckets {
            time: "time".to_owned(),
            bounds: bounds.into_iter().map(bound).collect(),
            aggregates: aggregates.collect(),
        };
        Query { filters, buckets: Some(buckets), ..Query::default() }
    })
}

pub(super) fn any_query() -> impl Strategy<Value = Query> {
    let latest = prop_oneof![
        Just(vec![]),
        Just(vec!["s"]),
        Just(vec!["s", "p"]),
        Just(vec!["p", "s"]),
        Just(vec!["p"]),
    ];
    let order = proptest::collection::vec((proptest::sample::select(&COLUMNS[..]), any::<bool>()), 0..3);
    let columns = proptest::sample::subsequence(&COLUMNS[..], 0..=COLUMNS.len());
    let filters = proptest::collection::vec(any_filter(), 0..3);
    let limit = proptest::option::of(0..6_u64);
    (columns, filters, latest, order, limit, any_edge_case(), 0..3_u64).prop_map(
        |(columns, filters, latest, order, limit, place, skip)| {
            let mut order: Vec<Order> = order
                .into_iter()
                .map(|(column, descending)| Order { column: column.to_owned(), descending })
                .collect();
            // The number makes the order total, so that there is one right answer.
            order.push(Order { column: "id".to_owned(), descending: false });
            let within = if latest.is_empty() { edges(&place, &order) } else { Vec::new() };
            Query {
                table: String::new(),
                within,
                skip,
                buckets: None,
                columns: columns.into_iter().map(str::to_owned).collect(),
                filters,
                newest: (!latest.is_empty()).then(|| "time".to_owned()),
                latest_by: latest.into_iter().map(str::to_owned).collect(),
                order,
                limit,
            }
        },
    )
}
