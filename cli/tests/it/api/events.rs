//! /api/events: one event per accepted batch, resumed where the client left off.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::client::get;
use super::plant::meters;
use crate::bridge::PATIENCE;

/// An event as a browser would see it.
#[derive(Debug)]
struct Event {
    kind: String,
    id: Option<String>,
    data: Value,
}

/// The first so many events of a stream.
fn follow(address: &str, last: Option<&str>, count: usize) -> Vec<Event> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let last = last.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
    write!(stream, "GET /api/events HTTP/1.1\r\nHost: {address}\r\n{last}\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(|line| line.expect("the stream goes on"));
    let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    assert!(head[0].contains("200"), "{head:?}");
    assert!(head.iter().any(|line| line.eq_ignore_ascii_case("content-type: text/event-stream")), "{head:?}");
    let (mut events, mut kind, mut id) = (Vec::new(), String::new(), None);
    while events.len() < count {
        // Chunk sizes are lines of their own, and no field of an event.
        let line = lines.next().expect("the stream goes on");
        match line.split_once(": ") {
            Some(("event", value)) => kind = value.to_owned(),
            Some(("id", value)) => id = Some(value.to_owned()),
            Some(("data", value)) => {
                let data = serde_json::from_str(value).expect("data is JSON");
                events.push(Event { kind: std::mem::take(&mut kind), id: id.take(), data });
            }
            _ => {}
        }
    }
    events
}

fn place(event: &Event) -> (String, u64) {
    let (run, seq) = event.id.as_ref().expect("an id").rsplit_once('-').expect("RUN-SEQ");
    assert_eq!((&event.data["run"], &event.data["seq"]), (&run.into(), &seq.parse::<u64>().unwrap().into()));
    (run.to_owned(), seq.parse().unwrap())
}

#[test]
fn every_batch_is_an_event_and_none_is_missed_between_two_lines() {
    let folder = tempfile::tempdir().unwrap();
    let bridge = meters(folder.path(), 3, "2026-01-01T00:00:00Z", "50ms");
    let address = bridge.address();
    let first = follow(&address, None, 3);
    for event in &first {
        assert_eq!((event.kind.as_str(), &event.data["rows"]), ("batch", &3.into()));
        assert_eq!(event.data["sources"], serde_json::json!({"hall": 3}));
    }
    let (run, last) = place(&first[2]);
    let next = follow(&address, first[2].id.as_deref(), 4);
    let seqs: Vec<(String, u64)> = next.iter().map(place).collect();
    let expected: Vec<(String, u64)> = (last + 1..).take(4).map(|seq| (run.clone(), seq)).collect();
    assert_eq!(seqs, expected, "what came in between is there, once");

    // After a restart the journal still knows what came before.
    assert!(bridge.interrupt().0.success());
    let bridge = meters(folder.path(), 3, "2026-01-01T00:00:00Z", "50ms");
    let address = bridge.address();
    follow(&address, None, 1);
    let resumed = follow(&address, next[3].id.as_deref(), 2);
    assert_eq!(resumed[0].kind, "batch", "{resumed:?}");
    assert!(place(&resumed[0]) > place(&next[3]) || resumed[0].id != next[3].id);

    let unknown = format!("{}-1", "0".repeat(32));
    let gap = follow(&address, Some(&unknown), 2);
    assert_eq!((gap[0].kind.as_str(), gap[1].kind.as_str()), ("gap", "batch"), "{gap:?}");
    let refused = get(&address, "/api/events", &[("Last-Event-ID", "yesterday")]);
    assert_eq!(refused.problem(400), "header `Last-Event-ID` is `yesterday`; expected the id of an event");
}
