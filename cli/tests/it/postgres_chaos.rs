//! PostgreSQL absent at the start, gone for half a minute, restarted at random while the bridge is killed: no value
//! twice, order kept, nothing missing that was fully served; polls go on, memory stays flat, the books balance.

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use smiles_testkit::postgres::{Database, Server};

use crate::bridge::{Bridge, PATIENCE, finish, now, pause};
use crate::sequence::{Device, PORTS, ascends, pipeline_into};

const KILLS: usize = 50;
const RESTARTS: usize = 20;
/// What was served this long before a kill must be stored.
const GRACE: Duration = Duration::from_secs(2);

/// The options of the store, for [`pipeline_into`].
pub(crate) fn store(database: &Database) -> String {
    let options = [
        ("host", "${DB_HOST}"),
        ("port", "${DB_PORT}"),
        ("database", "${DB_NAME}"),
        ("user", "${DB_USER}"),
        ("password", "${DB_PASSWORD}"),
    ];
    let lines: Vec<String> = options.iter().map(|(name, value)| format!("    {name}: {value}")).collect();
    assert!(!database.name.is_empty());
    format!("type: postgres\n{}", lines.join("\n"))
}

/// Starts a bridge on the pipeline of [`pipeline_into`].
pub(crate) fn bridge(database: &Database, folder: &Path, data: &str) -> Bridge {
    let variables = with_data(database, data);
    let borrowed: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    Bridge::start(&["run", "sequence.yaml"], &borrowed, folder)
}

pub(crate) fn with_data(database: &Database, data: &str) -> Vec<(String, String)> {
    let mut variables = database.variables();
    variables.push(("DATA_DIR".to_owned(), data.to_owned()));
    variables
}

/// What is stored: pass and port, in the order of insertion.
pub(crate) fn stored(database: &Database) -> Vec<(u32, u8)> {
    if database.rows("SELECT to_regclass('readings')") == ["-"] {
        return Vec::new();
    }
    let rows = database.rows("SELECT pass, port FROM readings ORDER BY n");
    let read = |row: &String| {
        let (pass, port) = row.split_once('|').expect("two cells");
        (pass.parse().expect("a number"), port.parse().expect("a number"))
    };
    rows.iter().map(read).collect()
}

/// The table, with a number that says in which order rows came.
pub(crate) fn table(database: &Database) {
    database.sql("CREATE TABLE readings (n bigserial, \"time\" timestamptz, port integer, pass bigint)");
}

/// Waits until pass `last` is stored.
pub(crate) fn catch_up(database: &Database, last: u32, bridge: &Bridge) {
    let deadline = now() + 2 * PATIENCE;
    while stored(database).last().is_none_or(|(pass, _)| *pass < last) {
        assert!(now() < deadline, "pass {last} is not stored:\n{}", bridge.log());
        pause();
    }
}

pub(crate) fn verify(database: &Database, folder: &Path, data: &str) {
    let variables = with_data(database, data);
    let borrowed: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    let verified = finish(&["journal", "verify", "sequence.yaml"], &borrowed, folder);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{said}{}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn a_server_that_is_absent_at_the_start_and_gone_for_half_a_minute_costs_nothing() {
    let mut server = Server::start(&[]);
    let database = server.database();
    table(&database);
    server.stop();
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    pipeline_into(&device, folder.path(), "50ms", &store(&database));
    let bridge = bridge(&database, folder.path(), "data");
    bridge.line(&["the sink cannot deliver"]);
    passes(&device, 20);
    server.run();
    catch_up(&database, device.asked(), &bridge);

    let memory = bridge.memory();
    let (asked, gone) = (device.asked(), now());
    server.stop();
    wait_until(gone + Duration::from_secs(30));
    let polled = device.asked() - asked;
    assert!(polled > 200, "polls did not go on: {polled} in 30 s");
    let grown = bridge.memory().saturating_sub(memory);
    assert!(grown < 16 << 10, "memory grew by {grown} KiB while the server was gone");
    server.run();
    catch_up(&database, device.asked(), &bridge);

    server.kill();
    passes(&device, 5);
    server.run();
    catch_up(&database, device.asked(), &bridge);
    let last = device.asked();
    let (status, _) = bridge.interrupt();
    assert!(status.success());
    let rows = stored(&database);
    ascends(&rows);
    for pass in 1..last {
        let ports = rows.iter().filter(|(stored, _)| *stored == pass).count();
        assert_eq!(ports, usize::from(PORTS), "pass {pass}");
    }
    verify(&database, folder.path(), "data");
}

/// Waits until the device was asked so many times more.
fn passes(device: &Device, more: u32) {
    let (until, deadline) = (device.asked() + more, now() + PATIENCE);
    while device.asked() < until {
        assert!(now() < deadline, "the device is not asked any more");
        pause();
    }
}

fn wait_until(deadline: Instant) {
    while now() < deadline {
        pause();
    }
}

#[test]
fn a_server_restarted_at_random_under_a_bridge_that_is_killed_stores_everything_once() {
    let mut server = Server::start(&[]);
    let database = server.database();
    table(&database);
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    pipeline_into(&device, folder.path(), "20ms", &store(&database));
    let (mut rng, mut owed) = (TestRng::deterministic_rng(RngAlgorithm::ChaCha), Vec::new());
    for life in 0..KILLS {
        let born = now();
        let bridge = bridge(&database, folder.path(), "data");
        // Some lives are long enough for the promise to bite; most die at the start, in a pass, in a commit.
        let life_ms = if life % 10 == 0 { 2500 } else { rng.next_u64() % 700 };
        if life % KILLS.div_ceil(RESTARTS) == 0 || life % 10 == 1 {
            wait_until(born + Duration::from_millis(rng.next_u64() % (life_ms + 1)));
            if rng.next_u64().is_multiple_of(2) {
                server.kill()
            } else {
                server.stop()
            }
            // The bridge dies while the server is away in every second of these lives.
            if life % 2 == 0 {
                server.run();
            }
        }
        wait_until(born + Duration::from_millis(life_ms));
        bridge.kill();
        owed.extend(now().checked_sub(GRACE).map_or(Vec::new(), |end| device.served_between(born, end)));
        if life % 2 == 1 {
            server.run_if_stopped();
        }
    }
    assert!(owed.len() > 50, "the device was asked for {} passes only", owed.len());
    let last = device.asked();
    let bridge = bridge(&database, folder.path(), "data");
    catch_up(&database, last + 3, &bridge);
    let (status, _) = bridge.interrupt();
    assert!(status.success());
    let rows = stored(&database);
    ascends(&rows);
    for pass in owed {
        let ports = rows.iter().filter(|(stored, _)| *stored == pass).count();
        assert_eq!(ports, usize::from(PORTS), "pass {pass} was fully served before a kill");
    }
    verify(&database, folder.path(), "data");
}
