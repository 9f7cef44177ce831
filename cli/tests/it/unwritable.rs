//! Output that cannot be written: a full disk, a reader that went away. No command panics for that.

use std::fs::{File, OpenOptions};
use std::process::Stdio;

use crate::bridge::{finish, smiles};

/// Every command that is done quickly, with each of its outcomes.
const COMMANDS: [&[&str]; 24] = [
    &["--help"],
    &["--version"],
    &["version"],
    &["run", "--help"],
    &["nonsense"],
    &["check", "good.yaml"],
    &["check", "--resolved", "good.yaml"],
    &["check", "bad.yaml"],
    &["run", "bad.yaml"],
    &["run", "good.yaml"],
    &["graph", "good.yaml"],
    &["schema"],
    &["test"],
    &["journal", "status"],
    &["journal", "status", "--json"],
    &["journal", "verify", "good.yaml"],
    &["journal", "dead-letter", "list"],
    &["total", "list"],
    &["plugin", "list", "."],
    &["plugin", "inspect", "none.so"],
    &["plugin", "check", "none.so"],
    &["migrate", "good.yaml"],
    &["import", "none.db"],
    &["simulate", "--quirk", "help"],
];

/// What cannot be written to.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn no_command_panics_where_its_output_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let good = "pipeline: p\nsources: {a: {type: synthetic, rows: 3, passes: 2, columns: {id: {type: int, pattern: sequence}}}}\n\
                sinks: {s: {type: sqlite, path: s.db, tables: {rows: {mode: append, create: true, columns: {id: id}}}}}\n";
    std::fs::write(place.join("good.yaml"), good).unwrap();
    std::fs::write(place.join("bad.yaml"), "pipeline: p\nsources: {a: {type: nothing}}\n").unwrap();
    assert!(finish(&["run", "good.yaml"], &[], place).status.success());
    for arguments in COMMANDS {
        let run = |stdout: Stdio, stderr: Stdio| {
            let mut command = smiles(arguments, &[]);
            let child = command.current_dir(place).stdout(stdout).stderr(stderr).spawn().unwrap();
            let output = child.wait_with_output().unwrap();
            (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let usual = run(Stdio::null(), Stdio::null()).0.code();
        for (what, stdout) in [("full", Stdio::from(full())), ("closed", closed())] {
            let (status, said) = run(stdout, Stdio::piped());
            assert!(!said.contains("panicked"), "{arguments:?}, standard output {what}: {said}");
            let code = status.code();
            assert!(
                code == usual || code == Some(1),
                "{arguments:?}, standard output {what}: {status} {said}"
            );
        }
        for (what, stderr) in [("full", Stdio::from(full())), ("closed", closed())] {
            assert_eq!(run(Stdio::null(), stderr).0.code(), usual, "{arguments:?}, standard error {what}");
        }
        let code = run(full().into(), full().into()).0.code();
        assert!(code == usual || code == Some(1), "{arguments:?}: {code:?}");
    }
}

/// The check of a plugin prints while it runs, from a child process.
#[test]
fn the_check_of_a_plugin_does_not_panic_either() {
    let folder = tempfile::tempdir().unwrap();
    let library = crate::plugins::compile("plugins/examples/csv/csv.c", folder.path(), &[]);
    for stdout in [Stdio::from(full()), closed()] {
        let mut command = smiles(&["plugin", "check", library.to_str().unwrap()], &[]);
        let child = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{}: {said}", output.status);
        assert!(!said.contains("panicked"), "{said}");
    }
}
