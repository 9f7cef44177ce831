//! Connections that misbehave: slow starts, ends after each answer or while idle, silence while idle, refused returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use smiles_stage::Source;
use tokio::net::TcpListener;

use crate::harness::{column, source};
use crate::server::{Asked, Reply, Server};

const DEVICE: &str = "
blocks:
  one: {address: 0, count: 1, fields: {one: {at: 0, type: u16}}}
  two: {address: 500, count: 1, fields: {two: {at: 0, type: u16}}}
";
const MINUTE: Duration = Duration::from_secs(60);

fn answer(asked: Asked) -> Reply {
    Reply::Data(asked.address.to_be_bytes().to_vec())
}

async fn open(server: &Server, more: &str) -> Box<dyn Source> {
    source(&format!("address: {}\n{more}", server.address), DEVICE, MINUTE).await
}

/// The values of a pass and its faults, or what failed.
async fn pass(source: &mut dyn Source) -> String {
    match source.next().await {
        Ok(pass) => {
            let pass = pass.unwrap();
            let faults: Vec<&str> = pass.faults.iter().map(|fault| fault.message.as_str()).collect();
            let (one, two) = (column(&pass.rows, "one").concat(), column(&pass.rows, "two").concat());
            format!("{one} {two} {}", faults.join(", ")).trim_end().to_owned()
        }
        Err(error) => error.chain().split(" unit 1: ").nth(1).unwrap().to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_ignores_what_comes_at_once_is_given_its_time() {
    let slow =
        |asked: Asked| if asked.after < Duration::from_secs(1) { Reply::Silence } else { answer(asked) };
    let server = Server::start(Duration::from_millis(50), slow).await;
    let said = pass(open(&server, "").await.as_mut()).await;
    assert!(said.contains("needs `connect_delay: 2s`"), "the message says the cure: {said}");
    let mut source = open(&server, "connect_delay: 1500ms").await;
    for _ in 0..3 {
        assert_eq!(pass(source.as_mut()).await, "0 500");
    }
    server.was_treated_well();
}

#[tokio::test(start_paused = true)]
async fn a_device_that_hangs_up_after_each_answer_is_read_whole() {
    for connection in ["pass", "keep"] {
        let hangs_up = |asked: Asked| Reply::LastData(asked.address.to_be_bytes().to_vec());
        let server = Server::start(Duration::from_millis(50), hangs_up).await;
        let mut source = open(&server, &format!("connection: {connection}")).await;
        for _ in 0..3 {
            assert_eq!(pass(source.as_mut()).await, "0 500");
        }
        server.was_treated_well();
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_went_silent_while_idle_is_replaced() {
    // A box that forgot the connection: it takes what comes and says nothing, from the third question on.
    let forgetful = |asked: Asked| if asked.number > 2 { Reply::Silence } else { answer(asked) };
    let server = Server::start(Duration::from_millis(50), forgetful).await;
    let mut source = open(&server, "connection: keep").await;
    for _ in 0..4 {
        assert_eq!(pass(source.as_mut()).await, "0 500");
    }
    assert_eq!(server.connections(), 4);
    server.was_treated_well();
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_that_is_refused_is_tried_again() {
    // One place for a client, and it is seen to be free only after a while: the first knock after each visit is in vain.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (visits, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (seen, turned_away) = (Arc::clone(&visits), Arc::clone(&refused));
    tokio::spawn(async move {
        let busy = AtomicBool::new(false);
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            if busy.swap(false, Ordering::Relaxed) {
                turned_away.fetch_add(1, Ordering::Relaxed);
                // Sent away with a reset, as by a box with no place left.
                stream.set_zero_linger().unwrap();
                continue;
            }
            busy.store(true, Ordering::Relaxed);
            seen.fetch_add(1, Ordering::Relaxed);
            let mut frame = [0; 12];
            while tokio::io::AsyncReadExt::read_exact(&mut stream, &mut frame).await.is_ok() {
                let [t1, t2, _, _, _, _, unit, function, a1, a2, ..] = frame;
                let reply = [t1, t2, 0, 0, 0, 5, unit, function, 2, a1, a2];
                tokio::io::AsyncWriteExt::write_all(&mut stream, &reply).await.unwrap();
            }
        }
    });
    let mut source = source(&format!("address: tcp://{address}"), DEVICE, MINUTE).await;
    for number in 0..4 {
        assert_eq!(pass(source.as_mut()).await, "0 500", "pass {number}");
    }
    assert_eq!((visits.load(Ordering::Relaxed), refused.load(Ordering::Relaxed)), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn a_busy_device_is_asked_again_and_a_refusing_one_is_not() {
    for code in [5, 6, 10, 11] {
        let server = Server::start(Duration::from_millis(50), move |asked| match asked.number {
            2 | 3 => Reply::Exception(code),
            _ => answer(asked),
        })
        .await;
        let mut source = open(&server, "").await;
        assert_eq!(pass(source.as_mut()).await, "0 500");
        assert_eq!(server.take_addresses(), [0, 500, 500, 500], "exception {code}");
        server.was_treated_well();
    }
    let server = Server::start(Duration::from_millis(50), |asked| match asked.address {
        0 => Reply::Exception(4),
        _ => answer(asked),
    })
    .await;
    let mut source = open(&server, "").await;
    assert_eq!(pass(source.as_mut()).await, "- 500 one: the device answered exception 4: device failure");
    assert_eq!(server.take_addresses(), [0, 500]);
}
