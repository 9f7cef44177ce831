//! What `/health` says of a PostgreSQL in trouble: stopped, with a table that is wrong, with a row it refuses, restored
//! from an older dump; and that it stops saying so once the trouble is over.

use std::fs;

use serde_json::Value;
use smiles_testkit::postgres::Server;

use crate::bridge::{Bridge, PATIENCE, now, pause};
use crate::postgres_chaos::{bridge, catch_up, store, stored, table, verify};
use crate::postgres_watermarks::{World, say};
use crate::sequence::{Device, PORTS, pipeline_into};

/// Adds the API to the pipeline of a folder, and says what its journal is like.
fn with_api(folder: &std::path::Path, journal: &str) {
    let path = folder.join("sequence.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let api = "sinks:\n  api: {type: http_api, listen: '127.0.0.1:0'}\n";
    let text = text.replace("sinks:\n", api).replace("sources:\n", &format!("{journal}sources:\n"));
    fs::write(path, text).unwrap();
}

fn number(health: &Value, name: &str) -> u64 {
    health["sinks"]["store"][name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {health:#}"))
}

/// The warnings, without how full the journal is: a small one is that at any time.
fn warnings(health: &Value) -> Vec<&str> {
    let all = health["warnings"].as_array().expect("a list").iter().filter_map(Value::as_str);
    all.filter(|text| !text.starts_with("the journal is over ")).collect()
}

/// There is one warning, and it has these words.
fn warns(health: &Value, words: &[&str]) -> bool {
    matches!(warnings(health).as_slice(), [one] if words.iter().all(|word| one.contains(word)))
}

/// Readings arrive, and there is nothing to say.
fn is_well(health: &Value) -> bool {
    health["sinks"]["store"]["state"] == "delivering" && warnings(health).is_empty()
}

/// Waits until all that was accepted by now is stored, and nothing is said any more.
fn recovers(bridge: &Bridge) {
    let accepted = number(&bridge.json("/health"), "accepted");
    bridge.eventually("/health", |health| is_well(health) && number(health, "delivered") >= accepted);
}

#[test]
fn a_server_that_is_stopped_is_a_warning_until_it_is_back() {
    let mut server = Server::start(&[]);
    let database = server.database();
    table(&database);
    let (folder, device) = (tempfile::tempdir().unwrap(), Device::start());
    pipeline_into(&device, folder.path(), "50ms", &store(&database));
    with_api(folder.path(), "");
    let bridge = bridge(&database, folder.path(), "data");
    bridge.eventually("/health", |health| is_well(health) && number(health, "delivered") > 0);

    server.stop();
    let down = bridge.eventually("/health", |health| {
        health["sinks"]["store"]["state"] == "retrying" && number(health, "waiting") > 0
    });
    let said = ["`store` cannot deliver, and is retried: ", &format!(":{}", database.port)];
    assert!(warns(&down, &said), "{down:#}");
    assert_eq!(down["sinks"]["store"]["last_error_time"].as_str().map(str::len), Some(32), "{down:#}");
    assert_eq!(down["healthy"], true, "{down:#}");
    assert_eq!(
        (bridge.get("/health").0, bridge.get("/ready").0),
        (200, 200),
        "the readings are kept: {down:#}"
    );
    // What was delivered last is counted with the batch that comes next.
    let after =
        |waiting: u64| bridge.eventually("/health", |health| number(health, "waiting") > waiting + 10);
    let sooner = after(number(&down, "waiting"));
    let later = after(number(&sooner, "waiting"));
    let delivered = |health: &Value| number(health, "delivered");
    assert_eq!(delivered(&later), delivered(&sooner), "nothing is taken for delivered: {later:#}");

    server.run();
    recovers(&bridge);
    assert!(bridge.interrupt().0.success());
    verify(&database, folder.path(), "data");
}

#[test]
fn a_wrong_table_and_a_refused_row_are_warnings_until_they_are_repaired() {
    let world = World::new();
    with_api(world.folder.path(), "");
    let bridge = world.bridge("data");
    recovers(&bridge);

    world.database.sql("ALTER TABLE readings RENAME COLUMN pass TO passed");
    let halted = bridge.eventually("/health", |health| health["sinks"]["store"]["state"] == "halted");
    assert!(warns(&halted, &["`store` is halted until its cause is fixed: ", "pass"]), "{halted:#}");
    bridge.eventually("/health", |health| number(health, "waiting") > 10);
    world.database.sql("ALTER TABLE readings RENAME COLUMN passed TO pass");
    // What needs a person is tried every five minutes only; a person who has repaired it need not wait for that.
    bridge.signal("-HUP");
    catch_up(&world.database, world.device.asked(), &bridge);
    // The API took another free port with the reload: a new log tells which.
    assert!(bridge.interrupt().0.success());
    let bridge = world.bridge("data");
    recovers(&bridge);

    let whim = "CHECK (NOT (port = 2 AND pass % 10 = 0)) NOT VALID";
    world.database.sql(&format!("ALTER TABLE readings ADD CONSTRAINT whim {whim}"));
    let aside = bridge.eventually("/health", |health| number(health, "dead_lettered") > 0);
    let rows = number(&aside, "dead_lettered");
    let said =
        [&format!("{rows} rows of `store` are dead letters"), "`smiles journal dead-letter list` says why"];
    assert!(warns(&aside, &said), "{aside:#}");
    world.database.sql("ALTER TABLE readings DROP CONSTRAINT whim");
    let (code, said) = say(&world, &["journal", "dead-letter", "replay", "--file", "sequence.yaml"]);
    assert_eq!(code, Some(0), "{said}");
    recovers(&bridge);
    assert!(bridge.interrupt().0.success());
    verify(&world.database, world.folder.path(), "data");
}

#[test]
fn a_restored_dump_older_than_the_journal_is_a_loss_until_it_is_acknowledged() {
    let world = World::new();
    with_api(world.folder.path(), "journal: {max_size: 256KiB}\n");
    let first = world.bridge("data");
    catch_up(&world.database, 5, &first);
    assert!(first.interrupt().0.success());
    let dump = world.dump();
    let kept = stored(&world.database).len();

    let bridge = world.bridge("data");
    let deadline = now() + PATIENCE;
    // Until the journal no longer has what came right behind the dump: room for new batches is made of delivered ones.
    while batches(&world) + 20 > stored(&world.database).len() / usize::from(PORTS) {
        assert!(now() < deadline, "nothing was deleted:\n{}", bridge.log());
        pause();
    }
    assert!(bridge.interrupt().0.success());
    let before = stored(&world.database);
    world.database.sql(&dump);
    assert_eq!(stored(&world.database).len(), kept, "the dump is older");

    let bridge = world.bridge("data");
    let lost = bridge.eventually("/health", |health| number(health, "lost") > 0);
    let rows = number(&lost, "lost");
    let said = [&format!("`store` lost {rows} rows ("), "`smiles journal ack` acknowledges it"];
    assert!(warns(&lost, &said), "{lost:#}");
    assert_eq!(bridge.get("/health").0, 200);
    catch_up(&world.database, world.device.asked(), &bridge);
    let after = stored(&world.database);
    let missing = before.iter().filter(|row| !after.contains(row)).count();
    assert_eq!(missing as u64, rows, "the warning has the number of rows that are gone");
    let (code, said) = say(&world, &["journal", "ack"]);
    assert!(code == Some(0) && said.contains("acknowledged 1 loss\n"), "{said}");
    let well = bridge.eventually("/health", is_well);
    assert_eq!(number(&well, "lost"), rows, "the books keep it: {well:#}");
    assert!(bridge.interrupt().0.success());
    verify(&world.database, world.folder.path(), "data");
}

/// Batches in the journal.
fn batches(world: &World) -> usize {
    let (code, said) = say(world, &["journal", "status", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let status: Value = serde_json::from_str(&said).unwrap();
    usize::try_from(status["batches"].as_u64().unwrap()).unwrap()
}
