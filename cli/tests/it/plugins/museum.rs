//! Old plugins, built from the header of their day, for ever: a change of the ABI that would break one fails here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{compile, compile_with, numbered, numbers, passes_check, run};
use crate::bridge::root;

fn museum(path: &str) -> PathBuf {
    root().join("plugins/museum/v1").join(path)
}

/// Compiles the Rust plugin with its frozen mirror, without cargo and without dependencies.
fn rustc(into: &Path, flags: &[&str]) -> PathBuf {
    let compile = |kind: &str, name: &str, source: &str, extra: &[&str]| {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(rustc)
            .args(["--edition=2024", kind, "--crate-name", name, "--cap-lints=allow", "--out-dir"])
            .arg(into)
            .args(flags)
            .args(extra)
            .arg(museum(source))
            .output()
            .expect("rustc runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    compile("--crate-type=rlib", "smiles_plugin_abi", "abi/src/lib.rs", &[]);
    let mirror = format!("smiles_plugin_abi={}", into.join("libsmiles_plugin_abi.rlib").display());
    compile("--crate-type=cdylib", "tally", "rust/src/lib.rs", &["--extern", &mirror]);
    into.join("libtally.so")
}

#[test]
fn plugins_in_c_of_the_first_day_still_work() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    passes_check(&compile_with(&museum("abi"), &museum("c/csv.c"), place, &[]), None);
    passes_check(&compile_with(&museum("abi"), &museum("c/temperature.c"), place, &[]), None);
    passes_check(&compile_with(&museum("abi"), &museum("c/sun_position.cpp"), place, &[]), None);
    let yaml = format!(
        "pipeline: p\njournal: memory\nplugins: [libcsv.so, libsun_position.so]\nsources: {{a: {}}}\ntransforms: [{{type: sun_position, latitude: 1, longitude: 2}}]\nsinks: {{files: {{type: csv, folder: .}}}}\n",
        numbered(2, 5)
    );
    run(place, &yaml);
    assert_eq!(fs::read_to_string(place.join("files.csv")).unwrap().lines().count(), 11);
}

#[test]
fn a_plugin_in_rust_of_the_first_day_still_works_however_it_is_compiled() {
    for flags in [
        ["-Copt-level=0", "-Cpanic=unwind"],
        ["-Copt-level=3", "-Cpanic=abort"],
        ["-Copt-level=s", "-Cpanic=unwind"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        passes_check(&rustc(place, &flags), None);
        let yaml = format!(
            "pipeline: p\njournal: memory\nplugins: [libtally.so]\nsources: {{a: {}}}\nsinks: {{out: {{type: tally, path: rows}}}}\n",
            numbered(3, 4)
        );
        run(place, &yaml);
        assert_eq!(numbers(&place.join("rows")), [4, 4, 4], "{flags:?}");
    }
}

#[test]
fn a_plugin_of_a_later_minor_version_works_with_what_both_know() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    compile("plugins/testing/faulty/faulty.c", place, &["-DNEWER"]);
    let yaml = format!(
        "pipeline: p\njournal: memory\nplugins: [libfaulty.so]\nsources: {{a: {}}}\ntransforms: [{{type: faulty}}]\nsinks: {{out: {{type: faulty, into: rows}}}}\n",
        numbered(2, 5)
    );
    run(place, &yaml);
    assert_eq!(numbers(&place.join("rows")), (0..10).collect::<Vec<_>>());
}

#[test]
fn the_museum_is_not_touched() {
    // The exhibits are what they were: a change here is a change of history. Checksums by `cksum`.
    let frozen = fs::read_to_string(museum("CKSUMS")).unwrap();
    let mut seen = 0;
    for line in frozen.lines() {
        let (expected, file) = line.rsplit_once(' ').expect("checksum, size, file");
        let output = Command::new("cksum").arg(file).current_dir(museum("")).output().expect("cksum runs");
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(found.trim(), format!("{expected} {file}"), "{file} was changed");
        seen += 1;
    }
    assert!(seen >= 7, "only {seen} exhibits");
}
