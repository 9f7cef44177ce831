//! Several units behind one address: one connection, turns, and nobody waits long for a unit that is silent.

use std::time::Duration;

use smiles_stage::Source;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::harness::{column, source};
use crate::server::{Asked, Reply, Server};

/// Two blocks far apart, so that a pass is two questions.
const DEVICE: &str = "
blocks:
  one: {address: 0, count: 1, fields: {one: {at: 0, type: u16}}}
  two: {address: 500, count: 1, fields: {two: {at: 0, type: u16}}}
";
const EVERY: Duration = Duration::from_secs(2);

/// A unit's answer: its number and the address.
fn answer(asked: Asked) -> Reply {
    Reply::Data(vec![asked.unit, u8::from(asked.address == 500)])
}

async fn unit(server: &Server, unit: u8, more: &str) -> Box<dyn Source> {
    let options = format!("address: {}\nunit_id: {unit}\n{more}", server.address);
    source(&options, DEVICE, EVERY).await
}

/// What a pass read, or nothing.
async fn pass(source: &mut dyn Source) -> String {
    match source.next().await {
        Ok(pass) => {
            let rows = pass.unwrap().rows;
            format!("{} {}", column(&rows, "one").concat(), column(&rows, "two").concat())
        }
        Err(_) => String::new(),
    }
}

fn whole(unit: u16) -> String {
    format!("{} {}", unit * 256, unit * 256 + 1)
}

#[tokio::test(start_paused = true)]
async fn units_of_one_address_share_a_connection_and_take_turns() {
    // The server complains of a second connection, of a question before its answer and of one that comes too early.
    let server = Server::start(Duration::from_millis(50), answer).await;
    let mut units = [unit(&server, 1, "").await, unit(&server, 2, "").await, unit(&server, 3, "").await];
    let [one, two, three] = &mut units;
    for _ in 0..3 {
        let read = tokio::join!(pass(one.as_mut()), pass(two.as_mut()), pass(three.as_mut()));
        assert_eq!(read, (whole(1), whole(2), whole(3)));
        let asked: Vec<u8> = server.take_asked().iter().map(|asked| asked.unit).collect();
        assert_eq!(asked, [1, 2, 3, 1, 2, 3], "each in turn");
    }
    assert_eq!(server.connections(), 3, "one a pass");
    server.was_treated_well();
}

#[tokio::test(start_paused = true)]
async fn sources_of_other_pipelines_share_the_line_too() {
    let server = Server::start(Duration::from_millis(200), answer).await;
    let options = format!(
        "address: {}\nunit_id: 1\nmin_delay: 200ms",
        server.address.replace("127.0.0.1", "localhost")
    );
    let mut gentle = source(&options.replace("localhost", "127.0.0.1"), DEVICE, EVERY).await;
    let mut other = unit(&server, 2, "").await;
    let read = tokio::join!(pass(gentle.as_mut()), pass(other.as_mut()));
    assert_eq!(read, (whole(1), whole(2)), "the longer pause holds for both");
    assert_eq!(server.connections(), 1);
    server.was_treated_well();
}

#[tokio::test(start_paused = true)]
async fn a_silent_unit_costs_the_others_one_time_limit_a_pass() {
    let server = Server::start(Duration::from_millis(50), |asked| match asked.unit {
        9 => Reply::Silence,
        _ => answer(asked),
    })
    .await;
    let mut silent = unit(&server, 9, "").await;
    let mut one = unit(&server, 1, "").await;
    let mut two = unit(&server, 2, "").await;
    for _ in 0..3 {
        let began = Instant::now();
        let others = async {
            let read = tokio::join!(pass(one.as_mut()), pass(two.as_mut()));
            assert!(began.elapsed() < Duration::from_millis(3900), "{:?}", began.elapsed());
            read
        };
        let (nothing, read) = tokio::join!(pass(silent.as_mut()), others);
        assert_eq!((nothing.as_str(), read), ("", (whole(1), whole(2))));
        let asked: Vec<u8> = server.take_asked().iter().map(|asked| asked.unit).collect();
        assert_eq!(asked.iter().filter(|unit| **unit == 9).count(), 1, "{asked:?}");
    }
    server.was_treated_well();
}

/// One hour of three units that are polled every 2 seconds, behind a gateway that complains of nearly everything.
#[tokio::test(start_paused = true)]
async fn three_units_behind_a_picky_gateway_lose_no_row_in_an_hour() {
    let server = Server::start(Duration::from_millis(50), |asked| {
        // Each answer takes its time; a busy exception now and then, and a connection that ends while nobody asks.
        match (u32::from(asked.transaction) * 7 + u32::from(asked.unit)) % 50 {
            0 => Reply::Exception(6),
            1 => Reply::LastData(vec![asked.unit, u8::from(asked.address == 500)]),
            slow => Reply::Late(Duration::from_millis(u64::from(slow) * 4), Box::new(answer(asked))),
        }
    })
    .await;
    let mut sources = Vec::new();
    for number in 1..=3 {
        sources.push((u16::from(number), unit(&server, number, "connection: keep").await));
    }
    let hour = async |number: u16, mut source: Box<dyn Source>| {
        let mut due = Instant::now();
        for pass_number in 0..1800 {
            tokio::time::sleep_until(due).await;
            due += EVERY;
            assert_eq!(pass(source.as_mut()).await, whole(number), "pass {pass_number} of unit {number}");
        }
    };
    let mut hours = sources.into_iter().map(|(number, source)| hour(number, source));
    let (one, two, three) = (hours.next().unwrap(), hours.next().unwrap(), hours.next().unwrap());
    tokio::join!(one, two, three);
    server.was_treated_well();
}

/// A gateway that takes one client at a time and lets the others wait for it to leave.
#[tokio::test(start_paused = true)]
async fn a_gateway_that_queues_its_clients_answers_all_units() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut frame = [0; 12];
            while stream.read_exact(&mut frame).await.is_ok() {
                let [t1, t2, _, _, _, _, unit, function, a1, ..] = frame;
                let reply = [t1, t2, 0, 0, 0, 5, unit, function, 2, unit, u8::from(a1 > 0)];
                tokio::io::AsyncWriteExt::write_all(&mut stream, &reply).await.unwrap();
            }
        }
    });
    let open = |unit: u8| source_of(address.clone(), unit);
    let (mut one, mut two, mut three) = (open(1).await, open(2).await, open(3).await);
    for _ in 0..5 {
        let read = tokio::join!(pass(one.as_mut()), pass(two.as_mut()), pass(three.as_mut()));
        assert_eq!(read, (whole(1), whole(2), whole(3)));
    }
}

async fn source_of(address: String, unit: u8) -> Box<dyn Source> {
    source(&format!("address: {address}\nunit_id: {unit}\nconnection: keep"), DEVICE, EVERY).await
}

#[tokio::test(start_paused = true)]
async fn a_line_that_nobody_answers_is_tried_once_for_all_who_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    drop(listener);
    let (mut one, mut two) = (source_of(address.clone(), 1).await, source_of(address, 2).await);
    let (one, two) = tokio::join!(one.next(), two.next());
    for failed in [one, two] {
        assert!(failed.unwrap_err().chain().ends_with("cannot connect: connection refused"));
    }
}

#[tokio::test(start_paused = true)]
async fn units_of_a_gateway_that_hangs_up_after_each_answer_are_read_whole() {
    let server = Server::start(Duration::from_millis(50), |asked| match answer(asked) {
        Reply::Data(data) => Reply::LastData(data),
        other => other,
    })
    .await;
    let mut units = [unit(&server, 1, "").await, unit(&server, 2, "").await, unit(&server, 3, "").await];
    let [one, two, three] = &mut units;
    for _ in 0..5 {
        let read = tokio::join!(pass(one.as_mut()), pass(two.as_mut()), pass(three.as_mut()));
        assert_eq!(read, (whole(1), whole(2), whole(3)));
    }
    server.was_treated_well();
}
