//! Paging, formats and spans of a history, on a pipeline whose names the program has never seen.

use std::collections::BTreeMap;
use std::io::Cursor;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_ipc::reader::StreamReader;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::client::get;
use super::plant::{READINGS, meters};
use crate::bridge::Bridge;

/// Waits until the newest reading is this one.
fn until(bridge: &Bridge, n: i64) {
    bridge.eventually(&format!("{READINGS}?limit=1"), |answer| {
        answer[0]["n"].as_i64().is_some_and(|it| it >= n)
    });
}

fn numbers(rows: &Value) -> Vec<i64> {
    rows.as_array().expect("a list").iter().map(|row| row["n"].as_i64().expect("a number")).collect()
}

#[test]
fn pages_meet_while_rows_come_in() {
    let folder = tempfile::tempdir().unwrap();
    let bridge = meters(folder.path(), 200, "2026-01-01T00:00:00Z", "20ms");
    until(&bridge, 1000);
    for order in ["desc", "asc"] {
        let mut target = Some(format!("{READINGS}?limit=170&order={order}"));
        let (mut seen, mut pages) = (Vec::new(), 0);
        while let Some(page) = target {
            let reply = get(&bridge.address(), &page, &[]);
            assert_eq!(reply.status, 200, "{page}: {}", reply.text());
            seen.extend(numbers(&reply.json()));
            pages += 1;
            // Oldest first there may be no end: rows come faster than pages are read.
            target = reply.next().filter(|_| pages < 60);
        }
        if order == "desc" {
            seen.reverse();
        }
        let first = seen[0];
        let expected: Vec<i64> = (first..first + seen.len() as i64).collect();
        assert_eq!(seen, expected, "{order}: a row is missing or there twice");
        assert!(seen.len() >= 1000, "{order}: only {} rows", seen.len());
        assert_eq!(
            first,
            numbers(&get(&bridge.address(), &format!("{READINGS}?limit=1&order=asc"), &[]).json())[0]
        );
    }
}

#[test]
fn a_long_answer_is_the_same_in_every_form_and_as_many_short_ones() {
    let folder = tempfile::tempdir().unwrap();
    let bridge = meters(folder.path(), 5000, "2026-01-01T00:00:00Z", "1h");
    until(&bridge, 4999);
    let address = bridge.address();
    let long = get(&address, &format!("{READINGS}?limit=4000&order=asc"), &[]);
    assert_eq!(long.header("transfer-encoding"), Some("chunked"), "a long answer flows");
    let rows = long.json();
    let mut short = Vec::new();
    let mut target = Some(format!("{READINGS}?limit=1000&order=asc"));
    while let Some(page) = target {
        let reply = get(&address, &page, &[]);
        short.extend(reply.json().as_array().unwrap().clone());
        target = reply.next().filter(|_| short.len() < 4000);
    }
    assert_eq!(rows, Value::from(short));
    let rest = get(&address, &long.next().expect("there is more"), &[]);
    assert_eq!(numbers(&rest.json()).len(), 1000 + usize::from(numbers(&rest.json())[0] == 0));
    assert_eq!(rest.next(), None);

    let csv = get(&address, &format!("{READINGS}?limit=4000&order=asc"), &[("Accept", "text/csv")]);
    assert!(csv.header("content-type").unwrap().starts_with("text/csv"));
    let lines: Vec<&str> = csv.text().split_terminator("\r\n").collect();
    assert_eq!((lines[0], lines.len()), ("n,meter,time,volts,energy,note", 4001));
    for (line, row) in lines[1..].iter().zip(rows.as_array().unwrap()) {
        let time = row["time"].as_str().unwrap();
        let (head, rest) = line.split_at(format!("{},a,{time},", row["n"]).len());
        assert_eq!(head, format!("{},a,{time},", row["n"]));
        let (volts, rest) = rest.split_once(',').unwrap();
        close(volts.parse().ok(), row["volts"].as_f64());
        assert_eq!(rest, format!("{},\"say \"\"hi\"\", twice\"", row["energy"]));
    }

    let accept = [("Accept", "application/vnd.apache.arrow.stream")];
    let arrow = get(&address, &format!("{READINGS}?limit=4000&order=asc"), &accept);
    assert_eq!(arrow.header("content-type"), Some(accept[0].1));
    let batches: Vec<_> =
        StreamReader::try_new(Cursor::new(&arrow.body), None).unwrap().collect::<Result<_, _>>().unwrap();
    let mut place = 0;
    for batch in &batches {
        let (n, volts) =
            (batch.column(0).as_primitive::<Int64Type>(), batch.column(3).as_primitive::<Float64Type>());
        for row in 0..batch.num_rows() {
            assert_eq!(rows[place]["n"], n.value(row));
            let value = volts.iter().nth(row).flatten();
            close(rows[place]["volts"].as_f64(), value);
            place += 1;
        }
    }
    assert_eq!(place, 4000);
}

/// The same number, but for the last bit that the test's own JSON parser may lose.
#[track_caller]
fn close(one: Option<f64>, two: Option<f64>) {
    let same = match (one, two) {
        (Some(one), Some(two)) => (one - two).abs() < 1e-12 * two.abs(),
        (one, two) => one == two,
    };
    assert!(same, "{one:?} is not {two:?}");
}

/// Minimum, mean, maximum and last value per span, worked out from the rows.
fn expected(rows: &[Value], column: &str, span: impl Fn(Timestamp) -> String) -> BTreeMap<String, [f64; 4]> {
    let mut spans: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in rows {
        if let Some(value) = row[column].as_f64() {
            spans.entry(span(row["time"].as_str().unwrap().parse().unwrap())).or_default().push(value);
        }
    }
    let of = |values: Vec<f64>| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        [least, mean, most, values[values.len() - 1]]
    };
    spans.into_iter().map(|(start, values)| (start, of(values))).collect()
}

#[test]
fn spans_follow_the_local_clock_over_its_changes() {
    let folder = tempfile::tempdir().unwrap();
    // 4,000 minutes around the night in which the clocks of Berlin go forward.
    let bridge = meters(folder.path(), 4000, "2026-03-28T00:00:00Z", "1h");
    until(&bridge, 3999);
    let address = bridge.address();
    let rows = get(&address, &format!("{READINGS}?limit=10000&order=asc"), &[]).json();
    let rows = rows.as_array().unwrap();
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let local = |at: Timestamp| zone.to_datetime(at);
    let form = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string();
    let day = |at: Timestamp| {
        let midnight = zone.to_ambiguous_timestamp(local(at).date().at(0, 0, 0, 0)).compatible().unwrap();
        form(midnight)
    };
    let half = |at: Timestamp| {
        let into = i64::from(local(at).minute() % 30) * 60 + i64::from(local(at).second());
        form(Timestamp::from_second(at.as_second() - into).unwrap())
    };
    for (interval, span) in [("1d", &day as &dyn Fn(Timestamp) -> String), ("30m", &half)] {
        let mut buckets = Vec::new();
        let mut target = Some(format!("{READINGS}?interval={interval}&limit=30"));
        while let Some(page) = target {
            let reply = get(&address, &page, &[]);
            assert_eq!(reply.status, 200, "{}", reply.text());
            buckets.extend(reply.json().as_array().unwrap().clone());
            target = reply.next();
        }
        buckets.reverse();
        for (column, decimals) in [("volts", 6), ("energy", 2)] {
            let expected = expected(rows, column, span);
            assert_eq!(buckets.len(), expected.len(), "{interval}");
            for (bucket, (start, values)) in buckets.iter().zip(&expected) {
                assert_eq!(bucket["time"], **start, "{interval}");
                for (function, value) in ["min", "avg", "max", "last"].iter().zip(values) {
                    let got = bucket[format!("{column}_{function}")].as_f64().unwrap();
                    let off = (got - value).abs();
                    let allowed = if *function == "avg" { 0.51 * 10_f64.powi(-decimals) } else { 0.0 };
                    assert!(off <= allowed, "{interval} {start} {column}_{function}: {got}, not {value}");
                }
            }
        }
    }
    let short = get(
        &address,
        &format!("{READINGS}?interval=1d&start=2026-03-29T01:00:00Z&end=2026-03-29T02:00:00Z"),
        &[],
    );
    let short = short.json();
    assert_eq!(short.as_array().unwrap().len(), 1);
    assert_eq!(
        short[0]["time"], "2026-03-28T23:00:00.000000+00:00",
        "the span's start, though rows begin later"
    );
}

#[test]
fn ranges_and_places_are_checked_before_the_store_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let bridge = meters(folder.path(), 10, "2026-01-01T00:00:00Z", "1h");
    until(&bridge, 9);
    let address = bridge.address();
    let rows = [
        ("start=2026-01-01T00:02:00Z&end=2026-01-01T00:05:00Z", vec![4, 3, 2]),
        ("start=2026-01-01T01:02:00+01:00&end=2026-01-01T00:04:00Z", vec![3, 2]),
        ("start=2026-01-01T00:05:00Z&end=2026-01-01T00:05:00Z", vec![]),
        ("end=2026-01-01T00:02:00Z&order=asc", vec![0, 1]),
    ];
    for (query, mut expected) in rows {
        let first = numbers(&get(&address, &format!("{READINGS}?order=asc&limit=1"), &[]).json())[0];
        expected.iter_mut().for_each(|n| *n += first);
        let reply = get(&address, &format!("{READINGS}?{query}"), &[]);
        assert_eq!(numbers(&reply.json()), expected, "{query}");
    }
    let cursor = "parameter `cursor` is not one that this resource handed out for these parameters";
    let rows = [
        (
            "start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z",
            "parameter `start` is `2026-01-02T00:00:00Z`, which is after `end` `2026-01-01T00:00:00Z`",
        ),
        ("cursor=t1", cursor),
        ("cursor=i1.i1", cursor),
        ("cursor=%27%20OR%201", cursor),
        ("interval=7m", "parameter `interval` is `7m`; expected one of 30m, 1h, 1d"),
        ("order=up", "parameter `order` is `up`; expected one of desc, asc"),
        (
            "start=yesterday",
            "parameter `start` is `yesterday`; expected an RFC 3339 time such as 2026-11-23T19:43:12Z",
        ),
    ];
    for (query, detail) in rows {
        assert_eq!(get(&address, &format!("{READINGS}?{query}"), &[]).problem(400), detail, "{query}");
    }
    let stats = get(&address, "/stats", &[("Accept", "text/csv")]);
    assert_eq!(stats.status, 200, "the engine's own answers are JSON whatever is asked for");
}
