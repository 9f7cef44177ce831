//! Every quirk has its cure: what a source or a device file says against it, or else a message that names it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use smiles_source_modbus::Modbus;
use smiles_source_simulator::{Framing, Quirk, Simulator};
use smiles_stage::{Clock, PlanContext, Registry, Source};
use smiles_testkit::{ManualClock, NoFiles, open_context};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::rig::{device, options, stock};

/// The runtime's time, which the tests pause.
#[derive(Debug)]
struct RuntimeClock(Instant);

#[async_trait]
impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.monotonic()).unwrap();
        "2026-06-21T11:00:00Z".parse::<Timestamp>().unwrap() + elapsed
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep_until(&self, deadline: Duration) {
        tokio::time::sleep_until(self.0 + deadline).await;
    }
}

/// What is to come of a device with a quirk.
enum Then {
    /// Every record of every pass, with these options.
    Whole(Value),
    /// Every record of every pass, where it strikes every third time.
    WholeInPart,
    /// A message with this word.
    Said(&'static str),
    /// The readings themselves are wrong: transforms deal with that.
    Measured,
}

fn then(quirk: &str) -> Then {
    let plain = || json!({});
    match quirk {
        "wrong_byte_count" | "surplus_data" => Then::Whole(plain()),
        "delay" | "dribble" => Then::Whole(plain()),
        "late" => Then::Whole(json!({"timeout": "4s"})),
        "next_id" => Then::Whole(plain()),
        "drops_when_busy" | "one_client" | "queue_clients" => Then::Whole(plain()),
        "slow_start" => Then::Whole(json!({"connect_delay": "6s"})),
        "impatient" => Then::Whole(plain()),
        "closes_after_answer" | "closes_idle" | "silent_idle" => Then::Whole(json!({"connection": "keep"})),
        "busy" => Then::Whole(plain()),
        "acknowledge" | "gateway_path" | "gateway_target" | "refuse_connect" => Then::WholeInPart,
        "wrong_transaction" => Then::Whole(json!({"tolerate": "wrong_transaction"})),
        "wrong_unit" => Then::Whole(json!({"tolerate": "wrong_unit"})),
        "echo" => Then::Whole(json!({"framing": "rtu"})),
        "bad_crc" => Then::Said("CRC"),
        "gateway" | "exception_code" => Then::Whole(plain()),
        "no_data" => Then::Said("nothing is mapped yet"),
        "silent" => Then::Said("timed out after 2s"),
        "exception" => Then::Said("exception 4: device failure"),
        "missing" => Then::Said("illegal data address"),
        "max_registers" => Then::Said("illegal data value"),
        "garbage" => Then::Said("not Modbus TCP"),
        "truncate" => Then::Said("closed the connection after"),
        "short" => Then::Said("bytes where 40 were asked"),
        "refuse" => Then::Said("the connection"),
        "glitch" | "spike" | "today_zero" | "uploads" | "restarts" | "link_losses" => Then::Measured,
        other => panic!("quirk `{other}` has no cure and no message: add them to docs/devices.md and here"),
    }
}

/// A source of the stock device with this quirk and these options; the device is served until the token is cancelled.
async fn source(quirk: &str, more: &Value) -> (Box<dyn Source>, CancellationToken) {
    let clock = Arc::new(RuntimeClock(Instant::now()));
    let simulator = Simulator::new(&device(), options(&[quirk]), clock).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let rtu = more["framing"] == "rtu";
    let (framing, scheme) = if rtu { (Framing::Rtu, "rtu+tcp") } else { (Framing::Tcp, "tcp") };
    tokio::spawn(simulator.serve_framed(listener, framing, stop.clone()));
    let mut stock = stock();
    if let Some(tolerance) = more["tolerate"].as_str() {
        stock["tolerate"].as_array_mut().unwrap().push(json!(tolerance));
    }
    let mut options = json!({"address": format!("{scheme}://{address}"), "timeout": "2s", "device": stock});
    for key in ["timeout", "connect_delay", "connection"] {
        if let Some(value) = more.get(key) {
            options[key] = value.clone();
        }
    }
    let registry = Registry::new().source::<Modbus>();
    let context = PlanContext { stage: "dtu", files: &NoFiles };
    let plan = registry.find_source("modbus").unwrap().plan(&options, context);
    let plan = plan.unwrap_or_else(|problems| panic!("{quirk}: {problems:?}"));
    let context = open_context(Path::new("."), Arc::new(ManualClock::new()));
    (plan.open(context).await.unwrap(), stop)
}

/// How many passes of so many heard every record without a fault, and all that was said.
async fn passes(source: &mut dyn Source, count: u32) -> (u32, String) {
    let (mut whole, mut said) = (0, String::new());
    for _ in 0..count {
        match source.next().await {
            Ok(pass) => {
                let pass = pass.unwrap();
                whole += u32::from(pass.complete && pass.faults.is_empty() && pass.rows.num_rows() == 6);
                pass.faults.iter().for_each(|fault| said.push_str(&fault.message));
            }
            Err(error) => said.push_str(&error.chain()),
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    (whole, said)
}

#[tokio::test(start_paused = true)]
async fn every_quirk_is_cured_or_said() {
    for (quirk, ..) in Quirk::all() {
        match then(quirk) {
            Then::Whole(more) => {
                let (mut source, stop) = source(quirk, &more).await;
                let (whole, said) = passes(source.as_mut(), 4).await;
                assert_eq!(whole, 4, "{quirk}: {said}");
                stop.cancel();
            }
            Then::WholeInPart => {
                let (mut source, stop) = source(&format!("{quirk}=1/3"), &json!({})).await;
                let (whole, said) = passes(source.as_mut(), 4).await;
                assert_eq!(whole, 4, "{quirk}: {said}");
                stop.cancel();
            }
            Then::Said(word) => {
                let more = if quirk == "bad_crc" { json!({"framing": "rtu"}) } else { json!({}) };
                let quirk = match quirk {
                    "missing" => "missing=0x1028",
                    "max_registers" => "max_registers=10",
                    quirk => quirk,
                };
                let (mut source, stop) = source(quirk, &more).await;
                let (_, said) = passes(source.as_mut(), 2).await;
                assert!(said.contains(word), "{quirk}: {said}");
                stop.cancel();
            }
            Then::Measured => {}
        }
    }
}
