//! Devices that refuse, hang, lie, babble or break off: one clear cause each, and nothing wrong is ever believed.

use std::time::Duration;

use smiles_stage::{Action, Source};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::harness::{STOCK, column, source};
use crate::server::{Asked, Reply, Server, answer, framed};

/// A list of up to nine records of four bytes: a marker, its number, a value.
const DEVICE: &str = "
blocks:
  port:
    address: 0
    count: 2
    repeat: {stride: 2, max: 9, until: {zero: mark}}
    fields: {mark: {at: 0, type: u8}, number: {at: 1, type: u8}, value: {at: 2, type: u16, unit: V}}
";
const TOLERANT: &str = "tolerate: [wrong_byte_count, surplus_data]";
const MINUTE: Duration = Duration::from_secs(60);

/// The data of record `number` of a list of three.
fn record(asked: Asked) -> Vec<u8> {
    let number = u8::try_from(asked.address / 2).unwrap();
    if number < 3 { vec![7, number, 0, 100 + number] } else { vec![0; 4] }
}

async fn open(server: &Server, device: &str) -> Box<dyn Source> {
    source(&format!("address: {}", server.address), device, MINUTE).await
}

/// What a first pass says of a device that always answers so: its error after the address, or the values.
async fn first(head: &str, reply: impl Fn(Asked) -> Reply + Send + 'static) -> Result<String, String> {
    let server = Server::start(Duration::from_millis(50), reply).await;
    let mut source = open(&server, &format!("{head}{DEVICE}")).await;
    let outcome = source.next().await;
    server.was_treated_well();
    match outcome {
        Ok(pass) => {
            let pass = pass.unwrap();
            let faults: Vec<String> = pass.faults.iter().map(|fault| fault.message.clone()).collect();
            Ok(format!("{} {:?}", column(&pass.rows, "value").join(" "), faults.join(", ")))
        }
        Err(error) => {
            assert_eq!(error.action(), &Action::Retry { after: None });
            let message = error.chain();
            let address = format!("meter at {} unit 1: ", server.address);
            Err(message.strip_prefix(&address).unwrap_or_else(|| panic!("{message}")).to_owned())
        }
    }
}

fn ok(values: &str) -> Result<String, String> {
    Ok(format!("{values} \"\""))
}

fn err(cause: &str) -> Result<String, String> {
    Err(cause.to_owned())
}

#[tokio::test(start_paused = true)]
async fn what_a_strict_file_refuses_a_tolerant_one_mends() {
    let sound = ok("100 101 102");
    assert_eq!(first("", |asked| Reply::Data(record(asked))).await, sound);
    assert_eq!(first("", |asked| Reply::Dribble(answer(asked, 4, &record(asked)))).await, sound);
    let count = |asked: Asked| Reply::Bytes(answer(asked, 0xFF, &record(asked)));
    assert_eq!(first(TOLERANT, count).await, sound);
    let cause =
        "the answer says 255 bytes and holds 4; `tolerate: [wrong_byte_count]` would believe the latter";
    assert_eq!(first("", count).await, err(cause));
    let surplus = |asked: Asked| Reply::Data([record(asked), vec![9; 40]].concat());
    assert_eq!(first(TOLERANT, surplus).await, sound);
    let cause = "the answer holds 44 bytes where 4 were asked; `tolerate: [surplus_data]` would cut it";
    assert_eq!(first("", surplus).await, err(cause));
}

#[tokio::test(start_paused = true)]
async fn every_failure_has_its_own_cause() {
    type Script = fn(Asked) -> Reply;
    let rows: Vec<(Script, &str)> = vec![
        (
            |_| Reply::Silence,
            "timed out after 3s (nothing was heard yet: is `unit_id` right? a device that ignores what comes right after \
             connecting needs `connect_delay: 2s`)",
        ),
        (|_| Reply::Exception(1), "the device answered exception 1: illegal function"),
        (|_| Reply::Exception(0x55), "the device answered exception 85: not a standard code"),
        (|_| Reply::Data(vec![]), "the device answered with no data: nothing is mapped yet"),
        (|_| Reply::Data(vec![0; 4]), "the list of the device is empty: nothing is mapped yet"),
        (|_| Reply::Data(vec![7, 0, 0]), "the answer holds 3 bytes where 4 were asked"),
        (
            |_| Reply::Bytes(b"HTTP/1.1 400 Bad Request".to_vec()),
            "the answer is not Modbus TCP (it begins 485454502f312e31)",
        ),
        (|_| Reply::Last(vec![]), "the device closed the connection without an answer"),
        (
            |asked| Reply::Last(answer(asked, 4, &[7, 0, 0, 1])[..10].to_vec()),
            "the device closed the connection after 10 of 13 bytes of the answer",
        ),
        (
            |asked| Reply::Bytes(answer(asked, 4, &[7, 0, 0, 1])[..12].to_vec()),
            "timed out after 3s (the answer stopped after 12 of 13 bytes)",
        ),
        (
            |asked| Reply::Bytes(answer(Asked { unit: 5, ..asked }, 4, &[7, 0, 0, 1])),
            "timed out after 3s (it answered for unit 5 where 1 was asked; `tolerate: [wrong_unit]` would take it)",
        ),
        (
            |asked| Reply::Bytes(answer(Asked { transaction: 999, ..asked }, 4, &[7, 0, 0, 1])),
            "timed out after 3s (it answered transaction 999 where 0 was asked; `tolerate: [wrong_transaction]` would \
             take it)",
        ),
        (
            |asked| Reply::Bytes(answer(Asked { function: 4, ..asked }, 4, &[7, 0, 0, 1])),
            "the answer is for function 4 where 3 was asked",
        ),
        (
            |asked| Reply::Bytes(framed(asked.transaction, asked.unit, &[3])),
            "the answer ends after its function code",
        ),
    ];
    for (reply, cause) in rows {
        assert_eq!(first(TOLERANT, reply).await, err(cause));
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_for_another_is_passed_over() {
    let reply = |asked: Asked| {
        let stale =
            answer(Asked { transaction: asked.transaction.wrapping_sub(1), ..asked }, 4, &[7, 9, 9, 9]);
        let other = answer(Asked { unit: 2, ..asked }, 4, &[7, 8, 8, 8]);
        Reply::Bytes([stale, other, answer(asked, 4, &record(asked))].concat())
    };
    assert_eq!(first("", reply).await, ok("100 101 102"));
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    drop(listener);
    for device in [DEVICE, STOCK] {
        let mut source = source(&format!("address: {address}"), device, MINUTE).await;
        let error = source.next().await.unwrap_err().chain();
        assert_eq!(error, format!("meter at {address} unit 1: cannot connect: connection refused"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hung_device_is_asked_twice_and_left_alone() {
    let server = Server::start(Duration::from_millis(50), |_| Reply::Silence).await;
    let mut source = open(&server, DEVICE).await;
    let began = Instant::now();
    assert!(source.next().await.is_err());
    // Before each it is waited for a late answer, as long as for the answer itself.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(server.take_addresses(), [0, 0], "the record is asked once more");
    assert_eq!(server.connections(), 2, "on a new connection");
    let began = Instant::now();
    assert!(source.next().await.is_err());
    assert!(began.elapsed() < Duration::from_secs(13), "{:?}", began.elapsed());
    assert_eq!(server.take_addresses(), [2, 2], "the next poll goes on with the next");

    server.become_(|asked| Reply::Data(record(asked)));
    let pass = source.next().await.unwrap().unwrap();
    assert!(pass.complete, "recovery is automatic");
    assert_eq!(column(&pass.rows, "number"), ["0", "1", "2"], "rows stand in the order of the list");
    server.was_treated_well();
}

#[tokio::test(start_paused = true)]
async fn a_device_is_never_asked_faster_than_allowed() {
    let delay = Duration::from_millis(700);
    let server = Server::start(delay, |asked| match asked.address {
        2 => Reply::Silence,
        4 => Reply::Last(vec![]),
        _ => Reply::Data(record(asked)),
    })
    .await;
    let mut source = source(&format!("address: {}\nmin_delay: 700ms", server.address), DEVICE, MINUTE).await;
    for _ in 0..3 {
        assert!(!source.next().await.unwrap().unwrap().complete);
    }
    // A new one after each silence, and two more for the record at which it hangs up; the silent record is asked once
    // more the first time.
    assert_eq!(server.connections(), 3 * 3 + 1);
    server.was_treated_well();
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_pass_leaves_no_connection_behind() {
    let server = Server::start(Duration::ZERO, |asked| {
        if asked.address == 2 { Reply::Silence } else { Reply::Data(record(asked)) }
    })
    .await;
    let mut source = open(&server, DEVICE).await;
    let abandoned = tokio::time::timeout(Duration::from_secs(1), source.next()).await;
    assert!(abandoned.is_err(), "the pass was still waiting for record 1");
    server.become_(|asked| Reply::Data(record(asked)));
    let pass = source.next().await.unwrap().unwrap();
    assert_eq!(column(&pass.rows, "value"), ["100", "101", "102"]);
    assert_eq!(server.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_serves_many_passes_and_is_replaced_when_lost() {
    let server = Server::start(Duration::from_millis(50), |asked| Reply::Data(record(asked))).await;
    let mut source = source(&format!("address: {}\nconnection: keep", server.address), DEVICE, MINUTE).await;
    for _ in 0..3 {
        assert!(source.next().await.unwrap().unwrap().complete);
    }
    assert_eq!(server.connections(), 1);
    server.become_(|asked| {
        if asked.address == 6 { Reply::Last(answer(asked, 4, &[0; 4])) } else { Reply::Data(record(asked)) }
    });
    for pass in 0..3 {
        let pass =
            source.next().await.unwrap_or_else(|error| panic!("pass {pass}: {}", error.chain())).unwrap();
        assert!(pass.complete && pass.faults.is_empty(), "{:?}", pass.faults);
    }
    assert_eq!(server.connections(), 3, "closed between passes: opened again, nothing lost");
    server.was_treated_well();
}
