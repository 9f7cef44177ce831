//! Plugins, from their sources to the binary that loads them: real compilers, real `dlopen`, pipelines in YAML.

mod authors;
mod endings;
mod examples;
mod faults;
mod hanging;
mod museum;
mod refusals;
mod valgrind;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex};

use crate::bridge::{finish, root};

/// Compiles a C or C++ file of the repository; `flags` choose what goes wrong.
pub(crate) fn compile(source: &str, into: &Path, flags: &[&str]) -> PathBuf {
    compile_with(&root().join("plugins/abi"), &root().join(source), into, flags)
}

fn compile_with(header: &Path, source: &Path, into: &Path, flags: &[&str]) -> PathBuf {
    let name = source.file_stem().expect("a file").to_string_lossy();
    let library = into.join(format!("lib{name}.so"));
    let (compiler, standard) = if source.extension().is_some_and(|extension| extension == "cpp") {
        ("c++", "-std=c++17")
    } else {
        ("cc", "-std=c99")
    };
    let output = Command::new(compiler)
        .args([
            standard,
            "-O1",
            "-g",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            "-fPIC",
            "-fvisibility=hidden",
            "-shared",
        ])
        .arg("-I")
        .arg(header)
        .args(flags)
        .arg("-o")
        .arg(&library)
        .arg(source)
        .output()
        .unwrap_or_else(|error| panic!("{compiler} is needed for this test: {error}"));
    assert!(output.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
    library
}

/// One folder for all plugins in Rust, so that what they share is compiled once.
fn rust_target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../plugins")
}

/// Builds a crate as its author would, with the versions that this workspace has.
fn cargo(folder: &Path, extra: &[&str]) -> PathBuf {
    static LOCKED: LazyLock<Mutex<BTreeSet<PathBuf>>> = LazyLock::new(Mutex::default);
    {
        let mut locked = LOCKED.lock().expect("no builder panics");
        if locked.insert(folder.to_owned()) {
            fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file is copied");
        }
    }
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(rust_target())
        .args(extra)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}: {}", folder.display(), String::from_utf8_lossy(&output.stderr));
    let name = folder.file_name().expect("a folder").to_string_lossy();
    rust_target().join(format!("debug/lib{name}.so"))
}

/// A copy that a later build of the same crate does not replace while it is in use.
fn rust_plugin(folder: &str, into: &Path) -> PathBuf {
    rust_plugin_with(folder, into, &[])
}

fn rust_plugin_with(folder: &str, into: &Path, extra: &[&str]) -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let built = cargo(&root().join(folder), extra);
    let copy = into.join(built.file_name().expect("a file"));
    fs::copy(built, &copy).expect("the library is copied");
    copy
}

/// `smiles plugin check`, which must pass; what needs a device or target that is not there may stay untried.
fn passes_check(library: &Path, options: Option<&str>) -> String {
    let mut args = vec!["plugin", "check", library.to_str().expect("UTF-8")];
    args.extend(options.iter().flat_map(|options| ["--options", options]));
    let output = finish(&args, &[], Path::new("."));
    let said = said(&output);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}: {said}", library.display());
    assert!(said.contains(" 0 failed"), "{}: {said}", library.display());
    said
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a pipeline of a finite source to its end.
fn run(folder: &Path, yaml: &str) -> String {
    fs::write(folder.join("pipeline.yaml"), yaml).expect("the pipeline is written");
    let output = finish(&["run", "pipeline.yaml"], &[], folder);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    said
}

/// Numbered rows: `passes` times `rows` of them, beginning with 0.
fn numbered(passes: u32, rows: u32) -> String {
    format!(
        "{{type: synthetic, rows: {rows}, passes: {passes}, columns: {{id: {{type: int, pattern: sequence, value: 0}}}}}}"
    )
}

/// The numbers in a file, one per line, sorted.
fn numbers(path: &Path) -> Vec<i64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut all: Vec<i64> = text.lines().map(|line| line.parse().expect("a number")).collect();
    all.sort_unstable();
    all
}
