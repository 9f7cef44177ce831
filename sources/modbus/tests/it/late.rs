//! Answers that come late, or that do not say whose they are: no value ever stands in another column.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use smiles_stage::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::Instant;

use crate::harness::{column, source};
use crate::server::{Asked, Reply, Server, framed};

/// Blocks of one size, whose values say which they are.
pub(crate) const DEVICE: &str = "
blocks:
  one: {address: 1, count: 1, fields: {one: {at: 0, type: u16}}}
  two: {address: 2, count: 1, fields: {two: {at: 0, type: u16}}}
  three: {address: 3, count: 1, fields: {three: {at: 0, type: u16}}}
";
pub(crate) const EVERY: Duration = Duration::from_secs(20);

fn answer(asked: Asked) -> Reply {
    Reply::Data(asked.address.to_be_bytes().to_vec())
}

/// Polls for an hour; how many values came. Each stands in its own column.
pub(crate) async fn an_hour(source: &mut dyn Source) -> usize {
    let began = Instant::now();
    let mut came = 0;
    while began.elapsed() < Duration::from_secs(3600) {
        let due = Instant::now() + EVERY;
        if let Ok(pass) = source.next().await {
            let rows = pass.unwrap().rows;
            for (name, own) in [("one", "1"), ("two", "2"), ("three", "3")] {
                let cell = column(&rows, name).concat();
                assert!(cell == own || cell == "-", "{name} is {cell}");
                came += usize::from(cell == own);
            }
        }
        tokio::time::sleep_until(due).await;
    }
    came
}

/// Pseudo-random, 1.9 to 2.5 s.
pub(crate) fn slow(number: u64) -> Duration {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    Duration::from_millis(1900 + mixed % 601)
}

#[tokio::test(start_paused = true)]
async fn late_answers_of_an_hour_stand_in_no_other_column() {
    for tolerate in ["", "tolerate: [wrong_transaction, wrong_unit]\n"] {
        let mut number = 0;
        let server = Server::start(Duration::ZERO, move |asked| {
            number += 1;
            Reply::Late(slow(number), Box::new(answer(asked)))
        })
        .await;
        let options = format!("address: {}\ntimeout: 2s", server.address);
        let mut source = source(&options, &format!("{tolerate}{DEVICE}"), EVERY).await;
        assert!(an_hour(source.as_mut()).await > 60, "{tolerate}: those in time come");
    }
}

/// A gateway with room for one question: what the device answers goes to whoever asked last, under that question's
/// transaction. The answer to that one is dropped by the device, which was still busy.
async fn forgetful_gateway() -> String {
    struct Pending {
        transaction: [u8; 2],
        busy: bool,
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let pending = Arc::new(Mutex::new(Pending { transaction: [0; 2], busy: false }));
    let newest: Arc<tokio::sync::Mutex<Option<OwnedWriteHalf>>> = Arc::default();
    tokio::spawn(async move {
        let mut number = 0;
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut read, write) = stream.into_split();
            *newest.lock().await = Some(write);
            let (pending, newest) = (Arc::clone(&pending), Arc::clone(&newest));
            number += 1000;
            tokio::spawn(async move {
                let mut number = number;
                let mut frame = [0; 12];
                while read.read_exact(&mut frame).await.is_ok() {
                    number += 1;
                    let [t1, t2, _, _, _, _, unit, function, a1, a2, ..] = frame;
                    {
                        let mut pending = pending.lock().unwrap();
                        pending.transaction = [t1, t2];
                        if std::mem::replace(&mut pending.busy, true) {
                            continue;
                        }
                    }
                    let (pending, newest) = (Arc::clone(&pending), Arc::clone(&newest));
                    tokio::spawn(async move {
                        tokio::time::sleep(slow(number)).await;
                        let [t1, t2] = {
                            let mut pending = pending.lock().unwrap();
                            pending.busy = false;
                            pending.transaction
                        };
                        let frame = framed(u16::from_be_bytes([t1, t2]), unit, &[function, 2, a1, a2]);
                        if let Some(stream) = newest.lock().await.as_mut() {
                            stream.write_all(&frame).await.ok();
                        }
                    });
                }
            });
        }
    });
    address
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_gives_old_answers_to_new_questions_fools_nobody() {
    for more in ["", "\nconnection: keep"] {
        let address = forgetful_gateway().await;
        let mut source = source(&format!("address: {address}\ntimeout: 2s{more}"), DEVICE, EVERY).await;
        let came = an_hour(source.as_mut()).await;
        assert!(came > 30, "{more}: {came} came");
    }
}

/// A gateway that keeps an answer which came too late, for the next question of that unit.
#[tokio::test(start_paused = true)]
async fn a_gateway_that_keeps_old_answers_for_new_questions_fools_nobody() {
    for more in ["", "\nconnection: keep"] {
        let (mut kept, mut number) = (None, 0);
        let server = Server::start(Duration::ZERO, move |asked| {
            number += 1;
            let answer = answer(asked);
            match kept.take() {
                Some(old) => old,
                None if number % 3 == 0 => {
                    kept = Some(answer);
                    Reply::Silence
                }
                None => answer,
            }
        })
        .await;
        let options = format!("address: {}\ntimeout: 2s{more}", server.address);
        let mut source = source(&options, DEVICE, EVERY).await;
        assert!(an_hour(source.as_mut()).await > 500, "asked once more, each is heard");
    }
}

/// Frames before and behind the answer, under the transactions of other questions, the next one too.
#[tokio::test(start_paused = true)]
async fn what_came_before_a_question_does_not_answer_it() {
    for tolerate in ["", "tolerate: [wrong_transaction]\n"] {
        let server = Server::start(Duration::ZERO, move |asked| {
            let own = framed(
                asked.transaction,
                asked.unit,
                &[asked.function, 2, 0, asked.address.to_be_bytes()[1]],
            );
            let stray = |transaction| framed(transaction, asked.unit, &[asked.function, 2, 9, 9]);
            let mut bytes = [own, stray(asked.transaction.wrapping_add(1))].concat();
            if tolerate.is_empty() {
                bytes = [stray(asked.transaction.wrapping_sub(1)), bytes].concat();
            }
            Reply::Bytes(bytes)
        })
        .await;
        let options = format!("address: {}\nconnection: keep", server.address);
        let mut source = source(&options, &format!("{tolerate}{DEVICE}"), EVERY).await;
        for _ in 0..5 {
            let pass = source.next().await.unwrap().unwrap();
            let cells = ["one", "two", "three"].map(|name| column(&pass.rows, name).concat());
            assert_eq!(cells, ["1", "2", "3"], "{tolerate}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_name_another_transaction_or_unit_are_taken_where_the_file_says_so() {
    let named = |transaction: fn(u16) -> u16, unit: fn(u16) -> u8| {
        move |asked: Asked| {
            let [high, low] = asked.address.to_be_bytes();
            let pdu = [asked.function, 2, high, low];
            Reply::Bytes(framed(transaction(asked.transaction), unit(asked.transaction), &pdu))
        }
    };
    type Transaction = fn(u16) -> u16;
    type Unit = fn(u16) -> u8;
    let rows: [(&str, Transaction, Unit); 5] = [
        ("wrong_transaction", |_| 0, |_| 1),
        ("wrong_transaction", |asked| asked.swap_bytes(), |_| 1),
        ("wrong_transaction", |asked| asked + 1, |_| 1),
        ("wrong_unit", |asked| asked, |_| 255),
        ("wrong_unit", |asked| asked, |asked| if asked == 1 { 7 } else { 1 }),
    ];
    for (tolerance, transaction, unit) in rows {
        let server = Server::start(Duration::from_millis(50), named(transaction, unit)).await;
        let options = format!("address: {}\nconnection: keep", server.address);
        let tolerant = format!("tolerate: [{tolerance}]\n{DEVICE}");
        let mut source = source(&options, &tolerant, EVERY).await;
        for _ in 0..3 {
            let pass = source.next().await.unwrap().unwrap();
            assert!(pass.complete, "{tolerance}: {:?}", pass.faults);
            let cells = ["one", "two", "three"].map(|name| column(&pass.rows, name).concat());
            assert_eq!(cells, ["1", "2", "3"], "{tolerance}");
        }
        drop(source);
        let mut strict = crate::harness::source(&options, DEVICE, EVERY).await;
        let said = match strict.next().await {
            Ok(pass) => match pass.unwrap().faults.first() {
                Some(fault) => fault.message.clone(),
                // Now and then is cured by asking once more.
                None => continue,
            },
            Err(error) => error.chain(),
        };
        assert!(said.contains(&format!("`tolerate: [{tolerance}]`")), "the message says the cure: {said}");
    }
}
