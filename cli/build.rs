//! Lists the stock pipelines and migrations, so that the binary carries them wherever it goes, and dates the program.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["pipelines", "migrations"] {
        collect(&root.join(folder), &mut files)?;
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
    }
    files.sort();
    let mut code = String::from("&[\n");
    for path in files {
        let relative = path.strip_prefix(&root).map_err(io::Error::other)?.display().to_string();
        // Pipelines are named as a user names them next to the file: without the folder they live in.
        let name = relative.strip_prefix("pipelines/").unwrap_or(&relative);
        writeln!(code, "    ({name:?}, include_str!({:?})),", path.canonicalize()?)
            .map_err(io::Error::other)?;
    }
    code.push_str("]\n");
    if let Some(seconds) = written(&root) {
        println!("cargo::rustc-env=SMILES_WRITTEN={seconds}");
    }
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("stock_files.rs"), code)
}

/// When this source was written, in seconds since 1970: as who builds it says, else the date of the commit. So the same
/// source gives the same program; a build that goes on from an earlier commit may keep its date.
fn written(root: &Path) -> Option<i64> {
    let said = env::var("SOURCE_DATE_EPOCH").ok();
    let commit = || {
        let git =
            Command::new("git").arg("-C").arg(root).args(["show", "-s", "--format=%ct", "HEAD"]).output();
        git.ok().and_then(|git| String::from_utf8(git.stdout).ok())
    };
    said.or_else(commit)?.trim().parse().ok()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "sql") {
            files.push(path);
        }
    }
    Ok(())
}
