//! Blocks that are read less often than the others, and blocks longer than a request.

use std::time::Duration;

use smiles_stage::Source;

use crate::harness::{column, source};
use crate::server::{Asked, Reply, Server};

const EVERY: Duration = Duration::from_secs(5);
const DEVICE: &str = "
blocks:
  live: {address: 0, count: 1, fields: {power: {at: 0, type: u16}}}
  slow: {address: 10, count: 1, every: 20s, fields: {energy: {at: 0, type: u16}}}
  held: {address: 20, count: 1, every: 20s, between: {keep: 10s}, fields: {held: {at: 0, type: u16}}}
  name: {address: 30, count: 1, once: true, fields: {name: {at: 0, type: ascii, length: 2}}}
";

fn answer(asked: Asked) -> Reply {
    if asked.address == 30 { Reply::Data(b"ab".to_vec()) } else { Reply::Data(vec![0, 7]) }
}

async fn pass(source: &mut dyn Source) -> String {
    let pass = source.next().await.unwrap_or_else(|error| panic!("{}", error.chain())).unwrap();
    assert!(pass.complete && pass.faults.is_empty(), "{:?}", pass.faults);
    tokio::time::advance(EVERY).await;
    ["power", "energy", "held", "name"].map(|name| column(&pass.rows, name).join(",")).join(" ")
}

#[tokio::test(start_paused = true)]
async fn a_block_with_a_period_is_read_at_the_first_pass_at_or_after_it() {
    let server = Server::start(Duration::ZERO, answer).await;
    let mut source = source(&format!("address: {}\nmin_delay: 0s", server.address), DEVICE, EVERY).await;
    let mut asked = Vec::new();
    for expected in ["7 7 7 ab", "7 - 7 ab", "7 - 7 ab", "7 - - ab", "7 7 7 ab", "7 - 7 ab"] {
        assert_eq!(pass(source.as_mut()).await, expected);
        asked.push(server.take_addresses());
    }
    assert_eq!(asked, [&[0, 10, 20, 30][..], &[0], &[0], &[0], &[0, 10, 20], &[0]]);
    server.was_treated_well();
}

#[tokio::test(start_paused = true)]
async fn a_pass_in_which_nothing_is_due_has_no_rows() {
    let device = "blocks: {slow: {address: 10, count: 1, every: 12s, fields: {energy: {at: 0, type: u16}}}}";
    let server = Server::start(Duration::ZERO, answer).await;
    let mut source = source(&format!("address: {}", server.address), device, EVERY).await;
    let mut rows = Vec::new();
    for _ in 0..8 {
        let pass = source.next().await.unwrap().unwrap();
        assert!(pass.complete && pass.faults.is_empty());
        rows.push(pass.rows.num_rows());
        tokio::time::advance(EVERY).await;
    }
    assert_eq!(rows, [1, 0, 0, 1, 0, 1, 0, 0], "due at 0, 12, 24, 36 s: asked at 0, 15, 25, 40 s");
}

#[tokio::test(start_paused = true)]
async fn a_block_longer_than_a_request_is_divided_but_no_value() {
    // 300 registers that hold their own address; one number lies across 124 and 125, one across 249 and 250.
    let device = "
blocks:
  wide:
    address: 1000
    count: 300
    fields:
      first: {at: 0, type: u16}
      across: {at: 248, type: u32}
      later: {at: 498, type: u32}
      kind: {at: 300, type: u16}
      last: {at: 598, type: u16, unit: W, variants: [{when: {field: kind, equals: 1150}, unit: kW}]}
";
    let server = Server::start(Duration::from_millis(50), |asked| {
        let words = asked.address..asked.address + asked.count;
        Reply::Data(words.flat_map(u16::to_be_bytes).collect())
    })
    .await;
    let error = crate::harness::plan("address: tcp://a", device).err().unwrap();
    assert!(error[0].message.contains("takes 150 registers"), "{error:?}");
    let near = device.replace("at: 300", "at: 580").replace("equals: 1150", "equals: 1290");
    let mut source = source(&format!("address: {}", server.address), &near, Duration::from_secs(60)).await;
    let pass = source.next().await.unwrap().unwrap();
    assert!(pass.complete && pass.faults.is_empty(), "{:?}", pass.faults);
    let values = ["first", "across", "later", "kind", "last"].map(|name| column(&pass.rows, name).concat());
    let across = (1124_u32 << 16 | 1125).to_string();
    let later = (1249_u32 << 16 | 1250).to_string();
    assert_eq!(values, ["1000", &across, &later, "1290", "1299000"]);
    let asked: Vec<(u16, u16)> = server.take_asked().iter().map(|it| (it.address, it.count)).collect();
    assert_eq!(asked, [(1000, 1), (1124, 2), (1249, 51)]);
}
