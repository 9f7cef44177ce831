//! Devices that are late, or busy with another question.

use std::time::Duration;

use smiles_stage::Clock;
use tokio::io::AsyncWriteExt;

use crate::rig::{ANSWER, Rig, exchange, hex, is_silent, numbered, options, receive, record};

const SECOND: Duration = Duration::from_secs(1);
const HALF: Duration = Duration::from_millis(500);

/// Which record an answer is about: its serial number and port.
fn subject(answer: &[u8]) -> String {
    hex(&answer[10..17])
}

/// The same of the answer of a punctual device.
async fn subject_of(record: u16) -> String {
    let rig = Rig::new(options(&[])).await;
    subject(&exchange(&mut rig.connect().await, &numbered(1, record), ANSWER).await)
}

#[tokio::test]
async fn late_answers_take_a_random_time() {
    let rig = Rig::new(options(&["late=1.9s..2.5s"])).await;
    let mut stream = rig.connect().await;
    let mut waits = Vec::new();
    for number in 1..=5 {
        let before = rig.clock.monotonic();
        stream.write_all(&record(0)).await.unwrap();
        rig.handle.requested(number).await;
        rig.clock.wait_for_sleepers(1).await;
        let due = rig.clock.deadlines()[0];
        waits.push(due - before);
        rig.clock.advance(due - before);
        receive(&mut stream, ANSWER).await;
    }
    let span = Duration::from_millis(1900)..=Duration::from_millis(2500);
    assert!(waits.iter().all(|wait| span.contains(wait)), "{waits:?}");
    assert!(waits.windows(2).any(|pair| pair[0] != pair[1]), "{waits:?}");
}

#[tokio::test]
async fn a_busy_device_drops_what_else_is_asked() {
    let rig = Rig::new(options(&["drops_when_busy", "delay=1s"])).await;
    let (mut one, mut other) = (rig.connect().await, rig.connect().await);
    one.write_all(&numbered(1, 0)).await.unwrap();
    rig.clock.wait_for_sleeper_until(SECOND).await;
    other.write_all(&numbered(2, 0)).await.unwrap();
    rig.handle.requested(2).await;
    one.write_all(&numbered(3, 0)).await.unwrap();
    rig.handle.requested(3).await;
    rig.clock.advance(SECOND);
    assert_eq!(hex(&receive(&mut one, ANSWER).await[..2]), "0001");
    for (number, stream) in [(4, &mut one), (5, &mut other)] {
        stream.write_all(&numbered(number, 0)).await.unwrap();
        rig.handle.requested(number.into()).await;
        rig.clock.wait_for_sleepers(1).await;
        rig.clock.advance(SECOND);
        let answer = receive(stream, ANSWER).await;
        assert_eq!(answer[1], number as u8, "what was asked meanwhile is never answered");
    }
}

#[tokio::test]
async fn a_late_answer_is_given_to_whoever_asks_next() {
    let expected = subject_of(0).await;
    let rig = Rig::new(options(&["next_id", "delay=2s"])).await;
    let mut first = rig.connect().await;
    first.write_all(&numbered(1, 0)).await.unwrap();
    rig.clock.wait_for_sleeper_until(2 * SECOND).await;
    rig.clock.advance(2 * SECOND - HALF);
    drop(first);
    let mut second = rig.connect().await;
    second.write_all(&numbered(2, 1)).await.unwrap();
    rig.handle.requested(2).await;
    rig.clock.wait_for_sleepers(1).await;
    rig.clock.advance(HALF);
    let answer = receive(&mut second, ANSWER).await;
    assert_eq!((hex(&answer[..2]), subject(&answer)), ("0002".into(), expected));
    rig.clock.advance(10 * SECOND);
    second.write_all(&numbered(3, 1)).await.unwrap();
    rig.clock.wait_for_sleeper_until(14 * SECOND).await;
    assert!(is_silent(&second), "the second question has no answer of its own");
    rig.clock.advance(2 * SECOND);
    let answer = receive(&mut second, ANSWER).await;
    assert_eq!((hex(&answer[..2]), subject(&answer)), ("0003".into(), subject_of(1).await));
}

#[tokio::test]
async fn a_late_answer_is_given_to_the_next_question_of_the_same_client_too() {
    let rig = Rig::new(options(&["next_id", "delay=2s"])).await;
    let mut stream = rig.connect().await;
    for (number, record) in [(1, 0), (2, 1), (3, 2)] {
        stream.write_all(&numbered(number, record)).await.unwrap();
        rig.handle.requested(number.into()).await;
        rig.clock.wait_for_sleepers(1).await;
    }
    rig.clock.advance(2 * SECOND);
    let answer = receive(&mut stream, ANSWER).await;
    assert_eq!((hex(&answer[..2]), subject(&answer)), ("0003".into(), subject_of(0).await));
    stream.write_all(&numbered(4, 1)).await.unwrap();
    rig.clock.wait_for_sleeper_until(4 * SECOND).await;
    assert!(is_silent(&stream), "one answer for three questions");
}
