//! Rows of a store that others write to, and of batches that get there late, against a model.

use std::collections::BTreeMap;

use arrow_array::{Int64Array, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field};
use serde_json::json;
use smiles_stage::{Path, RunId, Seq, time_field};

use super::*;

fn schema() -> SchemaRef {
    let text = Field::new("serial", DataType::Utf8, false);
    Arc::new(Schema::new(vec![time_field(), text, Field::new("energy", DataType::Int64, true)]))
}

/// Rows of inverters: which, when, how much.
fn rows(rows: &[(&str, i64, i64)]) -> RecordBatch {
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.1));
    let times = times.with_data_type(time_field().data_type().clone());
    let serials = StringArray::from_iter_values(rows.iter().map(|row| row.0));
    let energies = Int64Array::from_iter_values(rows.iter().map(|row| row.2));
    RecordBatch::try_new(schema(), vec![Arc::new(times), Arc::new(serials), Arc::new(energies)]).unwrap()
}

fn memory() -> Memory {
    let tables = serde_json::from_value(json!({ "cache": {
        "mode": "upsert", "key": ["serial"], "newest": "at",
        "columns": { "at": "time", "serial": "serial", "energy": "energy" },
    } }));
    let mapping = TablesPlan::new(&tables.unwrap(), &schema(), &Path::root()).unwrap();
    let mut views = Views::default();
    assert_eq!(views.want(&mapping, "cache", &[], None, &[]), Some(0));
    Memory::new(views, 1000)
}

/// What is served, by serial.
fn served(memory: &Memory) -> BTreeMap<String, i64> {
    let all = memory.all(0).unwrap();
    let serials = all.column_by_name("serial").unwrap();
    let energies = all.column_by_name("energy").unwrap();
    (0..all.num_rows())
        .map(|row| {
            let text = |column: &ArrayRef| match crate::text::json::cell(column, row) {
                crate::text::json::Cell::Text(text) => text.to_owned(),
                crate::text::json::Cell::Int(number) => number.to_string(),
                _ => String::new(),
            };
            (text(serials), text(energies).parse().unwrap())
        })
        .collect()
}

fn at(run: u8, seq: u64) -> Position {
    Position { run: RunId([run; 16]), seq: Seq(seq) }
}

#[test]
fn what_is_delivered_is_the_stores_and_what_is_not_is_kept() {
    // Of the newest every one is a part of its own; what was merged goes when the last of it is delivered.
    const MERGED: u64 = 30 - PARTS_MAX as u64 + 1;
    for delivered in 0..=30_u64 {
        let memory = memory();
        let position = |seq: u64| if seq <= 10 { at(1, seq) } else { at(2, seq - 10) };
        for seq in 1..=30 {
            let serial = format!("i{seq}");
            memory.accept(position(seq), &rows(&[(&serial, seq as i64, 1), ("all", seq as i64, seq as i64)]));
        }
        assert!(memory.lock().held[0].accepted.len() <= PARTS_MAX);
        // Others have emptied the store.
        let done = if delivered == 0 { Vec::new() } else { vec![position(delivered)] };
        memory.stored(vec![vec![rows(&[])]], &done);
        let served = served(&memory);
        for seq in 1..=30 {
            let kept = served.contains_key(&format!("i{seq}"));
            assert_eq!(kept, seq.max(MERGED) > delivered, "{seq}, where {delivered} is the last delivered");
        }
        assert_eq!(served.contains_key("all"), delivered < 30);
    }
}

#[test]
fn a_row_that_others_changed_is_theirs_until_a_newer_reading() {
    let memory = memory();
    memory.accept(at(1, 1), &rows(&[("a", 100, 5), ("b", 100, 7)]));
    assert_eq!(served(&memory), BTreeMap::from([("a".into(), 5), ("b".into(), 7)]));
    // Corrected and set back in time by another program; `b` deleted.
    memory.stored(vec![vec![rows(&[("a", 50, 4)])]], &[at(1, 1)]);
    assert_eq!(served(&memory), BTreeMap::from([("a".into(), 4)]));
    memory.accept(at(1, 2), &rows(&[("a", 160, 6)]));
    memory.stored(vec![vec![rows(&[("a", 50, 4)])]], &[at(1, 1)]);
    assert_eq!(served(&memory), BTreeMap::from([("a".into(), 6)]), "not delivered yet");
    // A target that has gone back, or that nobody has asked: nothing is taken for delivered.
    memory.stored(vec![vec![rows(&[])]], &[]);
    memory.stored(vec![vec![rows(&[])]], &[at(2, 9)]);
    assert_eq!(served(&memory), BTreeMap::from([("a".into(), 6)]));
}

#[test]
fn what_a_clock_in_doubt_dated_is_kept_until_something_else_is_heard() {
    let memory = memory();
    let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
    let at_second = |second: i64| now.as_microsecond() + second * 1_000_000;
    let year = 365 * 86_400;
    let better = |second: i64, energy: i64| {
        let batch = rows(&[("a", at_second(year + second), energy)]);
        Batch {
            position: at(1, 2),
            complete: true,
            accepted_at: Timestamp::from_microsecond(at_second(second)).unwrap(),
            records: smiles_stage::mark_misdated(batch, true),
        }
        .rows()
    };
    memory.goes_on(now);
    let stored = || vec![vec![rows(&[("a", at_second(year + 2), 7)]), rows(&[("a", at_second(0), 5)])]];
    memory.accept(at(1, 1), &rows(&[("a", at_second(0), 5)]));
    memory.accept(at(1, 2), &better(2, 7));
    memory.stored(stored(), &[at(1, 2)]);
    assert_eq!(served(&memory), BTreeMap::from([("a".into(), 7)]), "the store has it under another date");
    assert_eq!(memory.lock().held[0].accepted.len(), 1);
    memory.accept(at(1, 3), &rows(&[("a", at_second(4), 9)]));
    memory.stored(vec![vec![rows(&[("a", at_second(4), 9)])]], &[at(1, 3)]);
    assert_eq!(memory.lock().held[0].accepted.len(), 0);
}

#[test]
fn a_row_that_is_dated_impossibly_gives_way_to_the_newest_that_is_not() {
    let memory = memory();
    let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
    let (right, ahead) = (now.as_microsecond() - 1, now.as_microsecond() + 3_600_000_000);
    memory.goes_on(now);
    memory.stored(vec![vec![rows(&[("a", ahead, 1), ("b", ahead, 2)]), rows(&[("a", right, 3)])]], &[]);
    assert_eq!(served(&memory), BTreeMap::from([("a".into(), 3), ("b".into(), 2)]));
}
