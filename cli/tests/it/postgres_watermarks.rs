//! The target's word wins: journals rolled back, copied and lost, databases restored from an older dump.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use smiles_testkit::postgres::{Database, PASSWORD, Server, USER, binary};

use crate::bridge::{Bridge, finish};
use crate::postgres_chaos::{bridge, catch_up, store, stored, table, verify, with_data};
use crate::sequence::{Device, PORTS, ascends, pipeline_into};

pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) device: Device,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self {
            database: Server::shared().database(),
            folder: tempfile::tempdir().unwrap(),
            device: Device::start(),
        };
        table(&world.database);
        pipeline_into(&world.device, world.folder.path(), "20ms", &store(&world.database));
        world
    }

    pub(crate) fn bridge(&self, data: &str) -> Bridge {
        bridge(&self.database, self.folder.path(), data)
    }

    /// Runs until so many more passes are stored, then ends.
    fn live(&self, data: &str, passes: u32) {
        let bridge = self.bridge(data);
        catch_up(&self.database, self.device.asked() + passes, &bridge);
        let (status, _) = bridge.interrupt();
        assert!(status.success());
    }

    fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.folder.path().join(from), self.folder.path().join(to));
        let _ = fs::remove_dir_all(&to);
        fs::create_dir(&to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }

    /// Nothing twice and, per process, in order.
    fn each_once(&self) -> Vec<(u32, u8)> {
        let mut rows = stored(&self.database);
        rows.sort_unstable();
        ascends(&rows);
        rows
    }

    pub(crate) fn dump(&self) -> String {
        let dumped = self.client("pg_dump").args(["--clean", "--if-exists"]).output().unwrap();
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        // What newer tools write for newer tools.
        let text = String::from_utf8(dumped.stdout).unwrap();
        text.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n")
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(binary(program));
        command.env("PGPASSWORD", PASSWORD).stdin(Stdio::null());
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.database.port.to_string(),
            "-U",
            USER,
            "-d",
            &self.database.name,
        ]);
        command
    }
}

#[test]
fn a_journal_rolled_back_to_an_older_copy_stores_nothing_twice_and_goes_on() {
    let world = World::new();
    world.live("data", 10);
    world.copy("data", "older");
    world.live("data", 10);
    let before = world.each_once();
    world.copy("older", "data");
    world.live("data", 10);
    let rows = stored(&world.database);
    ascends(&rows);
    assert_eq!(rows[..before.len()], before, "what was there stays");
    verify(&world.database, world.folder.path(), "data");
}

#[test]
fn a_database_restored_from_an_older_dump_gets_again_what_is_retained() {
    let world = World::new();
    world.live("data", 10);
    let dump = world.dump();
    world.live("data", 10);
    let before = world.each_once();
    world.database.sql(&dump);
    assert!(stored(&world.database).len() < before.len());
    let bridge = world.bridge("data");
    bridge.line(&["the target lost batches"]);
    catch_up(&world.database, world.device.asked() + 3, &bridge);
    bridge.interrupt();
    let rows = stored(&world.database);
    ascends(&rows);
    assert_eq!(rows[..before.len()], before, "the journal still had all of it");
    verify(&world.database, world.folder.path(), "data");
}

#[test]
fn a_new_journal_on_an_old_database_goes_on_and_stores_nothing_twice() {
    let world = World::new();
    world.live("data", 10);
    let before = world.each_once();
    fs::remove_dir_all(world.folder.path().join("data")).unwrap();
    world.live("data", 10);
    let rows = stored(&world.database);
    ascends(&rows);
    assert_eq!(rows[..before.len()], before);
    assert_eq!(
        world.database.rows("SELECT count(*) > 1 FROM smiles_watermarks"),
        ["t"],
        "each run has its own"
    );
}

#[test]
fn two_processes_on_copies_of_one_journal_store_what_waits_once() {
    let world = World::new();
    world.live("data", 5);
    // Readings that wait: nobody gets in.
    let limit = |limit: i32| {
        let name = &world.database.name;
        Server::shared().admin(&format!("ALTER DATABASE {name} CONNECTION LIMIT {limit}"));
    };
    limit(0);
    let waiting = world.bridge("data");
    waiting.line(&["the sink cannot deliver"]);
    let until = world.device.asked() + 20;
    while world.device.asked() < until {
        crate::bridge::pause();
    }
    waiting.kill();
    world.copy("data", "copy");
    limit(-1);
    let (one, two) = (world.bridge("data"), world.bridge("copy"));
    catch_up(&world.database, world.device.asked() + 10, &one);
    catch_up(&world.database, world.device.asked() + 10, &two);
    one.interrupt();
    two.interrupt();
    let rows = world.each_once();
    for pass in until - 15..until {
        assert_eq!(
            rows.iter().filter(|(stored, _)| *stored == pass).count(),
            usize::from(PORTS),
            "pass {pass}"
        );
    }
    for data in ["data", "copy"] {
        verify(&world.database, world.folder.path(), data);
    }
}

#[test]
fn another_database_behind_the_same_name_gets_what_is_retained() {
    let world = World::new();
    world.live("data", 10);
    let before = world.each_once();
    world.database.sql("DROP TABLE readings, smiles_target, smiles_watermarks");
    table(&world.database);
    let bridge = world.bridge("data");
    bridge.line(&["a new target"]);
    catch_up(&world.database, world.device.asked() + 3, &bridge);
    bridge.interrupt();
    assert_eq!(stored(&world.database)[..before.len()], before);
    assert_eq!(bridge_losses(&world.database, world.folder.path()), 0, "nothing is booked as lost");
}

/// What an operator says, and the exit code.
pub(crate) fn say(world: &World, args: &[&str]) -> (Option<i32>, String) {
    let variables = with_data(&world.database, "data");
    let borrowed: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    let done = finish(args, &borrowed, world.folder.path());
    (done.status.code(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
}

#[test]
fn a_renamed_sink_goes_on_where_it_was() {
    let world = World::new();
    world.live("data", 10);
    let file = world.folder.path().join("sequence.yaml");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("  store:\n", "  archive:\n")).unwrap();
    assert!(say(&world, &["check", "sequence.yaml"]).1.contains("journal rename-sink store archive"));
    for _ in 0..2 {
        let (code, said) = say(&world, &["journal", "rename-sink", "store", "archive", "sequence.yaml"]);
        assert_eq!(code, Some(0), "{said}");
    }
    world.live("data", 10);
    ascends(&stored(&world.database));
    assert_eq!(world.database.rows("SELECT DISTINCT sink FROM smiles_watermarks"), ["archive"]);
    verify(&world.database, world.folder.path(), "data");
}

#[test]
fn a_refused_row_is_set_aside_alone_and_replayed_after_the_repair() {
    let world = World::new();
    // A rule of the user's own: port 2 of every third pass is not welcome.
    world.database.sql("ALTER TABLE readings ADD CONSTRAINT whim CHECK (NOT (port = 2 AND pass % 3 = 0))");
    world.live("data", 12);
    let before = stored(&world.database);
    ascends(&before);
    let last = before.last().unwrap().0;
    let expected = |refused: bool| {
        let all = (1..=last).flat_map(|pass| (1..=PORTS).map(move |port| (pass, port)));
        let kept = all.filter(|(pass, port)| refused || !(*port == 2 && pass % 3 == 0));
        kept.collect::<Vec<_>>()
    };
    let complete =
        |rows: &[(u32, u8)]| rows.iter().copied().filter(|(pass, _)| *pass <= last).collect::<Vec<_>>();
    assert_eq!(complete(&before), expected(false), "only the refused rows are missing");
    let (code, said) = say(&world, &["journal", "dead-letter", "list"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("23514") && said.contains("whim"), "{said}");
    let (_, said) = say(&world, &["journal", "dead-letter", "replay", "--file", "sequence.yaml"]);
    assert_eq!(stored(&world.database), before, "still refused: {said}");
    world.database.sql("ALTER TABLE readings DROP CONSTRAINT whim");
    let (code, said) = say(&world, &["journal", "dead-letter", "replay", "--file", "sequence.yaml"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(complete(&world.each_once()), expected(true));
    verify(&world.database, world.folder.path(), "data");
}

fn bridge_losses(database: &Database, folder: &Path) -> usize {
    let variables = with_data(database, "data");
    let borrowed: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    let status = finish(&["journal", "status", "--json"], &borrowed, folder);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    status["losses"].as_array().map_or(0, Vec::len)
}
