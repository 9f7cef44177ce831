//! `/api/events` while nothing happens: the line shows that it is alive, and outlives the limits of other answers.

use std::time::Duration;

use serde_json::json;
use smiles_sink_http_api::HttpApi;
use smiles_stage::Registry;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stock;
use crate::world::{PATIENCE, World};

type Stream = Lines<BufReader<TcpStream>>;

/// The next line that is a comment or names an event; other fields and the sizes of chunks are passed over.
async fn next(stream: &mut Stream) -> String {
    loop {
        let line = timeout(PATIENCE, stream.next_line()).await.expect("a line in time");
        let line = line.unwrap().expect("the stream goes on");
        if line.starts_with(':') || line.starts_with("event:") {
            return line;
        }
    }
}

/// Follows the events of a world from now on.
async fn follow(world: &World) -> Stream {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(b"GET /api/events HTTP/1.1\r\nHost: t\r\n\r\n").await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    // What a stream begins with: from here on, every event is seen.
    while timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap() != "retry: 3000" {}
    lines
}

#[tokio::test]
async fn silence_is_filled_with_comments_and_an_event_still_comes() {
    let mut options = stock::options();
    options["limits"] =
        json!({"heartbeat": "20ms", "answer": "10ms", "transfer": "10ms", "request_head": "10ms"});
    let mut world = World::open(&options, &stock::input(), stock::store()).await;
    let mut stream = follow(&world).await;
    for _ in 0..5 {
        assert_eq!(next(&mut stream).await, ": heartbeat");
    }
    world.accept(stock::rows(&[])).await;
    let mut last = next(&mut stream).await;
    while last == ": heartbeat" {
        last = next(&mut stream).await;
    }
    assert_eq!(last, "event: batch");
    assert_eq!(next(&mut stream).await, ": heartbeat", "the silence behind an event is filled, too");
}

#[tokio::test]
async fn the_interval_is_an_option_and_15_seconds_by_default() {
    let mut options = stock::options();
    options["limits"] = json!({"heartbeat": "1h"});
    let mut world = World::open(&options, &stock::input(), stock::store()).await;
    let mut stream = follow(&world).await;
    let comment = timeout(Duration::from_millis(100), next(&mut stream)).await;
    assert!(comment.is_err(), "nothing is said before its time: {comment:?}");
    world.accept(stock::rows(&[])).await;
    assert_eq!(next(&mut stream).await, "event: batch");

    let registry = Registry::new().sink::<HttpApi>();
    let schema = registry.find_sink("http_api").unwrap().schema();
    let heartbeat = &schema["$defs"]["Limits"]["properties"]["heartbeat"];
    assert_eq!(heartbeat["default"], "15s", "docs/api.md says so: {heartbeat:#}");
}
