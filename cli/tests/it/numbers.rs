//! The truth of the numbers through SIGKILL: the rows of some days, in random pieces, with the process killed again and
//! again, are published as they are when nothing happens. A source that plays a record back makes both runs the same.

use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::bridge::{Bridge, finish, now, pause};
use crate::plugins::compile;

const KILLS: u32 = 14;
const PORTS: i64 = 3;
const DAYS: i64 = 10;
/// Between two polls, in minutes.
const EVERY: i64 = 10;
/// 2026-03-24 in Berlin, five days before its clocks change.
const START_US: i64 = 1_774_306_800_000_000;

/// One reading: time, port, link, today, total.
type Reading = [i64; 5];

/// What the devices said: nights of zeros, and by day now and then what the field knows. Port 2 restarts at noon of the
/// third day, and another device takes the place of port 3 on the fifth.
fn record(rng: &mut TestRng) -> Vec<Reading> {
    let mut all = Vec::new();
    let (mut today, mut total) = ([0; 3], [1_000_000, 2_000_000, 3_000_000]);
    for poll in 0..DAYS * 24 * 60 / EVERY {
        let (day, minute) = (poll * EVERY / 1440, poll * EVERY % 1440);
        for (at, port) in (1..=PORTS).enumerate() {
            let time = START_US + poll * EVERY * 60_000_000;
            if !(360..1200).contains(&minute) {
                today[at] = 0;
                all.push([time, port, 0, 0, 0]);
                continue;
            }
            let grown = i64::try_from(rng.next_u64() % 50).expect("small");
            (today[at], total[at]) = (today[at] + grown, total[at] + grown);
            match (port, day, minute) {
                (2, 2, 720) => today[at] = 0,
                (3, 4, 360) => total[at] = 40,
                _ => {}
            }
            all.push(match rng.next_u64() % 60 {
                0 => [time, port, 0, 0, 0],
                1 => [time, port, 1, 0, total[at]],
                2 => [time, port, 1, today[at], 0],
                3 => [time, port, 1, today[at], total[at] * 16],
                4 => [time, port, 1, 60_000, total[at]],
                _ => [time, port, 1, today[at], total[at]],
            });
        }
    }
    all
}

/// The three transforms of the stock pipeline, behind records `skip` and following, so many to a pass.
fn write_pipeline(folder: &Path, skip: u64, rows: u64) {
    let text = format!(
        "pipeline: numbers
plugins: [../librecorded.so]
sources:
  roof: {{type: recorded, file: ../record, skip: {skip}, rows: {rows}, every: 5ms}}
transforms:
  - {{type: validity, key: [port], raw: raw_, not_heard: {{any: [{{link: 0}}, {{all_zero: [total]}}]}}, keep: [link]}}
  - {{type: counter, key: [port], column: total, max_rate: 2000 Wh/h, confirm: {{fall: 24h, rise: 10m, readings: 10}}, wrap: 65536 Wh}}
  - {{type: daily_reset, key: [port], today: today, total: total, reset_hour: 23, timezone: Europe/Berlin, max_rate: 2000 Wh/h, confirm: 5}}
sinks:
  store:
    type: sqlite
    path: store.db
    tables:
      published:
        mode: append
        create: true
        columns: {{time: time, port: port, link: link, today: today, total: total, raw_today: raw_today, raw_total: raw_total}}
"
    );
    fs::write(folder.join("numbers.yaml"), text).unwrap();
}

/// A row as it is stored, in the order of insertion.
type Row = (String, i64, i64, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

fn published(folder: &Path) -> Vec<Row> {
    let store = rusqlite::Connection::open(folder.join("data/store.db")).unwrap();
    let sql = "SELECT time, port, link, today, total, raw_today, raw_total FROM published ORDER BY rowid";
    let mut query = store.prepare(sql).unwrap();
    let rows = query.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// Rows that the journal has accepted so far.
fn accepted(folder: &Path) -> u64 {
    if !folder.join("data").exists() {
        return 0;
    }
    let output = finish(&["journal", "status", "numbers", "--json"], &[], folder);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    status["sinks"][0]["accepted"].as_u64().expect("the sink has books")
}

/// Plays the record to its end, from where the journal is.
fn play_on(folder: &Path, rows: u64) {
    write_pipeline(folder, accepted(folder), rows);
    let output = finish(&["run", "numbers.yaml"], &[], folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_published_does_not_depend_on_pieces_or_on_kills() {
    let folder = tempfile::tempdir().unwrap();
    compile("plugins/testing/recorded/recorded.c", folder.path(), &[]);
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let record = record(&mut rng);
    let bytes: Vec<u8> = record.iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
    fs::write(folder.path().join("record"), bytes).unwrap();
    let [calm, killed] = ["calm", "killed"].map(|name| folder.path().join(name));
    for place in [&calm, &killed] {
        fs::create_dir(place).unwrap();
    }
    play_on(&calm, 500);

    let mut worked = 0;
    for _ in 0..KILLS {
        let before = accepted(&killed);
        assert!(before < record.len() as u64, "the record was over before the last kill");
        write_pipeline(&killed, before, 1 + rng.next_u64() % 5);
        let bridge = Bridge::start(&["run", "numbers.yaml"], &[], &killed);
        bridge.line(&["source is online"]);
        let end = now() + Duration::from_millis(rng.next_u64() % 250);
        while now() < end {
            pause();
        }
        bridge.kill();
        worked += u32::from(accepted(&killed) > before);
    }
    assert!(worked > KILLS / 2, "only {worked} lives took rows");
    play_on(&killed, 7);

    let (calm, killed) = (published(&calm), published(&killed));
    assert_eq!(calm.len(), record.len(), "every row is published once");
    for (at, (calm, killed)) in calm.iter().zip(&killed).enumerate() {
        assert_eq!(calm, killed, "row {at} of {}", record.len());
    }
    assert_eq!(calm.len(), killed.len());
    has_something_to_lose(&calm);
}

/// That the record needed memory: readings that were held back, days that began anew, a total that went on behind
/// another device.
fn has_something_to_lose(rows: &[Row]) {
    let held = rows.iter().filter(|row| row.6.is_some() && row.4 != row.6).count();
    assert!(held > 500, "{held} totals are not what the device said");
    for port in 1..=PORTS {
        let days: Vec<Option<i64>> = rows.iter().filter(|row| row.1 == port).map(|row| row.3).collect();
        let began = days.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!(began >= 8, "port {port}: {began} days began");
        let totals: Vec<i64> = rows.iter().filter(|row| row.1 == port).filter_map(|row| row.4).collect();
        assert!(totals.is_sorted() && totals.last() > totals.first(), "port {port}: the total fell or stood");
    }
}
