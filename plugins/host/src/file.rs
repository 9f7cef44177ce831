//! What a file says of itself before any of its code runs, and the reasons to refuse it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use object::{Architecture, Object, ObjectKind, ObjectSection, ObjectSymbol};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smiles_plugin_abi::{ABI_MAJOR, ABI_MINOR, ENTRY, ENTRY_PREFIX, META_SECTION};
use smiles_stage::read_limited;

/// Larger than any plugin; keeps a disk image from being read.
const MAX_BYTES: u64 = 256 << 20;
/// The bit of others in a file's mode.
const OTHERS_WRITE: u32 = 0o002;
/// A folder in which only the owner of a file may replace it.
const STICKY: u32 = 0o1000;

/// Why a file is not loaded, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct Refusal {
    /// As the pipeline names it.
    pub path: String,
    /// What is wrong and what to do.
    pub reason: String,
    /// Whether the `sha256` of the pipeline is what does not fit.
    pub of_sum: bool,
}

/// What a stage is in the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Where rows come from.
    Source,
    /// What happens to them.
    Transform,
    /// Where they go.
    Sink,
}

/// The section `.smiles_meta`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The version of this text's own shape.
    pub smiles_plugin: u32,
    /// Of the header it was built with.
    pub abi: AbiRange,
    /// What it is called.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// SPDX.
    pub license: String,
    /// The processor it was built for.
    pub arch: String,
    /// The system it was built for.
    pub os: String,
    /// The C library it was built against.
    pub libc: String,
    /// `unwind`, `abort`, or `none` where there are no panics.
    #[serde(default)]
    pub panic: String,
    /// What it adds.
    pub stages: Vec<StageMeta>,
}

/// Which hosts it can work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbiRange {
    /// The major version.
    pub major: u32,
    /// The minor version of its header.
    pub minor: u32,
    /// The least minor version of a host.
    #[serde(default)]
    pub needs: u32,
}

/// A stage type, as declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageMeta {
    /// Source, transform or sink.
    pub role: Role,
    /// Its `type:`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// One line about it.
    #[serde(default)]
    pub about: String,
    /// The counters it keeps.
    #[serde(default)]
    pub metrics: Vec<MetricMeta>,
}

/// A counter of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricMeta {
    /// Without prefix and unit of the exposition: `files_written`.
    pub name: String,
    /// One sentence.
    #[serde(default)]
    pub help: String,
}

impl Role {
    /// For messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }
}

/// A file that was read and found fit to be probed.
pub(crate) struct Examined {
    pub(crate) metadata: Metadata,
    pub(crate) sha256: String,
    /// What has this sum.
    pub(crate) bytes: Vec<u8>,
}

/// The metadata of a plugin, read from the file alone.
///
/// # Errors
/// It cannot be loaded here, and why.
pub fn read_metadata(path: &Path) -> Result<Metadata, Refusal> {
    examine(path, None).map(|examined| examined.metadata)
}

/// Everything that can be known without running any of its code.
pub(crate) fn examine(path: &Path, expected: Option<&str>) -> Result<Examined, Refusal> {
    let refuse = |reason: String| Refusal { path: path.display().to_string(), reason, of_sum: false };
    trusted(path).map_err(refuse)?;
    let bytes: Vec<u8> =
        read_limited(path, MAX_BYTES).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    if let Some(expected) = expected
        && !expected.eq_ignore_ascii_case(&sha256)
    {
        let reason = format!("its sha256 is {sha256}, not the one the pipeline names: it is another file");
        return Err(Refusal { of_sum: true, ..refuse(reason) });
    }
    let metadata = declared(&bytes).map_err(refuse)?;
    Ok(Examined { metadata, sha256, bytes })
}

/// That it is a file which nobody but its owner (and the owner's group) can change.
fn trusted(path: &Path) -> Result<(), String> {
    let about = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => format!("cannot be read: {error}"),
    })?;
    if !about.is_file() {
        // Whoever reads it says what it is.
        return Ok(());
    }
    if about.mode() & OTHERS_WRITE != 0 {
        return Err("everybody may write this file, and it would run with our rights: chmod o-w".to_owned());
    }
    let real = path.canonicalize().map_err(|error| format!("cannot be read: {error}"))?;
    let folder = real.parent().map(Path::to_owned).unwrap_or_else(|| PathBuf::from("/"));
    let mode = std::fs::metadata(&folder).map(|about| about.mode()).unwrap_or(0);
    if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
        let folder = folder.display();
        return Err(format!(
            "everybody may replace files in {folder}, and it would run with our rights: chmod o-w"
        ));
    }
    Ok(())
}

/// The metadata, if the file is a plugin for this machine and this version.
fn declared(bytes: &[u8]) -> Result<Metadata, String> {
    let Ok(file) = object::File::parse(bytes) else {
        return Err("it is not a shared library: a plugin is a .so file".to_owned());
    };
    if file.kind() != ObjectKind::Dynamic {
        return Err(
            "it is a program or an object file, not a shared library: link it with -shared".to_owned()
        );
    }
    let arch = processor(file.architecture());
    if arch != std::env::consts::ARCH {
        return Err(format!("it is built for {arch}, this machine is {}", std::env::consts::ARCH));
    }
    exported(&file)?;
    let section = file.section_by_name(META_SECTION).and_then(|section| section.data().ok());
    let Some(text) = section else {
        return Err(format!(
            "it has no section {META_SECTION}: declare its metadata with SMILES_META or `export!`"
        ));
    };
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let metadata: Metadata = serde_json::from_slice(&text[..end])
        .map_err(|error| format!("its metadata cannot be understood: {error}"))?;
    fits(&metadata)?;
    Ok(metadata)
}

/// That it exports the entry of our major version.
fn exported(file: &object::File<'_>) -> Result<(), String> {
    let names = || {
        file.dynamic_symbols().filter(|symbol| symbol.is_definition()).filter_map(|symbol| symbol.name().ok())
    };
    if names().any(|name| name == ENTRY) {
        return Ok(());
    }
    let other = names().find_map(|name| name.strip_prefix(ENTRY_PREFIX)?.parse::<u32>().ok());
    Err(match other {
        Some(major) => format!(
            "it is built for plugin ABI {major}, this is ABI {ABI_MAJOR}: build it with the header of this version"
        ),
        None => format!("it does not export `{ENTRY}`: not a plugin"),
    })
}

fn fits(metadata: &Metadata) -> Result<(), String> {
    let AbiRange { major, needs, .. } = metadata.abi;
    if major != ABI_MAJOR {
        return Err(format!("it is built for plugin ABI {major}, this is ABI {ABI_MAJOR}"));
    }
    if needs > ABI_MINOR {
        return Err(format!(
            "it needs plugin ABI {major}.{needs}, this is {ABI_MAJOR}.{ABI_MINOR}: use a newer version"
        ));
    }
    let own = libc();
    if metadata.os == std::env::consts::OS
        && !metadata.libc.is_empty()
        && !own.is_empty()
        && metadata.libc != own
    {
        return Err(format!(
            "it is built against the C library `{}`, this program against `{own}`",
            metadata.libc
        ));
    }
    if metadata.stages.is_empty() {
        return Err("it declares no stage".to_owned());
    }
    for stage in &metadata.stages {
        if !is_word(&stage.type_name) {
            let name = stage.type_name.escape_debug();
            return Err(format!(
                "`{name}` cannot be a type: lower-case letters, digits and `_`, a letter first"
            ));
        }
        if let Some(metric) = stage.metrics.iter().find(|metric| !is_word(&metric.name)) {
            let name = metric.name.escape_debug();
            return Err(format!(
                "`{name}` cannot be a metric: lower-case letters, digits and `_`, a letter first"
            ));
        }
    }
    Ok(())
}

fn is_word(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// As `std::env::consts::ARCH` spells it.
fn processor(arch: Architecture) -> String {
    match arch {
        Architecture::X86_64 | Architecture::X86_64_X32 => "x86_64".to_owned(),
        Architecture::I386 => "x86".to_owned(),
        Architecture::Aarch64 => "aarch64".to_owned(),
        Architecture::Arm => "arm".to_owned(),
        Architecture::Riscv64 => "riscv64".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn libc() -> &'static str {
    if cfg!(target_env = "gnu") {
        "gnu"
    } else if cfg!(target_env = "musl") {
        "musl"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plugin_is_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let (text, own) = (folder.path().join("notes.txt"), std::env::current_exe().unwrap());
        std::fs::write(&text, "hello").unwrap();
        let rows = [
            (folder.path().join("none.so"), "there is no such file"),
            (folder.path().to_owned(), "it is a folder, not a file"),
            ("/dev/zero".into(), "it is a device, not a file"),
            (text, "it is not a shared library"),
            (own, "does not export `smiles_plugin_v1`"),
        ];
        for (path, expected) in rows {
            let refusal = read_metadata(&path).unwrap_err();
            assert!(refusal.reason.contains(expected), "{refusal}");
            assert!(!refusal.to_string().contains('\n'), "{refusal}");
        }
    }

    #[test]
    fn a_checksum_is_compared_before_anything_else_is_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.so");
        std::fs::write(&path, "abc").unwrap();
        let sum = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
        let known = examine(&path, Some(sum)).err().unwrap();
        assert!(known.reason.contains("not a shared library") && !known.of_sum, "{known}");
        let other = examine(&path, Some(&"0".repeat(64))).err().unwrap();
        assert!(other.of_sum && other.reason.contains(&sum.to_lowercase()), "{other}");
    }
}
