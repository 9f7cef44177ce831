//! A device that hardly answers: who was not heard comes first, and what is read once does not stand in the way.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::{column, source};
use crate::server::{Asked, Reply, Server};

const PORTS: u16 = 16;
const DEVICE: &str = "
blocks:
  dtu: {address: 900, count: 3, once: true, optional: true, fields: {dtu: {at: 0, type: hex, length: 6}}}
  port: {address: 0, count: 2, repeat: {stride: 2, max: 99, until: {zero: mark}}, fields: {mark: {at: 0, type: u16}, number: {at: 2, type: u16}}}
";

/// Answers one question in `share`, repeatably; counts the questions, and those for the serial number.
fn deaf(share: u64, seed: u64, asked: Arc<Mutex<(usize, usize)>>) -> impl FnMut(Asked) -> Reply + Send {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |it| {
        let mut counts = asked.lock().unwrap();
        counts.0 += 1;
        counts.1 += usize::from(it.address == 900);
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let number = it.address / 2;
        match it.address {
            _ if !(state >> 20).is_multiple_of(share) => Reply::Silence,
            900 => Reply::Data(vec![1; 6]),
            _ if number < PORTS => Reply::Data([7_u16.to_be_bytes(), number.to_be_bytes()].concat()),
            _ => Reply::Data(vec![0; 4]),
        }
    }
}

/// Questions until every port was heard, and how many of them were for the serial number.
async fn until_all_were_heard(seed: u64) -> (usize, usize) {
    let asked = Arc::new(Mutex::new((0, 0)));
    let server = Server::start(Duration::from_millis(50), deaf(10, seed, Arc::clone(&asked))).await;
    let options = format!("address: {}\ntimeout: 1s", server.address);
    let mut source = source(&options, DEVICE, Duration::from_secs(60)).await;
    let mut heard = BTreeSet::new();
    for _ in 0..2000 {
        if let Ok(pass) = source.next().await {
            heard.extend(column(&pass.unwrap().rows, "number"));
        }
        if heard.len() == usize::from(PORTS) {
            break;
        }
    }
    assert_eq!(heard.len(), usize::from(PORTS), "seed {seed}");
    server.was_treated_well();
    *asked.lock().unwrap()
}

#[tokio::test(start_paused = true)]
async fn with_one_answer_in_ten_every_port_is_heard_in_twice_what_a_perfect_asker_needs() {
    let (mut questions, mut serials) = (0, 0);
    let seeds = 20;
    for seed in 1..=seeds {
        let (all, serial) = until_all_were_heard(seed).await;
        questions += all;
        serials += serial;
    }
    // Who knew the ports and asked only those not heard yet would need ten questions for each.
    let perfect = usize::from(PORTS) * 10 * usize::try_from(seeds).unwrap();
    assert!(questions <= perfect * 2, "{questions} questions where {perfect} are needed");
    assert!(serials * 10 <= questions, "{serials} of {questions} for what is read once");
}

#[tokio::test(start_paused = true)]
async fn ports_that_are_dead_do_not_starve_the_others() {
    let server = Server::start(Duration::from_millis(50), |asked| match asked.address / 2 {
        3..=12 => Reply::Silence,
        number if number < PORTS => Reply::Data([7_u16.to_be_bytes(), number.to_be_bytes()].concat()),
        450 => Reply::Data(vec![1; 6]),
        _ => Reply::Data(vec![0; 4]),
    })
    .await;
    let options = format!("address: {}\ntimeout: 1s", server.address);
    let mut source = source(&options, DEVICE, Duration::from_secs(60)).await;
    let mut times = [0; 16];
    for _ in 0..120 {
        if let Ok(pass) = source.next().await {
            for number in column(&pass.unwrap().rows, "number") {
                times[number.parse::<usize>().unwrap()] += 1;
            }
        }
    }
    for alive in [0, 1, 2, 13, 14, 15] {
        assert!(times[alive] > 15, "port {alive} was heard {} times in 120 polls: {times:?}", times[alive]);
    }
    server.was_treated_well();
}
