//! The header and its mirror are one thing: a C and a C++ compiler and rustc agree on every size, place and number.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use smiles_plugin_abi as abi;

/// What is compared: an expression of C, and what Rust says.
fn facts() -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = Vec::new();
    let number = |value: usize| u64::try_from(value).expect("sizes are small");
    macro_rules! layout {
        ($c:literal, $rust:ty: $($member:ident),*) => {
            all.push((format!("sizeof({})", $c), number(size_of::<$rust>())));
            $(all.push((format!("offsetof({}, {})", $c, stringify!($member)), number(offset_of!($rust, $member))));)*
        };
    }
    layout!("struct ArrowSchema", abi::ArrowSchema: format, name, metadata, flags, n_children, children, dictionary, release, private_data);
    layout!("struct ArrowArray", abi::ArrowArray: length, null_count, offset, n_buffers, n_children, buffers, children, dictionary, release, private_data);
    layout!("SmilesStr", abi::SmilesStr: ptr, len);
    layout!("SmilesError", abi::SmilesError: struct_size, flags, code, retry_after_ms, message_len, reserved, message);
    layout!("SmilesPosition", abi::SmilesPosition: run, seq);
    layout!("SmilesWatermark", abi::SmilesWatermark: target, seq);
    layout!("SmilesHost", abi::SmilesHost: struct_size, abi_minor, ctx, log, metric_add, now_us, cancelled, state_get, state_put, reject, fault);
    layout!("SmilesStage", abi::SmilesStage: struct_size, role, type_name, flags, reserved, options_schema, plan, open, bind, next, commit, apply, write, flush, watermark, forget, cancel, close);
    layout!("SmilesPlugin", abi::SmilesPlugin: struct_size, abi_minor, meta, stages, stage_count, reserved);
    for (name, value) in [
        ("SMILES_ABI_MAJOR", abi::ABI_MAJOR),
        ("SMILES_ABI_MINOR", abi::ABI_MINOR),
        ("SMILES_ERROR_REOPEN", abi::ERROR_REOPEN),
        ("SMILES_STREAMED", abi::STREAMED),
        ("SMILES_SOURCE", abi::ROLE_SOURCE),
        ("SMILES_TRANSFORM", abi::ROLE_TRANSFORM),
        ("SMILES_SINK", abi::ROLE_SINK),
        ("SMILES_LOG_ERROR", abi::LOG_ERROR),
        ("SMILES_LOG_WARN", abi::LOG_WARN),
        ("SMILES_LOG_INFO", abi::LOG_INFO),
        ("SMILES_LOG_DEBUG", abi::LOG_DEBUG),
        ("SMILES_LOG_TRACE", abi::LOG_TRACE),
    ] {
        all.push((name.to_owned(), u64::from(value)));
    }
    for (name, value) in [
        ("SMILES_OK", abi::STATUS_OK),
        ("SMILES_RETRY", abi::STATUS_RETRY),
        ("SMILES_REJECT", abi::STATUS_REJECT),
        ("SMILES_HALT", abi::STATUS_HALT),
        ("SMILES_END", abi::STATUS_END),
    ] {
        all.push((name.to_owned(), u64::try_from(value).expect("not negative")));
    }
    all.push(("SMILES_MESSAGE_MAX".to_owned(), number(abi::MESSAGE_MAX)));
    all.push((
        "ARROW_FLAG_NULLABLE".to_owned(),
        u64::try_from(abi::ARROW_FLAG_NULLABLE).expect("not negative"),
    ));
    all
}

/// A program that prints every expression, and uses the macros of the header as a plugin does.
fn program() -> String {
    let mut text =
        String::from("#define SMILES_PLUGIN_HELPERS\n#include \"smiles_plugin.h\"\n#include <stdio.h>\n");
    text.push_str(
        "SMILES_META(\"p\", \"1.0.0\", \"MIT\", \"{\\\"role\\\":\\\"sink\\\",\\\"type\\\":\\\"s\\\"}\");\n",
    );
    text.push_str("static const SmilesPlugin plugin = {sizeof(SmilesPlugin), SMILES_ABI_MINOR, SMILES_META_STR, NULL, 0, 0};\n");
    text.push_str("int main(void) {\n  printf(\"%.*s\\n\", (int)plugin.meta.len, plugin.meta.ptr);\n");
    for (expression, _) in facts() {
        writeln!(text, "  printf(\"%llu\\n\", (unsigned long long)({expression}));").expect("a string grows");
    }
    text.push_str("  return 0;\n}\n");
    text
}

#[track_caller]
fn check(compiler: &str, language: &str, standard: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (source, binary) = (folder.path().join("layout.c"), folder.path().join("layout"));
    std::fs::write(&source, program()).expect("the program is written");
    let built = Command::new(compiler)
        .args([
            "-x",
            language,
            standard,
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            "-I",
            env!("CARGO_MANIFEST_DIR"),
        ])
        .arg(&source)
        .arg("-o")
        .arg(&binary)
        .output()
        .unwrap_or_else(|error| panic!("{compiler} is needed for this test: {error}"));
    assert!(built.status.success(), "{compiler} {standard}: {}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(&binary).output().expect("the program runs");
    let said = String::from_utf8(ran.stdout).expect("numbers");
    let mut lines = said.lines();
    let meta = lines.next().expect("the metadata");
    assert!(meta.starts_with("{\"smiles_plugin\":1,\"abi\":{\"major\":1,\"minor\":0,\"needs\":0}"), "{meta}");
    assert!(meta.ends_with("\"stages\":[{\"role\":\"sink\",\"type\":\"s\"}]}"), "{meta}");
    let theirs: Vec<u64> = lines.map(|line| line.parse().expect("a number")).collect();
    let ours = facts();
    assert_eq!(theirs.len(), ours.len());
    for ((expression, ours), theirs) in ours.iter().zip(theirs) {
        assert_eq!(*ours, theirs, "{expression}: Rust says {ours}, {compiler} {theirs}");
    }
}

#[test]
fn c_agrees_with_rust() {
    check("cc", "c", "-std=c99");
    check("cc", "c", "-std=c17");
}

#[test]
fn cpp_agrees_with_rust() {
    check("c++", "c++", "-std=c++11");
    check("c++", "c++", "-std=c++20");
}

#[test]
fn the_header_is_self_contained() {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("smiles_plugin.h");
    assert_eq!(std::fs::read_to_string(header).expect("the header"), abi::HEADER);
    let (contract, helpers) =
        abi::HEADER.split_once("#ifdef SMILES_PLUGIN_HELPERS").expect("the helpers are at the end");
    assert!(helpers.contains("smiles_option"));
    for line in contract.lines().filter(|line| line.starts_with("#include")) {
        assert!(line.contains("<stddef.h>") || line.contains("<stdint.h>"), "{line}");
    }
}
