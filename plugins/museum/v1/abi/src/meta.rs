//! The metadata text, put together while the plugin is compiled.

use crate::{ABI_MAJOR, ABI_MINOR};

/// What a plugin says of itself.
#[derive(Clone, Copy, Debug)]
pub struct PluginText {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// SPDX.
    pub license: &'static str,
    /// Its stages.
    pub stages: &'static [StageText],
}

/// What it says of a stage.
#[derive(Clone, Copy, Debug)]
pub struct StageText {
    /// `source`, `transform` or `sink`.
    pub role: &'static str,
    /// Its `type:`.
    pub type_name: &'static str,
    /// One line.
    pub about: &'static str,
    /// Its counters: name and help.
    pub metrics: &'static [(&'static str, &'static str)],
}

/// How long [`rendered`] is.
pub const fn rendered_len(plugin: &PluginText) -> usize {
    render(&mut [], plugin)
}

/// The metadata; `N` is [`rendered_len`]. A text that JSON would have to escape does not compile.
pub const fn rendered<const N: usize>(plugin: &PluginText) -> [u8; N] {
    let mut all = [0; N];
    render(&mut all, plugin);
    all
}

const fn render(into: &mut [u8], plugin: &PluginText) -> usize {
    let mut at = add(into, 0, "{\"smiles_plugin\":1,\"abi\":{\"major\":");
    at = digit(into, at, ABI_MAJOR);
    at = add(into, at, ",\"minor\":");
    at = digit(into, at, ABI_MINOR);
    at = add(into, at, ",\"needs\":0}");
    at = pair(into, at, ",\"name\":\"", plugin.name);
    at = pair(into, at, ",\"version\":\"", plugin.version);
    at = pair(into, at, ",\"license\":\"", plugin.license);
    at = pair(into, at, ",\"arch\":\"", ARCH);
    at = pair(into, at, ",\"os\":\"", OS);
    at = pair(into, at, ",\"libc\":\"", LIBC);
    at = pair(into, at, ",\"panic\":\"", if cfg!(panic = "abort") { "abort" } else { "unwind" });
    at = add(into, at, ",\"stages\":[");
    let mut index = 0;
    while index < plugin.stages.len() {
        at = add(into, at, if index == 0 { "" } else { "," });
        at = stage(into, at, &plugin.stages[index]);
        index += 1;
    }
    add(into, at, "]}")
}

const fn stage(into: &mut [u8], at: usize, stage: &StageText) -> usize {
    let mut at = pair(into, at, "{\"role\":\"", stage.role);
    at = pair(into, at, ",\"type\":\"", stage.type_name);
    at = pair(into, at, ",\"about\":\"", stage.about);
    at = add(into, at, ",\"metrics\":[");
    let mut index = 0;
    while index < stage.metrics.len() {
        let (name, help) = stage.metrics[index];
        at = add(into, at, if index == 0 { "" } else { "," });
        at = pair(into, at, "{\"name\":\"", name);
        at = pair(into, at, ",\"help\":\"", help);
        at = add(into, at, "}");
        index += 1;
    }
    add(into, at, "]}")
}

const ARCH: &str = if cfg!(target_arch = "x86_64") {
    "x86_64"
} else if cfg!(target_arch = "aarch64") {
    "aarch64"
} else if cfg!(target_arch = "arm") {
    "arm"
} else if cfg!(target_arch = "riscv64") {
    "riscv64"
} else {
    "unknown"
};
const OS: &str = if cfg!(target_os = "linux") {
    "linux"
} else if cfg!(target_os = "macos") {
    "macos"
} else {
    "other"
};
const LIBC: &str = if cfg!(target_env = "gnu") {
    "gnu"
} else if cfg!(target_env = "musl") {
    "musl"
} else {
    ""
};

/// A key with what stands before it, and a value that needs no escape.
const fn pair(into: &mut [u8], at: usize, key: &str, value: &str) -> usize {
    let bytes = value.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        assert!(
            bytes[index] >= 0x20 && bytes[index] != b'"' && bytes[index] != b'\\',
            "names and sentences of the metadata hold no quotes, backslashes or line ends"
        );
        index += 1;
    }
    let at = add(into, at, key);
    let at = add(into, at, value);
    add(into, at, "\"")
}

const fn digit(into: &mut [u8], at: usize, number: u32) -> usize {
    assert!(number < 10, "a version of one digit");
    let digits = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    add(into, at, digits[number as usize])
}

/// The text at its place, or only the place after it where there is no room to write.
const fn add(into: &mut [u8], at: usize, text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() && !into.is_empty() {
        into[at + index] = bytes[index];
        index += 1;
    }
    at + bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_rendered_while_compiling() {
        const STAGE: StageText = StageText {
            role: "sink",
            type_name: "s",
            about: "writes",
            metrics: &[("rows", "Rows."), ("files", "Files.")],
        };
        const PLUGIN: PluginText =
            PluginText { name: "p", version: "1.0.0", license: "MIT", stages: &[STAGE, STAGE] };
        const TEXT: [u8; rendered_len(&PLUGIN)] = rendered(&PLUGIN);
        let text = std::str::from_utf8(&TEXT).unwrap();
        assert!(text.starts_with(
            r#"{"smiles_plugin":1,"abi":{"major":1,"minor":0,"needs":0},"name":"p","version":"1.0.0""#
        ));
        let stage = r#"{"role":"sink","type":"s","about":"writes","metrics":[{"name":"rows","help":"Rows."},{"name":"files","help":"Files."}]}"#;
        assert!(text.ends_with(&format!(r#""stages":[{stage},{stage}]}}"#)), "{text}");
    }
}
