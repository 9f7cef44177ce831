//! What befalls every server: each has a clear message and an action, and afterwards everything is stored, once.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde_json::{Value, json};
use smiles_stage::{Action, Seq, Sink, StageError};
use smiles_testkit::postgres::{PASSWORD, Server};

use crate::fixture::{Fixture, RUN, batch};

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]))
}

fn tables() -> Value {
    json!({ "readings": { "columns": { "id": "id" } } })
}

/// On a server of its own or the shared one.
fn fixture(server: &Server) -> Fixture {
    Fixture::on(server.database(), tables(), input())
        .with_migration("001_readings.sql", "CREATE TABLE readings (n bigserial, id integer)")
}

fn ids(ids: std::ops::Range<i64>) -> RecordBatch {
    RecordBatch::try_new(input(), vec![Arc::new(ids.collect::<Int64Array>())]).unwrap()
}

async fn send(sink: &mut dyn Sink, seq: u64, records: &RecordBatch) -> Result<(), StageError> {
    sink.write(&batch(seq, records)).await?;
    sink.flush().await.map(drop)
}

#[track_caller]
fn says(error: &StageError, halts: bool, words: &str) {
    assert_eq!(*error.action() == Action::Halt, halts, "{}", error.chain());
    assert!(matches!(error.action(), Action::Halt | Action::Retry { .. }), "{}", error.chain());
    assert!(error.chain().contains(words), "`{words}` is not in: {}", error.chain());
    assert!(!error.chain().contains(PASSWORD), "the password was printed: {}", error.chain());
}

/// Asks, and delivers batch `seq` if it is not there.
async fn recover(sink: &mut dyn Sink, seq: u64, records: &RecordBatch) {
    let reached = sink.watermark(RUN).await.unwrap_or_else(|error| panic!("{}", error.chain())).unwrap().seq;
    if reached < Seq(seq) {
        send(sink, seq, records).await.unwrap_or_else(|error| panic!("{}", error.chain()));
    }
}

fn stored(fixture: &Fixture) -> Vec<String> {
    fixture.rows("SELECT count(*), count(DISTINCT id) FROM readings")
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for() {
    let mut server = Server::start(&[]);
    let fixture = fixture(&server);
    server.stop();
    let mut sink = fixture.open().await.sink;
    says(&sink.watermark(RUN).await.unwrap_err(), false, "cannot reach PostgreSQL 127.0.0.1:");
    server.run();
    recover(sink.as_mut(), 1, &ids(0..3)).await;
    server.kill();
    says(&send(sink.as_mut(), 2, &ids(3..6)).await.unwrap_err(), false, "PostgreSQL 127.0.0.1:");
    server.run();
    recover(sink.as_mut(), 2, &ids(3..6)).await;
    assert_eq!(stored(&fixture), ["6|6"]);
}

#[tokio::test]
async fn a_session_killed_in_the_middle_of_a_copy_stores_nothing_or_all() {
    let server = Server::shared();
    let fixture = fixture(server);
    let mut sink = fixture.connected().await;
    // The rows come slowly enough to be caught in the middle.
    fixture.database.sql(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN IF new.id % 100 = 50 THEN PERFORM pg_sleep(0.05); END IF; RETURN new; END $$;
         CREATE TRIGGER slow BEFORE INSERT ON readings FOR EACH ROW EXECUTE FUNCTION wait()",
    );
    let writing = tokio::spawn(async move {
        let sent = send(sink.as_mut(), 1, &ids(0..2_000)).await;
        (sink, sent)
    });
    let kill = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = '{}' AND query LIKE 'COPY%' AND state = 'active'",
        fixture.database.name
    );
    smiles_testkit::eventually(Duration::from_secs(20), || server.admin(&kill).trim() == "1").await;
    let (mut sink, sent) = writing.await.unwrap();
    says(&sent.unwrap_err(), false, "PostgreSQL 127.0.0.1:");
    assert_eq!(stored(&fixture), ["0|0"]);
    fixture.database.sql("DROP TRIGGER slow ON readings");
    recover(sink.as_mut(), 1, &ids(0..2_000)).await;
    assert_eq!(stored(&fixture), ["2000|2000"]);
}

#[tokio::test]
async fn a_connection_limit_a_lock_and_a_standby_are_retried_with_a_word_for_each() {
    let server = Server::shared();
    let fixture = fixture(server);
    let mut sink = fixture.connected().await;
    let name = &fixture.database.name;
    // Another session holds the table.
    let lock = fixture.database.clone();
    let (locked, is_locked) = std::sync::mpsc::channel();
    let holder = std::thread::spawn(move || {
        locked.send(()).unwrap();
        lock.sql("BEGIN; LOCK TABLE readings; SELECT pg_sleep(1.5); COMMIT");
    });
    is_locked.recv().unwrap();
    let held = "SELECT count(*) FROM pg_locks WHERE relation = 'readings'::regclass AND mode = 'AccessExclusiveLock'";
    smiles_testkit::eventually(Duration::from_secs(10), || fixture.rows(held) == ["1"]).await;
    says(&send(sink.as_mut(), 1, &ids(0..3)).await.unwrap_err(), false, "another session holds a lock");
    holder.join().unwrap();
    recover(sink.as_mut(), 1, &ids(0..3)).await;
    // No more connections.
    server.admin(&format!("ALTER DATABASE {name} CONNECTION LIMIT 0"));
    let mut late = fixture.open().await.sink;
    says(&late.watermark(RUN).await.unwrap_err(), false, "has no connection left");
    server.admin(&format!("ALTER DATABASE {name} CONNECTION LIMIT -1"));
    // A standby, as far as a session can tell.
    server.admin(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    let mut reader = fixture.open().await.sink;
    reader.watermark(RUN).await.unwrap();
    says(&send(reader.as_mut(), 2, &ids(3..6)).await.unwrap_err(), false, "is read-only");
    server.admin(&format!("ALTER DATABASE {name} RESET default_transaction_read_only"));
    recover(reader.as_mut(), 2, &ids(3..6)).await;
    assert_eq!(stored(&fixture), ["6|6"]);
}

#[tokio::test]
async fn a_password_that_changed_halts_and_a_file_is_read_anew() {
    let server = Server::start(&[]);
    let mut fixture = fixture(&server);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    fixture.options["password"] = json!("");
    fixture.options["password_file"] = json!(file);
    let mut sink = fixture.connected().await;
    send(sink.as_mut(), 1, &ids(0..3)).await.unwrap();
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
        fixture.database.name
    );
    server.admin(&format!("ALTER ROLE smiles PASSWORD 'another'; {end}"));
    let error = match send(sink.as_mut(), 2, &ids(3..6)).await {
        Err(_) => sink.watermark(RUN).await.unwrap_err(),
        Ok(()) => panic!("the session was ended"),
    };
    says(&error, true, "does not let `smiles` in");
    std::fs::write(&file, "another\n").unwrap();
    recover(sink.as_mut(), 2, &ids(3..6)).await;
    // A password file of PostgreSQL's own form.
    let passfile = folder.path().join("pgpass");
    std::fs::write(&passfile, "127.0.0.1:*:*:smiles:another\n").unwrap();
    fixture.options["password_file"] = json!("");
    fixture.options["passfile"] = json!(passfile);
    let mut other = fixture.connected().await;
    recover(other.as_mut(), 3, &ids(6..9)).await;
    server.admin("ALTER ROLE smiles PASSWORD 'it''s a \\ secret'");
    assert_eq!(stored(&fixture), ["9|9"]);
    fixture.options["passfile"] = json!(folder.path().join("nothing"));
    says(&fixture.open().await.sink.watermark(RUN).await.unwrap_err(), true, "cannot read the password file");
    std::fs::write(&passfile, "other.host:*:*:*:x\n").unwrap();
    fixture.options["passfile"] = json!(passfile);
    says(
        &fixture.open().await.sink.watermark(RUN).await.unwrap_err(),
        true,
        "asks for a password of `smiles`",
    );
}

#[tokio::test]
async fn a_database_and_a_role_that_are_not_there_halt() {
    let mut fixture = fixture(Server::shared());
    fixture.options["database"] = json!("nowhere");
    says(&fixture.open().await.sink.watermark(RUN).await.unwrap_err(), true, "there is no such database");
    fixture.options["user"] = json!("nobody");
    says(&fixture.open().await.sink.watermark(RUN).await.unwrap_err(), true, "does not let `nobody` in");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut fixture = fixture(Server::shared());
    fixture.options["port"] = json!(listener.local_addr().unwrap().port());
    fixture.options["connect_timeout"] = json!("200ms");
    says(&fixture.open().await.sink.watermark(RUN).await.unwrap_err(), false, "did not answer within 200ms");
}

#[tokio::test]
async fn a_full_disk_is_retried_and_room_is_all_it_needs() {
    // A disk of its own takes root; where a test has not got it, the kernel's own word is not to be had.
    if smiles_testkit::postgres::unprivileged().is_none() {
        eprintln!("not run: only root can mount a small disk");
        return;
    }
    let server = Server::start(&[]);
    let disk = Disk::mount(&server);
    let fixture = fixture(&server);
    let mut sink = fixture.connected().await;
    server.admin(&format!(
        "CREATE TABLESPACE small LOCATION '{}'; GRANT CREATE ON TABLESPACE small TO smiles",
        disk.0.display()
    ));
    fixture.database.sql("ALTER TABLE readings SET TABLESPACE small; CREATE TABLE ballast TABLESPACE small AS SELECT repeat('x', 900) FROM generate_series(1, 6000)");
    let many = ids(0..100_000);
    says(&send(sink.as_mut(), 1, &many).await.unwrap_err(), false, "no space left on the disk");
    fixture.database.sql("DROP TABLE ballast");
    server.admin("CHECKPOINT");
    recover(sink.as_mut(), 1, &many).await;
    assert_eq!(stored(&fixture), ["100000|100000"]);
}

/// A disk of eight megabytes.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(server: &Server) -> Self {
        let path = server.folder().join("small");
        std::fs::create_dir(&path).unwrap();
        let (user, group) = smiles_testkit::postgres::unprivileged().unwrap();
        let options = format!("size=8m,uid={user},gid={group},mode=0700");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&path)
            .status();
        assert!(mounted.unwrap().success(), "a small disk can be mounted");
        Self(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the server may still have files there.
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
