//! Rows that say again what the row before them said.

use std::collections::HashMap;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::convert::{Clock, TextRow, time};
use crate::rules::{Step, Type};

/// Leaves out rows that repeat the one before of their key within a span; says how many.
pub(crate) fn without_repeats(step: &Step, rows: &mut Vec<TextRow>, zone: &TimeZone) -> u64 {
    let Some(per) = &step.one_per else { return 0 };
    let place = |name: &str| step.columns.get_index_of(name);
    let keys: Vec<usize> = per.key.iter().filter_map(|name| place(name)).collect();
    let Some(at) = place(&per.at) else { return 0 };
    let within = SignedDuration::try_from(per.within()).unwrap_or(SignedDuration::ZERO).as_micros();
    let mut last: HashMap<Vec<Option<String>>, i64> = HashMap::new();
    let before = rows.len();
    rows.retain(|(_, cells)| {
        let Some(now) = instant(cells, at, zone) else { return true };
        let key = keys.iter().map(|place| cells[*place].clone()).collect();
        let repeats = last.get(&key).is_some_and(|then| i128::from(now - then) < within && now >= *then);
        last.insert(key, now);
        !repeats
    });
    (before - rows.len()) as u64
}

/// Where a piece may end so that no two rows that repeat each other come into two pieces: behind the last pause.
pub(crate) fn end_at_pause(step: &Step, rows: &mut Vec<TextRow>, zone: &TimeZone) {
    let Some(per) = &step.one_per else { return };
    let Some(at) = step.columns.get_index_of(&per.at) else { return };
    let within = SignedDuration::try_from(per.within()).unwrap_or(SignedDuration::ZERO).as_micros();
    let pause = (1..rows.len()).rev().find(|row| {
        match (instant(&rows[row - 1].1, at, zone), instant(&rows[*row].1, at, zone)) {
            (Some(before), Some(after)) => i128::from(after - before) >= within,
            _ => false,
        }
    });
    if let Some(pause) = pause {
        rows.truncate(pause);
    }
}

/// When a row of a table that only grows is of: its first instant.
pub(crate) fn at(step: &Step, row: &TextRow, zone: &TimeZone) -> Option<i64> {
    step.number.as_ref()?;
    let place = step.columns.iter().position(|(_, of_type)| *of_type == Type::Time)?;
    instant(&row.1, place, zone)
}

fn instant(cells: &[Option<String>], at: usize, zone: &TimeZone) -> Option<i64> {
    time(cells.get(at)?.as_deref()?, zone, &mut Clock::default()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> Step {
        serde_yaml::from_str(
            "{table: t, columns: {serial: text, at: time, volts: float}, key: [serial], into: {},
              one_per: {key: [serial], at: at, within: 2s}}",
        )
        .unwrap()
    }

    fn row(number: i64, serial: &str, second: u32) -> TextRow {
        (
            number,
            vec![Some(serial.into()), Some(format!("2026-06-21T12:00:{second:02}Z")), Some("230.1".into())],
        )
    }

    #[test]
    fn of_rows_that_repeat_each_other_the_first_stays() {
        let mut rows = vec![
            row(1, "a", 0),
            row(2, "b", 0),
            row(3, "a", 1),
            row(4, "a", 2),
            row(5, "a", 30),
            row(6, "b", 30),
        ];
        assert_eq!(without_repeats(&step(), &mut rows, &TimeZone::UTC), 2);
        let left: Vec<i64> = rows.iter().map(|(number, _)| *number).collect();
        assert_eq!(left, [1, 2, 5, 6]);
    }

    #[test]
    fn a_piece_ends_at_a_pause() {
        let mut rows = vec![row(1, "a", 0), row(2, "b", 1), row(3, "a", 30), row(4, "a", 31)];
        end_at_pause(&step(), &mut rows, &TimeZone::UTC);
        assert_eq!(rows.len(), 2);
        let mut rows = vec![row(1, "a", 0), row(2, "b", 1)];
        end_at_pause(&step(), &mut rows, &TimeZone::UTC);
        assert_eq!(rows.len(), 2, "no pause: all of it");
    }
}
