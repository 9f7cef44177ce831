//! `smiles run --once`: what somebody's cron sees of it.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use crate::bridge::{finish, now};
use crate::sequence::{Device, PORTS, pipeline, pipeline_into, stored};

/// Runs `sequence.yaml` once; its exit code and what it said.
fn once(folder: &Path, more: &[&str]) -> (Option<i32>, String) {
    let args = [&["run", "--once", "sequence.yaml", "--data-dir", "data"], more].concat();
    let Output { status, stderr, .. } = finish(&args, &[], folder);
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// All rows of these passes.
fn passes(numbers: std::ops::RangeInclusive<u32>) -> Vec<(u32, u8)> {
    numbers.flat_map(|pass| (1..=PORTS).map(move |port| (pass, port))).collect()
}

#[test]
fn each_run_is_one_pass_and_no_api_is_started() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    pipeline(&device, folder.path(), "1h");
    let file = folder.path().join("sequence.yaml");
    // Somebody else has the port, which would be an error of `run`.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("  api: {{type: http_api, listen: '{}', store: store}}\n", taken.local_addr().unwrap());
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + &api).unwrap();
    for run in 1..=3 {
        let (code, said) = once(folder.path(), &[]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("every source was read once and everything is delivered"), "{said}");
        assert!(!said.contains("http api") && !said.contains("ERROR"), "{said}");
        assert_eq!((device.asked(), stored(folder.path())), (run, passes(1..=run)));
    }
}

#[test]
fn a_source_that_cannot_be_read_is_named_at_once() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    pipeline(&device, folder.path(), "1h");
    let file = folder.path().join("sequence.yaml");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let text = std::fs::read_to_string(&file).unwrap();
    // One that answers beside one that does not.
    let (head, source) = text.split_once("  counter:\n").unwrap();
    let (source, rest) = source.split_once("transforms:").unwrap();
    let other = source.replace(&format!("127.0.0.1:{}", device.port), &nobody);
    let text = format!("{head}  counter:\n{source}  gone:\n{other}transforms:{rest}");
    std::fs::write(&file, text).unwrap();
    let began = now();
    let (code, said) = once(folder.path(), &[]);
    assert_eq!(code, Some(1), "{said}");
    let last = said.lines().last().unwrap();
    for word in ["error: pipeline sequence: source gone", nobody.as_str(), "connection refused"] {
        assert!(last.contains(word), "no {word} in {last}");
    }
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    assert_eq!(stored(folder.path()), passes(1..=1));
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
}

#[test]
fn what_a_sink_does_not_take_in_time_is_said_and_delivered_by_the_next_run() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    pipeline(&device, folder.path(), "1h");
    assert_eq!(once(folder.path(), &[]).0, Some(0));
    let store = rusqlite::Connection::open(folder.path().join("data/store.db")).unwrap();
    store.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = now();
    let (code, said) = once(folder.path(), &["--timeout", "500ms"]);
    assert_eq!(code, Some(1), "{said}");
    let expected = "sink store does not have 3 rows within 500ms, which stay in the journal";
    assert!(said.lines().last().unwrap().contains(expected), "{said}");
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
    store.execute_batch("ROLLBACK").unwrap();
    let (code, said) = once(folder.path(), &[]);
    assert_eq!((code, stored(folder.path())), (Some(0), passes(1..=3)), "{said}");
}

#[test]
fn a_database_that_cannot_be_reached_is_named() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    let store =
        "type: postgres\n    host: 127.0.0.1\n    port: 1\n    database: d\n    user: u\n    password: p";
    pipeline_into(&device, folder.path(), "1h", store);
    let (code, said) = once(folder.path(), &["--timeout", "500ms"]);
    assert_eq!(code, Some(1), "{said}");
    let last = said.lines().last().unwrap();
    for word in ["sink store does not have 3 rows", "cannot reach PostgreSQL 127.0.0.1:1"] {
        assert!(last.contains(word), "no {word} in {last}");
    }
}
