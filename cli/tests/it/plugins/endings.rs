//! What a plugin does to the process that it runs in: a crash and an `exit` are named, what belongs to the whole process is put
//! back, a pinned library is a copy that nobody can exchange.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use super::{compile, numbered, numbers};
use crate::bridge::{Bridge, finish, pause};

const SOURCE: &str = "plugins/testing/faulty/faulty.c";

/// A source that goes on for ever into a sink with this fault.
fn endless(plugin: &str, fault: &str) -> String {
    let source = numbered(1, 1).replace("passes: 1, ", "every: 20ms, ");
    format!(
        "pipeline: p\njournal: memory\nplugins: [{plugin}]\nsources: {{a: {source}}}\nsinks: {{bad: {{type: faulty, fault: {fault}, into: rows}}}}\n"
    )
}

/// The checksum of a library.
fn sum(library: &Path) -> String {
    let path = library.to_str().expect("UTF-8");
    let output = finish(&["plugin", "inspect", "--json", path], &[], Path::new("."));
    let about: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    about["sha256"].as_str().expect("a checksum").to_owned()
}

/// One line says who ended the process, and the process ends as `accept` has it.
#[track_caller]
fn ends(fault: &str, place: &str, how: &str, accept: impl Fn(ExitStatus) -> bool) {
    let folder = tempfile::tempdir().unwrap();
    compile(SOURCE, folder.path(), &[]);
    fs::write(folder.path().join("pipeline.yaml"), endless("libfaulty.so", fault)).unwrap();
    let output = finish(&["run", "pipeline.yaml"], &[], folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(accept(output.status), "{fault}: {} {said}", output.status);
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(
        matches!(lines.as_slice(), [line] if line.starts_with(&format!("error: {place}: ")) && line.contains(how)),
        "{fault}: no line of {place} with `{how}` in {said}"
    );
}

const FLUSH: &str = "plugin `faulty`, stage `bad`, in `flush`";

#[test]
fn a_plugin_that_calls_exit_is_named_and_the_exit_code_is_a_failure() {
    let code_70 = |status: ExitStatus| status.code() == Some(70);
    ends("exit", FLUSH, "exit() was called there", code_70);
    ends("thread_exit", "a thread of `plugin bad`", "exit() was called there", code_70);
}

#[test]
fn a_plugin_that_crashes_is_named_and_the_process_dies_of_it() {
    for (fault, name, number) in [("crash", "SIGSEGV", 11), ("abort", "SIGABRT", 6)] {
        ends(fault, FLUSH, name, |status| status.signal() == Some(number));
    }
    // A full stack: Rust tells of it too, and aborts.
    ends("deep", FLUSH, "SIGSEGV", |status| matches!(status.signal(), Some(6 | 11)));
}

#[test]
fn a_bridge_with_plugins_that_is_asked_to_end_has_not_failed() {
    let folder = tempfile::tempdir().unwrap();
    compile(SOURCE, folder.path(), &[]);
    fs::write(folder.path().join("pipeline.yaml"), endless("libfaulty.so", "none")).unwrap();
    for signal in ["-INT", "-TERM"] {
        let bridge = Bridge::start(&["run", "pipeline.yaml"], &[], folder.path());
        written(folder.path());
        let (status, log) = ended(bridge, signal);
        assert_eq!(status.code(), Some(0), "{signal}: {log}");
        assert!(!log.contains("error: "), "{signal}: {log}");
        fs::remove_file(folder.path().join("rows")).unwrap();
    }
}

#[test]
fn what_a_plugin_changes_of_the_whole_process_is_put_back_and_told_once() {
    let folder = tempfile::tempdir().unwrap();
    compile(SOURCE, folder.path(), &[]);
    let file = folder.path().join("rows");
    let yaml = endless("libfaulty.so", "process").replace("into: rows", &format!("into: {}", file.display()));
    fs::write(folder.path().join("pipeline.yaml"), yaml).unwrap();
    let bridge = Bridge::start(&["run", "pipeline.yaml"], &[], folder.path());
    written(folder.path());
    for what in ["the handler of SIGTERM", "the handler of SIGINT", "the umask", "the working folder"] {
        bridge.line(&["faulty", "bad", &format!("the plugin changed {what} of the whole process")]);
        assert_eq!(bridge.count(&[what]), 1, "{}", bridge.log());
    }
    let process = format!("/proc/{}", bridge.id());
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let its = fs::read_to_string(format!("{process}/status")).unwrap();
    let umask = |status: &str| status.lines().find(|line| line.starts_with("Umask:")).map(str::to_owned);
    assert_eq!(umask(&its), umask(&own), "the umask is put back");
    assert_eq!(fs::read_link(format!("{process}/cwd")).unwrap(), folder.path().canonicalize().unwrap());
    let (status, log) = ended(bridge, "-TERM");
    assert_eq!(status.code(), Some(0), "SIGTERM is heard: {log}");
}

/// What is loaded is a copy of what was hashed: its path in the maps of every process that loaded it is that of the copy.
/// Exchanged and written over while it runs, it goes on, and a start with another file is refused.
#[test]
fn a_pinned_library_is_a_copy_that_nobody_can_change() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let who = format!("-DSAYS_WHO={:?}", place.join("who").display().to_string());
    let library = compile(SOURCE, place, &[&who, "-DBUILD=\"one\""]);
    let pin = format!("{{path: libfaulty.so, sha256: \"{}\"}}", sum(&library));
    fs::write(place.join("pipeline.yaml"), endless(&pin, "none")).unwrap();
    fs::remove_file(place.join("who")).unwrap();
    let bridge = Bridge::start(&["run", "pipeline.yaml"], &[], place);
    written(place);
    let maps = fs::read_to_string(place.join("who")).unwrap();
    assert!(maps.contains("memfd:plugin") && !maps.contains("libfaulty"), "a copy is loaded: {maps}");

    // As `cp` does it: into the very file.
    fs::write(&library, vec![0; 1 << 16]).unwrap();
    let before = numbers(&place.join("rows")).len();
    while numbers(&place.join("rows")).len() < before + 5 {
        pause();
    }
    let (status, log) = ended(bridge, "-INT");
    assert_eq!(status.code(), Some(0), "{log}");

    compile(SOURCE, place, &[&who, "-DBUILD=\"two\""]);
    let output = finish(&["run", "pipeline.yaml"], &[], place);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("it is another file"), "{said}");
    let ran = fs::read_to_string(place.join("who")).unwrap();
    assert!(!ran.contains("two "), "it was not run: {ran}");
}

/// A library that is exchanged as soon as it was loaded for the first time: the other one runs, unless the first is pinned.
#[test]
fn a_pinned_library_that_is_exchanged_between_two_loads_is_not_run() {
    for pinned in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        let flag = |name: &str, file: &str| format!("-D{name}={:?}", place.join(file).display().to_string());
        let who = flag("SAYS_WHO", "who");
        let other = compile(SOURCE, place, &[&who, "-DBUILD=\"two\""]);
        fs::rename(other, place.join("other.so")).unwrap();
        let swapped = [flag("SWAPPED_FOR", "other.so"), flag("SWAPPED", "libfaulty.so")];
        let library = compile(SOURCE, place, &[&who, "-DBUILD=\"one\"", &swapped[0], &swapped[1]]);
        // `inspect` loads it: the exchange is undone.
        let copy = place.join("copy.so");
        fs::copy(&library, &copy).unwrap();
        fs::copy(place.join("other.so"), place.join("kept.so")).unwrap();
        let sum = sum(&copy);
        fs::rename(&copy, &library).unwrap();
        fs::rename(place.join("kept.so"), place.join("other.so")).unwrap();
        fs::remove_file(place.join("who")).unwrap();

        let pin = if pinned {
            format!("{{path: libfaulty.so, sha256: \"{sum}\"}}")
        } else {
            "libfaulty.so".to_owned()
        };
        // A transform is asked for its plan, which loads the library once more.
        let yaml = endless(&pin, "none") + "transforms: [{type: faulty}]\n";
        fs::write(place.join("pipeline.yaml"), yaml).unwrap();
        let output = finish(&["check", "pipeline.yaml"], &[], place);
        let said = String::from_utf8_lossy(&output.stderr);
        let ran = fs::read_to_string(place.join("who")).unwrap();
        assert!(ran.contains("one "), "{ran}");
        assert_eq!(ran.contains("two "), !pinned, "{said}: {ran}");
        assert_eq!(said.contains("it is another file"), pinned, "{said}");
    }
}

/// Waits until the sink has written.
fn written(folder: &Path) {
    let deadline = crate::bridge::now() + crate::bridge::PATIENCE;
    while numbers(&folder.join("rows")).is_empty() {
        assert!(crate::bridge::now() < deadline, "nothing is written");
        pause();
    }
}

/// Ends it by this signal.
fn ended(mut bridge: Bridge, signal: &str) -> (ExitStatus, String) {
    bridge.signal(signal);
    let status = bridge.wait();
    (status, bridge.log())
}
