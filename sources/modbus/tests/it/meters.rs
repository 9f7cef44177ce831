//! Ordinary meters: plain blocks, one row per pass, merged requests, blocks that are read once or may be missing.

use std::time::Duration;

use smiles_stage::Source;

use crate::harness::{column, source};
use crate::server::{Asked, Reply, Server};

const METER: &str = "
order: cdab
gap: 4
blocks:
  energy:
    {read: input, address: 10, count: 4, fields: {
      import: {at: 0, type: u32, unit: Wh, kind: counter}, power: {at: 4, type: f32, unit: W}}}
  phase: {read: input, address: 16, count: 1, fields: {voltage: {at: 0, type: u16, unit: 0.1 V, null_when: [0xffff]}}}
  relay: {read: coils, address: 5, count: 3, fields: {closed: {at: 2, type: bool}}}
  alarm: {read: discrete, address: 7, count: 11, fields: {first: {at: 0, type: bool}, last: {at: 10, type: bool}}}
  model: {address: 100, count: 2, once: true, fields: {model: {at: 0, type: ascii, length: 4}}}
  extra: {address: 200, count: 1, optional: true, fields: {extra: {at: 0, type: i16}}}
";

/// The meter as it should be.
fn meter(asked: Asked) -> Reply {
    match (asked.function, asked.address, asked.count) {
        (4, 10, 7) => {
            Reply::Data([&[0x86, 0xa0, 0, 1, 0, 0, 0x3f, 0xc0][..], &[0; 4], &[0x08, 0xfd]].concat())
        }
        (1, 5, 3) => Reply::Data(vec![0b100]),
        (2, 7, 11) => Reply::Data(vec![0b1, 0b100]),
        (3, 100, 2) => Reply::Data(b"M-1 ".to_vec()),
        (3, 200, 1) => Reply::Data(vec![0xff, 0xff]),
        _ => Reply::Exception(2),
    }
}

async fn start(script: impl FnMut(Asked) -> Reply + Send + 'static) -> (Server, Box<dyn Source>) {
    let server = Server::start(Duration::from_millis(50), script).await;
    let options = format!("address: {}\nunit_id: 0", server.address);
    let source = source(&options, METER, Duration::from_secs(60)).await;
    (server, source)
}

/// One pass as text: the cells of its row, whether it was complete, its faults.
async fn pass(source: &mut dyn Source) -> String {
    let names = ["import", "power", "voltage", "closed", "first", "last", "model", "extra"];
    match source.next().await {
        Ok(pass) => {
            let pass = pass.unwrap();
            assert_eq!(pass.rows.num_rows(), 1);
            let cells: Vec<String> = names.iter().map(|name| column(&pass.rows, name).remove(0)).collect();
            let faults: Vec<&str> = pass.faults.iter().map(|fault| fault.message.as_str()).collect();
            format!("{} {} {}", cells.join(" "), pass.complete, faults.join(", ")).trim_end().to_owned()
        }
        Err(error) => error.chain().split(" unit 0: ").nth(1).unwrap().to_owned(),
    }
}

const WHOLE: &str = "100000 1.5 2301 true true true M-1 -1 true";

#[tokio::test(start_paused = true)]
async fn a_meter_is_one_row_of_few_requests() {
    let (server, mut source) = start(meter).await;
    assert_eq!(pass(source.as_mut()).await, WHOLE);
    assert_eq!(server.take_addresses(), [10, 5, 7, 100, 200]);
    assert_eq!(pass(source.as_mut()).await, WHOLE);
    assert_eq!(server.take_addresses(), [10, 5, 7, 200], "the model is known");
    server.was_treated_well();
}

#[tokio::test(start_paused = true)]
async fn a_block_that_fails_is_null_and_a_fault() {
    let (_server, mut source) = start(|asked| match asked.function {
        4 => Reply::Exception(4),
        _ => meter(asked),
    })
    .await;
    let expected =
        "- - - true true true M-1 -1 false energy+phase: the device answered exception 4: device failure";
    assert_eq!(pass(source.as_mut()).await, expected);
}

#[tokio::test(start_paused = true)]
async fn blocks_that_are_refused_silence_none_behind_them() {
    let (server, mut source) = start(|asked| match asked.function {
        4 | 1 => Reply::Exception(2),
        _ => meter(asked),
    })
    .await;
    let refused = |block: &str, asked: &str| {
        format!("{block}: the device answered exception 2: illegal data address (asked: {asked})")
    };
    let faults =
        [refused("energy", "input 10 to 13"), refused("phase", "input 16"), refused("relay", "coils 5 to 7")];
    let expected = format!("- - - - true true M-1 -1 false {}", faults.join(", "));
    // Joined blocks are taken apart, and what is refused is asked after 1, 2, 4 ... polls.
    let asked: [&[u16]; 5] =
        [&[10, 10, 16, 5, 7, 100, 200], &[7, 200], &[10, 16, 5, 7, 200], &[7, 200], &[7, 200]];
    for asked in asked {
        assert_eq!(pass(source.as_mut()).await, expected);
        assert_eq!(server.take_addresses(), asked);
    }
    // A gateway that says so of the device itself is as good as silence.
    server.become_(|_| Reply::Exception(11));
    server.take_addresses();
    let said = pass(source.as_mut()).await;
    assert_eq!(said, "the device answered exception 11: gateway target does not respond");
    assert_eq!(
        server.take_addresses(),
        [10, 10, 10, 16, 16, 16],
        "each is asked again, for it answered before"
    );
    assert_eq!(pass(source.as_mut()).await, said);
    assert_eq!(server.take_addresses().len(), 2, "and not again while the device is away");
}

#[tokio::test(start_paused = true)]
async fn blocks_that_never_answer_silence_none_behind_them_for_long() {
    let (server, mut source) = start(|asked| match asked.function {
        4 | 1 => Reply::Silence,
        _ => meter(asked),
    })
    .await;
    for asked in [[10, 10], [5, 5]] {
        let said = pass(source.as_mut()).await;
        assert!(said.starts_with("timed out after 3s"), "{said}: two in a row: the device may be gone");
        assert_eq!(server.take_addresses(), asked);
    }
    let said = pass(source.as_mut()).await;
    assert!(said.starts_with("- - - - true true - - false"), "{said}");
    assert_eq!(server.take_addresses(), [7, 10, 5], "it goes on where it gave up, with readings first");
    let said = pass(source.as_mut()).await;
    assert!(said.starts_with("- - - - - - M-1 -1 false"), "{said}");
    assert_eq!(server.take_addresses(), [100, 200, 10, 5]);
    let said = pass(source.as_mut()).await;
    assert!(said.starts_with("- - - - true true M-1 -1 false"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn an_optional_block_may_be_missing_and_is_asked_ever_less() {
    let (server, mut source) = start(|asked| match asked.address {
        200 => Reply::Exception(2),
        _ => meter(asked),
    })
    .await;
    let mut asked = Vec::new();
    for number in 0..12 {
        assert_eq!(pass(source.as_mut()).await, "100000 1.5 2301 true true true M-1 - true");
        if server.take_addresses().contains(&200) {
            asked.push(number);
        }
    }
    assert_eq!(asked, [0, 2, 5, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_optional_block_does_not_spoil_the_row() {
    let (_server, mut source) = start(|asked| match asked.address {
        200 => Reply::Silence,
        _ => meter(asked),
    })
    .await;
    assert_eq!(pass(source.as_mut()).await, "100000 1.5 2301 true true true M-1 - true");
}

#[tokio::test(start_paused = true)]
async fn after_the_device_was_away_what_is_read_once_is_read_again() {
    let (server, mut source) = start(meter).await;
    pass(source.as_mut()).await;
    server.become_(|_| Reply::Silence);
    assert_eq!(pass(source.as_mut()).await, "timed out after 3s");
    server.become_(|asked| match asked.address {
        100 => Reply::Data(b"M-2 ".to_vec()),
        _ => meter(asked),
    });
    assert_eq!(pass(source.as_mut()).await, WHOLE.replace("M-1", "M-2"));
    server.become_(|asked| if asked.address == 10 { Reply::Data(vec![]) } else { meter(asked) });
    let expected = "- - - true true true M-2 -1 false energy+phase: the device answered with no data";
    assert_eq!(pass(source.as_mut()).await, expected);
}
