//! Ctrl-C on a command that waits for something which never answers: the first stops it, the second at the latest at once.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::bridge::{PATIENCE, now, pause, smiles};
use crate::container::as_root;

/// A database that takes connections and never answers: its port, and a word per connection that has asked something.
fn silent() -> (u16, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, heard) = channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let began = stream.read_exact(&mut [0; 8]).is_ok();
            open.push(stream);
            if began && asked.send(()).is_err() {
                return;
            }
        }
    });
    (port, heard)
}

/// A folder in which every command finds what it needs.
fn folder(port: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rows = "serial_number,first_seen,last_seen\nA1,2025-06-21,2025-06-22T00:00:00Z\n";
    std::fs::write(folder.path().join("rows.csv"), rows).unwrap();
    let pipeline = format!(
        "pipeline: p\nsources: {{a: {{type: synthetic, every: 50ms, rows: 1, columns: {{id: {{type: int, pattern: sequence}}}}}}}}\n\
         sinks: {{s: {{type: postgres, host: 127.0.0.1, port: {port}, database: d, user: u, password: p, sslmode: disable, \
         connect_timeout: 60s, tables: {{t: {{columns: {{id: id}}}}}}}}}}\n"
    );
    std::fs::write(folder.path().join("p.yaml"), &pipeline).unwrap();
    std::fs::write(folder.path().join("renamed.yaml"), pipeline.replace("{s: {", "{r: {")).unwrap();
    folder
}

/// Signals it until it has ended; how many signals that took, and the exit code.
fn interrupted(arguments: &[&str], place: &Path, database: (&str, &Receiver<()>)) -> (usize, Option<i32>) {
    let (port, asked) = database;
    let variables = [
        ("DB_HOST", "127.0.0.1"),
        ("DB_PORT", port),
        ("DB_USER", "u"),
        ("DB_PASSWORD", "p"),
        ("DTU_HOST", "127.0.0.1"),
    ];
    while asked.try_recv().is_ok() {}
    let mut child = smiles(arguments, &variables)
        .current_dir(place)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    asked.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{arguments:?} asks nobody"));
    let id = child.id().to_string();
    for signals in 1..=2 {
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        // Long before the patience with a database is over.
        let deadline = now() + Duration::from_secs(3);
        while now() < deadline {
            if let Some(status) = child.try_wait().unwrap() {
                return (signals, status.code());
            }
            pause();
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("{arguments:?} does not end");
}

#[test]
fn a_command_that_waits_for_a_hung_database_ends_with_the_second_signal_at_the_latest() {
    let (port, asked) = silent();
    let port = port.to_string();
    let folder = folder(&port);
    let address = format!("postgres://u:p@127.0.0.1:{port}/d");
    let url = format!("http://127.0.0.1:{port}/ready");
    let rows: [(&[&str], usize, i32); 10] = [
        // Its journal is what others ask the target about.
        (&["run", "p.yaml"], 1, 0),
        // Not all that was read is delivered.
        (&["run", "--once", "p.yaml"], 1, 1),
        (&["journal", "verify", "p.yaml"], 1, 130),
        (&["journal", "rename-sink", "s", "r", "renamed.yaml"], 1, 130),
        (&["migrate"], 1, 130),
        (&["migrate", "--dry-run"], 1, 130),
        (&["import", &address], 1, 130),
        (&["import", "--in-place"], 1, 130),
        // It could be at a piece, which is finished first.
        (&["import", "rows.csv", "--table", "inverters"], 2, 130),
        (&["health", "--url", &url], 1, 130),
    ];
    for (arguments, signals, code) in rows {
        let ended = interrupted(arguments, folder.path(), (&port, &asked));
        assert_eq!(ended, (signals, Some(code)), "{arguments:?}");
    }
}

/// No signal ends the first process of a container by itself.
#[test]
fn as_the_first_process_of_a_container_a_command_ends_too() {
    let (port, asked) = silent();
    let port = port.to_string();
    let mut above = as_root("unshare")
        .args([
            "--pid",
            "--fork",
            "--kill-child",
            "env",
            "DB_HOST=127.0.0.1",
            "DTU_HOST=127.0.0.1",
            "DB_USER=u",
        ])
        .args([&format!("DB_PORT={port}"), env!("CARGO_BIN_EXE_smiles"), "migrate"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    asked.recv_timeout(PATIENCE).expect("the database is asked");
    // Perhaps below `sudo`.
    let mut first = above.id().to_string();
    while let Some(child) = child_of(&first) {
        first = child;
    }
    assert!(as_root("kill").args(["-INT", &first]).status().unwrap().success());
    let deadline = now() + Duration::from_secs(3);
    let status = loop {
        match above.try_wait().unwrap() {
            None if now() < deadline => pause(),
            status => break status,
        }
    };
    // Also where the test fails.
    _ = above.kill();
    assert_eq!(status.and_then(|status| status.code()), Some(130));
}

fn child_of(process: &str) -> Option<String> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next().map(str::to_owned)
}
