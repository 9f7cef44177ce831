//! Ctrl-C on a command that waits for something which never answers: the first stops it, the second at the latest at once.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::bridge::{PATIENCE, now, pause, smiles};

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

/// Signals it until it has ended; how many it took, and the exit code or the signal.
fn interrupted(arguments: &[&str], variables: &[(&str, &str)]) -> (usize, i32) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("rows.csv"),
        "serial_number,first_seen,last_seen\nA1,2025-06-21,2025-06-22T00:00:00Z\n",
    )
    .unwrap();
    let (port, heard) = silent();
    let port = port.to_string();
    let database =
        [("DB_HOST", "127.0.0.1"), ("DB_USER", "u"), ("DB_PASSWORD", "p"), ("DTU_HOST", "127.0.0.1")];
    let variables = [&database[..], variables, &[("DB_PORT", port.as_str())]].concat();
    let address = format!("postgres://u:p@127.0.0.1:{port}/d");
    let arguments: Vec<&str> =
        arguments.iter().map(|word| if *word == "ADDRESS" { address.as_str() } else { word }).collect();
    let mut child = smiles(&arguments, &variables)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    heard.recv_timeout(PATIENCE).expect("the database is asked");
    let id = child.id().to_string();
    for signals in 1..=2 {
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        // Long before the patience with a database is over.
        let deadline = now() + Duration::from_secs(3);
        while now() < deadline {
            if let Some(status) = child.try_wait().unwrap() {
                return (signals, status.code().or(status.signal()).unwrap());
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
    // Nothing to finish: ended by the signal.
    assert_eq!(interrupted(&["migrate"], &[]), (1, 2));
    assert_eq!(interrupted(&["import", "ADDRESS"], &[]), (1, 2));
    assert_eq!(interrupted(&["import", "--in-place"], &[]), (1, 2));
    // It could be at a piece that is finished first.
    assert_eq!(interrupted(&["import", "rows.csv", "--table", "inverters"], &[]), (2, 130));
}
