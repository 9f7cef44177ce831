//! How lists end: by a value, an exception, a count; several records in a request; several lists in a file.

use std::time::Duration;

use smiles_stage::{Pass, Source};

use crate::harness::{column, source};
use crate::server::{Asked, Reply, Server};

const MINUTE: Duration = Duration::from_secs(60);

/// Records of two registers: 100 and their number from 1; behind the last what `end` says.
fn list(length: u16, end: impl Fn(u16) -> Reply + Send) -> impl Fn(Asked) -> Reply + Send {
    move |asked| {
        let (first, count) = (asked.address / 2, asked.count / 2);
        if asked.address == 900 {
            return Reply::Data(length.to_be_bytes().to_vec());
        }
        if first + count > length {
            return end(asked.count);
        }
        Reply::Data(
            (first..first + count)
                .flat_map(|number| [0, 100, 0, u8::try_from(number + 1).unwrap()])
                .collect(),
        )
    }
}

fn device(until: &str) -> String {
    format!(
        "blocks:\n  n: {{address: 900, count: 1, fields: {{n: {{at: 0, type: u16}}}}}}\n  r: {{address: 0, count: 2, \
         repeat: {{stride: 2, max: 20, {until}}}, fields: {{mark: {{at: 0, type: u16}}, number: {{at: 2, type: u16}}}}}}\n"
    )
}

async fn pass(source: &mut dyn Source) -> Pass {
    source.next().await.unwrap_or_else(|error| panic!("{}", error.chain())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_list_ends_as_its_file_says() {
    type End = fn(u16) -> Reply;
    let value: End = |_| Reply::Data(vec![0xFF, 0xFF, 0, 0]);
    let rows: [(&str, End, &[u16]); 3] = [
        ("until: {field: mark, equals: 0xffff}", value, &[900, 0, 2, 4, 6]),
        ("until: {exception: [4]}", |_| Reply::Exception(4), &[900, 0, 2, 4, 6]),
        ("until: {count: n}", value, &[900, 0, 2, 4]),
    ];
    for (until, end, asked) in rows {
        let server = Server::start(Duration::from_millis(50), list(3, end)).await;
        let mut source = source(&format!("address: {}", server.address), &device(until), MINUTE).await;
        for _ in 0..2 {
            let pass = pass(source.as_mut()).await;
            assert_eq!(column(&pass.rows, "number"), ["1", "2", "3"], "{until}");
            assert_eq!(column(&pass.rows, "n"), ["3"; 3]);
            assert!(pass.complete && pass.faults.is_empty(), "{until}: {:?}", pass.faults);
            assert_eq!(server.take_addresses(), asked, "{until}");
        }
        server.was_treated_well();
    }
}

#[tokio::test(start_paused = true)]
async fn a_count_that_shrinks_is_believed_at_once_and_one_that_is_not_heard_is_remembered() {
    let server = Server::start(Duration::from_millis(50), list(3, |_| Reply::Exception(2))).await;
    let mut source =
        source(&format!("address: {}", server.address), &device("until: {count: n}"), MINUTE).await;
    pass(source.as_mut()).await;
    server.become_(list(2, |_| Reply::Exception(2)));
    assert_eq!(column(&pass(source.as_mut()).await.rows, "number"), ["1", "2"]);
    let records = list(2, |_| Reply::Exception(2));
    server.become_(move |asked| if asked.address == 900 { Reply::Silence } else { records(asked) });
    let pass = pass(source.as_mut()).await;
    assert_eq!(column(&pass.rows, "number"), ["1", "2"]);
    assert!(!pass.complete && pass.faults[0].message.starts_with("n: timed out"), "{:?}", pass.faults);
}

#[tokio::test(start_paused = true)]
async fn neighbours_are_read_together_and_apart_where_the_device_refuses() {
    let device = device("records_per_request: 4, until: {exception: [2]}");
    let server = Server::start(Duration::from_millis(50), list(6, |_| Reply::Exception(2))).await;
    let mut source = source(&format!("address: {}", server.address), &device, MINUTE).await;
    // The first time the end is found by what is refused; then it is known, and asked for alone.
    let first: &[(u16, u16)] = &[(900, 1), (0, 8), (8, 8), (8, 2), (10, 2), (12, 2)];
    let known: &[(u16, u16)] = &[(900, 1), (0, 8), (8, 4), (12, 2)];
    for expected in [first, known, known] {
        let pass = pass(source.as_mut()).await;
        assert_eq!(column(&pass.rows, "number"), ["1", "2", "3", "4", "5", "6"]);
        assert!(pass.complete && pass.faults.is_empty(), "{:?}", pass.faults);
        let asked: Vec<(u16, u16)> = server.take_asked().iter().map(|it| (it.address, it.count)).collect();
        assert_eq!(asked, expected);
    }
    let counted = crate::list_ends::device("records_per_request: 4, until: {count: n}");
    let mut source = crate::harness::source(&format!("address: {}", server.address), &counted, MINUTE).await;
    for _ in 0..2 {
        let pass = pass(source.as_mut()).await;
        assert_eq!(column(&pass.rows, "number"), ["1", "2", "3", "4", "5", "6"]);
        let asked: Vec<(u16, u16)> = server.take_asked().iter().map(|it| (it.address, it.count)).collect();
        assert_eq!(asked, [(900, 1), (0, 8), (8, 4)]);
    }
    // A device that takes one record at a time: said once, and remembered.
    let records = list(6, |_| Reply::Exception(2));
    server.become_(move |asked| if asked.count > 2 { Reply::Exception(3) } else { records(asked) });
    for requests in [8, 7] {
        let pass = pass(source.as_mut()).await;
        assert_eq!(column(&pass.rows, "number"), ["1", "2", "3", "4", "5", "6"]);
        assert_eq!(server.take_asked().len(), requests);
    }
    server.was_treated_well();
}

#[tokio::test(start_paused = true)]
async fn a_file_may_have_several_lists() {
    let two = "
blocks:
  site: {address: 900, count: 1, fields: {site: {at: 0, type: u16}}}
  meter: {address: 0, count: 2, repeat: {stride: 2, max: 9}, fields: {meter: {at: 2, type: u16}}}
  plug: {read: input, address: 0, count: 1, repeat: {stride: 1, max: 9}, fields: {plug: {at: 0, type: u16}}}
";
    let meters = list(2, |_| Reply::Exception(2));
    let server =
        Server::start(Duration::from_millis(50), move |asked| match (asked.function, asked.address) {
            (4, address @ 0..3) => Reply::Data(vec![9, u8::try_from(address).unwrap()]),
            (4, _) => Reply::Exception(2),
            _ => meters(asked),
        })
        .await;
    let mut source = source(&format!("address: {}", server.address), two, MINUTE).await;
    let pass = pass(source.as_mut()).await;
    assert!(pass.complete && pass.faults.is_empty(), "{:?}", pass.faults);
    assert_eq!(column(&pass.rows, "meter"), ["1", "2", "-", "-", "-"]);
    assert_eq!(column(&pass.rows, "plug"), ["-", "-", "2304", "2305", "2306"]);
    assert_eq!(column(&pass.rows, "site"), ["2"; 5]);
}
