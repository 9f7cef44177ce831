//! Files that a user names: what is none, or too large, is said, and nothing waits for it.

use std::path::Path;
use std::process::Stdio;

use crate::bridge::{PATIENCE, now, pause, smiles};

const STOCK: (&str, &str) = ("DTU_HOST", "127.0.0.1");

/// A command, its variables, and what it says.
type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

/// What a command says before it ends by itself.
fn said(args: &[&str], variables: &[(&str, &str)], folder: &Path) -> String {
    let out = std::fs::File::create(folder.join("said")).unwrap();
    let both = [out.try_clone().unwrap(), out].map(Stdio::from);
    let [stdout, stderr] = both;
    let mut child =
        smiles(args, variables).current_dir(folder).stdout(stdout).stderr(stderr).spawn().unwrap();
    let deadline = now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if now() >= deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{args:?} {variables:?} hangs");
        }
        pause();
    };
    let said = std::fs::read_to_string(folder.join("said")).unwrap();
    assert!(!status.success(), "{args:?} {variables:?}: {said}");
    said
}

#[test]
fn a_pipe_a_device_and_a_folder_are_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let pipe = folder.path().join("pipe");
    for name in ["pipe", "pipe.csv"] {
        let path = folder.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    }
    write("includes.yaml", "pipeline: a\nsources: !include pipe\n");
    let secret = |file: &str| {
        format!(
            "pipeline: a\nsources: {{x: {{type: synthetic, every: 1s}}}}\nsinks: {{y: {{type: sqlite, path: \"${{file:{file}}}\"}}}}\n"
        )
    };
    write("pipe.yaml", &secret("pipe"));
    write("large.yaml", &secret("large"));
    write("large", &"x".repeat((64 << 10) + 1));
    write("empty", "\n");
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let pipe = pipe.to_str().unwrap();
    let empty = folder.path().join("empty");
    let token = |file| [STOCK, ("API_TOKEN_FILE", file)];
    let rows: [Row<'_>; 16] = [
        (&["check", "pipe"], &[], "pipe: it is a pipe, not a file"),
        (&["run", "pipe"], &[], "pipe: it is a pipe, not a file"),
        (&["check", "folder"], &[], "it is a folder, not a file"),
        (&["check", "/dev/zero"], &[], "it is a device, not a file"),
        (&["check", "includes.yaml"], &[], "pipe: it is a pipe, not a file"),
        (&["check", "pipe.yaml"], &[], "pipe: it is a pipe, not a file"),
        (&["check", "large.yaml"], &[], "large: it is larger than 64 KiB"),
        (&["check"], &token("/dev/zero"), "/dev/zero: it is a device, not a file"),
        (&["check"], &token(pipe), "it is a pipe, not a file"),
        (&["check"], &token("/nofile"), "cannot read the token from /nofile"),
        (&["check"], &token(empty.to_str().unwrap()), "the file is empty"),
        (&["simulate", "--device", "pipe"], &[], "pipe: it is a pipe, not a file"),
        (&["simulate", "--image", "/dev/zero"], &[], "/dev/zero: it is a device, not a file"),
        (
            &["import", "pipe.csv", "--table", "x"],
            &[STOCK],
            "`pipe.csv` is a folder, a pipe or a device, not a file",
        ),
        (&["import", "x.csv", "--rules", "pipe"], &[STOCK], "pipe: it is a pipe, not a file"),
        (&["test", "pipe"], &[STOCK], "it is a pipe, not a file"),
    ];
    for (args, variables, expected) in rows {
        let said = said(args, variables, folder.path());
        assert!(said.contains(expected), "{args:?} {variables:?}: {said}");
    }
}
