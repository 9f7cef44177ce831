//! Valgrind's verdict on the examples: no definite leak, no invalid access, in `smiles plugin check`. The one that needs a
//! server (influxdb) gets its verdict beside that server, in `examples.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{compile, rust_plugin, said};

/// A copy without what valgrind would spend most of its time on; names of functions stay.
pub(super) fn stripped(from: &Path, into: &Path) -> PathBuf {
    let copy = into.join(format!("stripped-{}", from.file_name().expect("a file").to_string_lossy()));
    let done = Command::new("strip").arg("--strip-debug").arg("-o").arg(&copy).arg(from).status();
    assert!(done.expect("strip comes with the compiler").success(), "{}", from.display());
    copy
}

/// Checks a library in one process under valgrind, whose findings are an exit code of their own; the check named `tried`
/// must not have been left out.
#[track_caller]
pub(super) fn clean(library: &Path, options: &str, tried: &str) {
    let folder = tempfile::tempdir().unwrap();
    let program = stripped(Path::new(env!("CARGO_BIN_EXE_smiles")), folder.path());
    let output = Command::new("valgrind")
        .args(["--quiet", "--leak-check=full", "--show-leak-kinds=definite"])
        .args(["--errors-for-leak-kinds=definite", "--error-exitcode=99"])
        .arg(program)
        .args(["plugin", "check", "--here", "--options", options])
        .arg(library)
        .output()
        .expect("valgrind is installed: run `make setup`");
    let said = said(&output);
    assert!(output.status.success(), "{}: {said}", library.display());
    let was_tried = |line: &str| line.contains(tried) && line.ends_with("... ok");
    assert!(said.lines().any(was_tried), "{}: `{tried}` was not tried: {said}", library.display());
}

#[test]
fn valgrind_finds_nothing_in_the_examples_in_c_and_cpp() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let chip = place.join("hwmon/hwmon0");
    fs::create_dir_all(&chip).unwrap();
    fs::write(chip.join("name"), "coretemp\n").unwrap();
    fs::write(chip.join("temp1_input"), "42000\n").unwrap();
    let root = format!("{{\"root\": {:?}}}", place.join("hwmon").display().to_string());
    let files = format!("{{\"folder\": {:?}}}", place.display().to_string());
    let rows = [
        ("csv/csv.c", files.as_str(), "every type and shape of rows is taken and released"),
        ("temperature/temperature.c", root.as_str(), "passes bring rows of the planned columns"),
        (
            "sun_position/sun_position.cpp",
            "{\"latitude\": 51.5, \"longitude\": 0}",
            "every type and shape of rows is taken, transformed and released",
        ),
    ];
    for (source, options, tried) in rows {
        clean(&compile(&format!("plugins/examples/{source}"), place, &[]), options, tried);
    }
}

#[test]
fn valgrind_finds_nothing_in_an_example_in_rust() {
    let folder = tempfile::tempdir().unwrap();
    let library = rust_plugin("plugins/examples/moving_average", folder.path());
    clean(
        &stripped(&library, folder.path()),
        "{\"columns\": [\"value\"]}",
        "every type and shape of rows is taken, transformed and released",
    );
}
