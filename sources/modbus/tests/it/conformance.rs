//! What every source must do, and that the scripted device notices when it is treated badly.

use std::time::Duration;

use async_trait::async_trait;
use smiles_stage::{OpenContext, Pass, SourcePlan};
use smiles_testkit::source_conformance::{self, Subject};
use smiles_testkit::{ManualClock, open_context};

use crate::harness::{column, plan, source};
use crate::server::{Asked, Reply, Server};

const DEVICE: &str = "
blocks:
  dtu: {address: 500, count: 1, once: true, fields: {dtu: {at: 0, type: u16}}}
  port:
    address: 0
    count: 1
    repeat: {stride: 1, max: 9, until: {zero: number}}
    fields: {number: {at: 0, type: u8, kind: state}, value: {at: 1, type: u8, unit: 0.1 V, kind: gauge}}
";

fn device(asked: Asked) -> Reply {
    match u8::try_from(asked.address) {
        Ok(number) if number < 4 => Reply::Data(vec![number + 1, 7]),
        Ok(_) => Reply::Data(vec![0, 0]),
        Err(_) => Reply::Data(vec![0, 9]),
    }
}

struct World {
    server: Server,
    plan: Box<dyn SourcePlan>,
    folder: tempfile::TempDir,
}

#[async_trait]
impl Subject for World {
    fn plan(&self) -> &dyn SourcePlan {
        self.plan.as_ref()
    }

    fn context(&self) -> OpenContext {
        open_context(self.folder.path(), std::sync::Arc::new(ManualClock::default()))
    }

    async fn set_reachable(&self, reachable: bool) -> bool {
        if reachable {
            self.server.become_(device);
        } else {
            self.server.become_(|_| Reply::Silence);
        }
        true
    }

    fn names(&self, pass: &Pass) -> Vec<String> {
        column(&pass.rows, "number")
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_what_every_source_must() {
    source_conformance::all(async || {
        let server = Server::start(Duration::from_millis(50), device).await;
        let plan =
            plan(&format!("address: {}", server.address), DEVICE).unwrap_or_else(|error| panic!("{error:?}"));
        World { server, plan, folder: tempfile::tempdir().unwrap() }
    })
    .await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "after an answer")]
async fn a_device_asked_too_fast_complains() {
    let server = Server::start(Duration::from_millis(51), device).await;
    let options = format!("address: {}\nmin_delay: 50ms", server.address);
    source(&options, DEVICE, Duration::from_secs(60)).await.next().await.unwrap();
    server.was_treated_well();
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "2 connections at once")]
async fn a_device_with_two_callers_complains() {
    let server = Server::start(Duration::ZERO, device).await;
    let mut first = source(&format!("address: {}", server.address), DEVICE, Duration::from_secs(60)).await;
    let _stranger =
        tokio::net::TcpStream::connect(server.address.trim_start_matches("tcp://")).await.unwrap();
    first.next().await.unwrap();
    server.was_treated_well();
}
