//! Lists over real connections: partial passes, where the next one starts, and when a shorter list is believed.

use std::collections::BTreeSet;
use std::time::Duration;

use smiles_stage::{Pass, Source};
use tokio::time::Instant;

use crate::harness::{column, source};
use crate::server::{Asked, Reply, Server};

const DEVICE: &str = "
blocks:
  port:
    address: 0
    count: 2
    repeat: {stride: 2, max: 99, until: {zero: mark}}
    fields: {mark: {at: 0, type: u8}, number: {at: 1, type: u8}, value: {at: 2, type: u16, unit: V}}
";

/// A device with so many records, of which some do not answer.
fn list(length: u16, silent: &[u16]) -> impl Fn(Asked) -> Reply + Send + use<> {
    let silent: BTreeSet<u16> = silent.iter().copied().collect();
    move |asked| {
        let number = asked.address / 2;
        match u8::try_from(number) {
            _ if silent.contains(&number) => Reply::Silence,
            Ok(low) if number < length => Reply::Data(vec![7, low, 0, 1]),
            _ => Reply::Data(vec![0; 4]),
        }
    }
}

struct World {
    server: Server,
    source: Box<dyn Source>,
}

async fn world(length: u16, every: Duration) -> World {
    let server = Server::start(Duration::from_millis(50), list(length, &[])).await;
    let source = source(&format!("address: {}", server.address), DEVICE, every).await;
    World { server, source }
}

impl World {
    async fn pass(&mut self) -> Pass {
        let pass = self.source.next().await;
        pass.unwrap_or_else(|error| panic!("{}", error.chain())).unwrap()
    }

    /// One pass: which records were asked, which came, whether it was complete, and its faults.
    #[track_caller]
    fn check(&self, pass: &Pass, asked: &[u16], came: &[u16], complete: bool, faults: &[&str]) {
        let addresses: Vec<u16> = self.server.take_addresses().iter().map(|address| address / 2).collect();
        assert_eq!(addresses, asked);
        let numbers: Vec<u16> =
            column(&pass.rows, "number").iter().map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers, came);
        assert_eq!(pass.complete, complete);
        let said: Vec<&str> = pass.faults.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(said, faults);
        self.server.was_treated_well();
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_record_that_does_not_answer_costs_only_itself() {
    let mut world = world(4, MINUTE).await;
    world.server.become_(list(4, &[1]));
    let pass = world.pass().await;
    // It is asked once more, in case its answer was late; when that was in vain too, once a poll.
    world.check(&pass, &[0, 1, 1, 2, 3, 4], &[0, 2, 3], false, &["port[1]: timed out after 3s"]);
    let pass = world.pass().await;
    world.check(&pass, &[0, 1, 2, 3, 4], &[0, 2, 3], false, &["port[1]: timed out after 3s"]);
    world.server.become_(list(4, &[]));
    let pass = world.pass().await;
    world.check(&pass, &[0, 1, 2, 3, 4], &[0, 1, 2, 3], true, &[]);
}

#[tokio::test(start_paused = true)]
async fn two_failures_in_a_row_end_a_pass_and_the_next_goes_on_behind_them() {
    let mut world = world(6, MINUTE).await;
    world.server.become_(list(6, &[2, 3]));
    let pass = world.pass().await;
    let faults =
        ["port[2]: timed out after 3s", "port[3]: timed out after 3s; gave up after two failures in a row"];
    world.check(&pass, &[0, 1, 2, 2, 3, 3], &[0, 1], false, &faults);
    let pass = world.pass().await;
    world.check(&pass, &[4, 5, 6, 0, 1, 2, 3], &[0, 1, 4, 5], false, &faults);
    world.server.become_(list(6, &[]));
    let pass = world.pass().await;
    world.check(&pass, &[0, 1, 2, 3, 4, 5, 6], &[0, 1, 2, 3, 4, 5], true, &[]);
}

#[tokio::test(start_paused = true)]
async fn a_pass_ends_in_time_however_slow_the_device() {
    let silent: Vec<u16> = (0..50).map(|number| number * 2 + 1).collect();
    let mut world = world(90, MINUTE).await;
    world.server.become_(list(90, &silent));
    let began = Instant::now();
    let pass = world.pass().await;
    assert!(began.elapsed() <= MINUTE + Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(!pass.complete);
    let last = pass.faults.last().unwrap().message.clone();
    assert!(last.ends_with("]: not reached within 1m"), "{last}");
    let reached: Vec<u16> = world.server.take_addresses();
    let pass = world.pass().await;
    assert!(!pass.complete);
    let next = world.server.take_addresses()[0];
    assert_eq!(next, reached.last().unwrap() + 2, "the next pass starts at the first record not reached");
    world.server.was_treated_well();
}

#[tokio::test(start_paused = true)]
async fn a_slow_pipeline_allows_a_longer_pass() {
    let silent: Vec<u16> = (0..50).map(|number| number * 2 + 1).collect();
    let mut world = world(90, Duration::from_secs(600)).await;
    world.server.become_(list(90, &silent));
    let pass = world.pass().await;
    assert_eq!(pass.rows.num_rows(), 45, "every second record, in one pass of about 140 seconds");
}

#[tokio::test(start_paused = true)]
async fn the_last_complete_pass_tells_where_the_list_ends() {
    let mut world = world(3, MINUTE).await;
    let pass = world.pass().await;
    world.check(&pass, &[0, 1, 2, 3], &[0, 1, 2], true, &[]);
    world.server.become_(list(3, &[3]));
    let pass = world.pass().await;
    // The end itself did not answer: an error, but no record is missing, and none beyond is looked for.
    world.check(&pass, &[0, 1, 2, 3, 3], &[0, 1, 2], true, &["port[3]: timed out after 3s"]);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_list_is_believed_after_three_passes() {
    let mut world = world(4, MINUTE).await;
    let pass = world.pass().await;
    world.check(&pass, &[0, 1, 2, 3, 4], &[0, 1, 2, 3], true, &[]);
    world.server.become_(list(2, &[]));
    let doubt = [
        "port[2]: the list ended early: it had 4 records before, and a shorter one is accepted after three polls",
    ];
    for _ in 0..2 {
        let pass = world.pass().await;
        world.check(&pass, &[0, 1, 2, 3, 4], &[0, 1], false, &doubt);
    }
    for _ in 0..2 {
        let pass = world.pass().await;
        world.check(&pass, &[0, 1, 2], &[0, 1], true, &[]);
    }
    world.server.become_(list(5, &[]));
    let pass = world.pass().await;
    world.check(&pass, &[0, 1, 2, 3, 4, 5], &[0, 1, 2, 3, 4], true, &[]);
}

#[tokio::test(start_paused = true)]
async fn a_hole_in_the_list_does_not_hide_what_is_behind_it() {
    let mut world = world(4, MINUTE).await;
    world.pass().await;
    world.server.take_addresses();
    let whole = list(4, &[]);
    world
        .server
        .become_(move |asked| if asked.address == 2 { Reply::Data(vec![0; 4]) } else { whole(asked) });
    let pass = world.pass().await;
    let doubt = [
        "port[1]: the list ended early: it had 4 records before, and a shorter one is accepted after three polls",
    ];
    world.check(&pass, &[0, 1, 2, 3, 4], &[0, 2, 3], false, &doubt);
}

/// A list of so many records that ends as most devices do: there is nothing at the address behind it.
fn refusing(length: u16) -> impl Fn(Asked) -> Reply + Send + use<> {
    let whole = list(length, &[]);
    move |asked| if asked.address / 2 < length { whole(asked) } else { Reply::Exception(2) }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_ends_with_an_exception_is_heard_at_every_pass() {
    let server = Server::start(Duration::from_millis(50), refusing(5)).await;
    let device = DEVICE.replace(", until: {zero: mark}", "");
    let source = source(&format!("address: {}", server.address), &device, MINUTE).await;
    let mut world = World { server, source };
    for _ in 0..3 {
        let pass = world.pass().await;
        world.check(&pass, &[0, 1, 2, 3, 4, 5], &[0, 1, 2, 3, 4], true, &[]);
    }
    world.server.become_(|_| Reply::Exception(2));
    for _ in 0..3 {
        let error = world.source.next().await.unwrap_err().chain();
        assert!(error.ends_with("unit 1: the device answered exception 2: illegal data address"), "{error}");
    }
    world.server.take_addresses();
    world.server.become_(refusing(6));
    let pass = world.pass().await;
    world.check(&pass, &[0, 1, 2, 3, 4, 5, 6], &[0, 1, 2, 3, 4, 5], true, &[]);
}

#[tokio::test(start_paused = true)]
async fn records_that_are_refused_hide_none_behind_them() {
    let mut world = world(6, MINUTE).await;
    let whole = list(6, &[]);
    world.server.become_(move |asked| match asked.address / 2 {
        1..=3 => Reply::Exception(4),
        _ => whole(asked),
    });
    let faults = [1, 2, 3].map(|it| format!("port[{it}]: the device answered exception 4: device failure"));
    let faults = faults.each_ref().map(String::as_str);
    let pass = world.pass().await;
    world.check(&pass, &[0, 1, 2, 3, 4, 5, 6], &[0, 4, 5], false, &faults);
    world.server.become_(refusing(6));
    world.pass().await;
    world.server.take_addresses();
    let pass = world.pass().await;
    world.check(&pass, &[0, 1, 2, 3, 4, 5, 6], &[0, 1, 2, 3, 4, 5], true, &[]);
}

#[tokio::test(start_paused = true)]
async fn a_full_list_ends_without_an_end() {
    let mut world = world(200, MINUTE).await;
    let pass = world.pass().await;
    let all: Vec<u16> = (0..99).collect();
    world.check(&pass, &all, &all, true, &[]);
}
