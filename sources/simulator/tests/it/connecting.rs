//! Devices that are particular about connections.

use std::time::Duration;

use smiles_testkit::eventually;
use tokio::io::AsyncWriteExt;

use crate::rig::{ANSWER, Rig, SOON, exchange, hex, is_silent, numbered, options, receive, record};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_slow_starter_ignores_what_comes_too_early() {
    let rig = Rig::new(options(&["slow_start=2s"])).await;
    let mut stream = rig.connect().await;
    stream.write_all(&numbered(1, 0)).await.unwrap();
    rig.handle.requested(1).await;
    rig.clock.advance(2 * SECOND);
    let answer = exchange(&mut stream, &numbered(2, 0), ANSWER).await;
    assert_eq!(hex(&answer[..2]), "0002", "the first request has no answer");
}

#[tokio::test]
async fn an_impatient_device_hangs_up_on_who_asks_nothing() {
    let rig = Rig::new(options(&["impatient=2s"])).await;
    let (mut idle, mut asking) = (rig.connect().await, rig.connect().await);
    exchange(&mut asking, &record(0), ANSWER).await;
    rig.clock.wait_for_sleeper_until(2 * SECOND).await;
    rig.clock.advance(2 * SECOND);
    assert_eq!(receive(&mut idle, 1).await, b"");
    assert_eq!(exchange(&mut asking, &record(0), ANSWER).await.len(), ANSWER);
}

#[tokio::test]
async fn some_take_one_client_and_close_the_rest() {
    let rig = Rig::new(options(&["one_client"])).await;
    let mut first = rig.connect().await;
    exchange(&mut first, &record(0), ANSWER).await;
    assert_eq!(receive(&mut rig.connect().await, 1).await, b"", "closed at once");
    drop(first);
    eventually(SOON, || rig.handle.counters().open == 0).await;
    assert_eq!(exchange(&mut rig.connect().await, &record(0), ANSWER).await.len(), ANSWER);
    assert_eq!(rig.handle.counters().open_max, 1);
}

#[tokio::test]
async fn some_answer_one_client_and_let_the_rest_wait() {
    let rig = Rig::new(options(&["queue_clients"])).await;
    let mut first = rig.connect().await;
    exchange(&mut first, &record(0), ANSWER).await;
    let mut second = rig.connect().await;
    second.write_all(&record(0)).await.unwrap();
    eventually(SOON, || rig.handle.counters().open == 2).await;
    exchange(&mut first, &record(1), ANSWER).await;
    assert!(is_silent(&second) && rig.handle.counters().requests == 2);
    drop(first);
    assert_eq!(receive(&mut second, ANSWER).await.len(), ANSWER);
}

#[tokio::test]
async fn some_close_every_other_connection_at_once() {
    let rig = Rig::new(options(&["refuse_connect=1/2"])).await;
    for _ in 0..2 {
        assert_eq!(exchange(&mut rig.connect().await, &record(0), ANSWER).await.len(), ANSWER);
        assert_eq!(receive(&mut rig.connect().await, 1).await, b"");
    }
}

#[tokio::test]
async fn some_hang_up_after_each_answer() {
    let rig = Rig::new(options(&["closes_after_answer"])).await;
    let mut stream = rig.connect().await;
    assert_eq!(exchange(&mut stream, &record(0), ANSWER + 1).await.len(), ANSWER, "and then it is closed");
}

#[tokio::test]
async fn some_hang_up_on_an_idle_connection() {
    let rig = Rig::new(options(&["closes_idle=30s"])).await;
    let mut stream = rig.connect().await;
    rig.clock.wait_for_sleeper_until(30 * SECOND).await;
    rig.clock.advance(20 * SECOND);
    exchange(&mut stream, &record(0), ANSWER).await;
    rig.clock.wait_for_sleeper_until(50 * SECOND).await;
    rig.clock.advance(29 * SECOND);
    exchange(&mut stream, &record(0), ANSWER).await;
    rig.clock.wait_for_sleeper_until(79 * SECOND).await;
    rig.clock.advance(30 * SECOND);
    assert_eq!(receive(&mut stream, 1).await, b"");
}

#[tokio::test]
async fn some_go_silent_on_a_connection_that_was_idle() {
    let rig = Rig::new(options(&["silent_idle=30s"])).await;
    let mut stream = rig.connect().await;
    rig.clock.advance(29 * SECOND);
    exchange(&mut stream, &record(0), ANSWER).await;
    rig.clock.advance(30 * SECOND);
    for number in 2..4 {
        stream.write_all(&record(0)).await.unwrap();
        rig.handle.requested(number).await;
    }
    assert_eq!(exchange(&mut rig.connect().await, &record(0), ANSWER).await.len(), ANSWER);
    assert!(is_silent(&stream), "only a new connection is answered");
}
