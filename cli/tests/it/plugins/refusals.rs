//! What is not loaded, and the one line that says why.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::{compile, numbered};
use crate::bridge::finish;

const SOURCE: &str = "plugins/testing/faulty/faulty.c";

/// The pipeline with this entry under `plugins:` must not start, in check and in run, and say so in one line.
#[track_caller]
fn refused(folder: &Path, entry: &str, reason: &str, place: &str) {
    let yaml = format!(
        "pipeline: p\njournal: memory\nplugins:\n  - {entry}\nsources: {{a: {}}}\nsinks: {{out: {{type: faulty, into: rows}}}}\n",
        numbered(1, 1)
    );
    fs::write(folder.join("pipeline.yaml"), yaml).unwrap();
    for command in ["check", "run"] {
        let output = finish(&[command, "pipeline.yaml"], &[], folder);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command} {entry}: {said}");
        let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(lines.len(), 1, "{entry}: one line, not {said}");
        assert!(lines[0].contains(reason), "{entry}: no `{reason}` in {said}");
        assert!(said.contains(&format!("pipeline.yaml:4:{place}")), "{entry}: no place in {said}");
    }
    assert!(!folder.join("data").exists(), "a refused pipeline leaves no trace");
}

#[test]
fn a_library_that_cannot_work_is_refused_before_the_pipeline_starts() {
    let variants = [
        ("-DCRASH_ON_LOAD", "it crashes when it is loaded or asked (SIGSEGV)"),
        ("-DEXIT_ON_LOAD", "with exit code 3; it says: this library needs a dongle"),
        ("-DUNDEFINED", "undefined symbol: nobody_has_this"),
        ("-DMAJOR_2", "it is built for plugin ABI 2, this is ABI 1"),
        ("-DNEEDS_MORE", "it needs plugin ABI 1.9, this is 1.0"),
        ("-DNO_META", "it has no section .smiles_meta"),
        ("-DRETURNS_NULL", "returned NULL"),
        ("-DNO_FLUSH", "its sink `faulty` has no `flush`"),
        ("-DTOO_SMALL", "its stage 0 has 64 bytes"),
        ("-DBAD_SCHEMA", "the options schema of `faulty` is not JSON"),
    ];
    for (flag, reason) in variants {
        let folder = tempfile::tempdir().unwrap();
        compile(SOURCE, folder.path(), &[flag]);
        refused(folder.path(), "./libfaulty.so", reason, "5");
    }
}

#[test]
fn what_is_no_plugin_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    fs::write(place.join("notes.so"), "not a library").unwrap();
    refused(place, "notes.so", "it is not a shared library", "5");
    refused(place, "none.so", "there is no such file", "5");
    fs::create_dir(place.join("folder.so")).unwrap();
    refused(place, "folder.so", "it is a folder, not a file", "5");
    fs::write(place.join("other.c"), "int something;").unwrap();
    let made = Command::new("cc")
        .args(["-shared", "-o", "other.so", "other.c"])
        .current_dir(place)
        .status()
        .unwrap();
    assert!(made.success());
    refused(place, "other.so", "it does not export `smiles_plugin_v1`", "5");
}

#[test]
fn a_library_for_another_processor_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile(SOURCE, folder.path(), &[]);
    let mut bytes = fs::read(&library).unwrap();
    // e_machine of the ELF header.
    let (number, name): (u16, _) = if cfg!(target_arch = "aarch64") {
        (62, "it is built for x86_64")
    } else {
        (183, "it is built for aarch64")
    };
    bytes[18..20].copy_from_slice(&number.to_le_bytes());
    fs::write(&library, bytes).unwrap();
    refused(folder.path(), "libfaulty.so", name, "5");
}

#[test]
fn another_c_library_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile(SOURCE, folder.path(), &[]);
    let mut bytes = fs::read(&library).unwrap();
    let key = b"\"libc\":\"";
    let at = bytes.windows(key.len()).position(|part| part == key).expect("the metadata is in the file");
    bytes[at + key.len()..][..3].copy_from_slice(b"odd");
    fs::write(&library, bytes).unwrap();
    refused(folder.path(), "libfaulty.so", "it is built against the C library `odd", "5");
}

#[test]
fn a_missing_library_dependency_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    fs::write(place.join("vendor.c"), "int vendor(void) { return 1; }").unwrap();
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-o", "libvendor.so", "vendor.c"])
        .current_dir(place)
        .status()
        .unwrap();
    assert!(made.success());
    let search = format!("-L{}", place.display());
    compile(SOURCE, place, &[&search, "-Wl,--no-as-needed", "-lvendor"]);
    fs::remove_file(place.join("libvendor.so")).unwrap();
    refused(place, "libfaulty.so", "libvendor.so: cannot open shared object file", "5");
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile(SOURCE, folder.path(), &[]);
    fs::set_permissions(&library, fs::Permissions::from_mode(0o757)).unwrap();
    refused(folder.path(), "libfaulty.so", "everybody may write this file", "5");
    fs::set_permissions(&library, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    refused(folder.path(), "libfaulty.so", "everybody may replace files in", "5");
}

#[test]
fn a_checksum_holds_or_the_file_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile(SOURCE, folder.path(), &[]);
    let output = finish(&["plugin", "inspect", "--json", library.to_str().unwrap()], &[], folder.path());
    let about: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let sum = about["sha256"].as_str().unwrap().to_owned();
    refused(folder.path(), &format!("{{path: libfaulty.so, sha256: \"{}\"}}", "0".repeat(64)), &sum, "34");
    let good = format!(
        "pipeline: p\njournal: memory\nplugins: [{{path: libfaulty.so, sha256: \"{sum}\"}}]\nsources: {{a: {}}}\nsinks: {{out: {{type: faulty, into: rows}}}}\n",
        numbered(1, 3)
    );
    super::run(folder.path(), &good);
    assert_eq!(super::numbers(&folder.path().join("rows")), [0, 1, 2]);
}

#[test]
fn a_type_that_is_taken_and_a_wrong_option_are_shown_where_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    compile(SOURCE, folder.path(), &[]);
    let rows = [
        (
            "plugins:\n  - libfaulty.so\n  - ./libfaulty.so\nsinks: {out: {type: faulty}}\n",
            "it adds the sink `faulty`, and there is one of that type already",
            "pipeline.yaml:6:5",
        ),
        (
            "plugins: [libfaulty.so]\nsinks: {out: {type: faulty, fautl: none}}\n",
            "unknown key `fautl`",
            "pipeline.yaml:5:29",
        ),
        (
            "plugins: [libfaulty.so]\nsinks: {out: {type: faulty, fault: nome}}\n",
            "did you mean `none`?",
            "pipeline.yaml:5:36",
        ),
        (
            "plugins: [libfaulty.so]\nsinks: {out: {type: fauty}}\n",
            "did you mean `faulty`?",
            "pipeline.yaml:5:21",
        ),
        (
            "plugins: [libfaulty.so]\ntransforms: [{type: faulty, fault: plan}]\nsinks: {out: {type: faulty}}\n",
            "the column `watt` is not there",
            "pipeline.yaml:5:15",
        ),
        ("plugins: libfaulty.so\nsinks: {out: {type: faulty}}\n", "expected a list", "pipeline.yaml:4:10"),
        (
            "plugins: [{path: libfaulty.so, sha256: abc}]\nsinks: {out: {type: faulty}}\n",
            "64 characters",
            "pipeline.yaml:4:40",
        ),
    ];
    for (rest, reason, place) in rows {
        let yaml = format!("pipeline: p\njournal: memory\nsources: {{a: {}}}\n{rest}", numbered(1, 1));
        fs::write(folder.path().join("pipeline.yaml"), yaml).unwrap();
        let output = finish(&["check", "pipeline.yaml"], &[], folder.path());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{rest}: {said}");
        assert!(said.contains(reason) && said.contains(place), "{rest}: no `{reason}` at {place} in {said}");
    }
}
