//! What an author does: begins a plugin, builds it, checks it, looks at it, follows the tutorial.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::{cargo, compile, compile_with, numbered, passes_check, run, rust_plugin, rust_plugin_with, said};
use crate::bridge::{finish, root};

#[test]
fn a_new_plugin_builds_and_passes_check_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let sdk = root().join("plugins/sdk").display().to_string();
    for kind in ["source", "transform", "sink"] {
        for lang in ["c", "rust"] {
            let name = format!("new_{lang}_{kind}");
            let args = ["plugin", "new", &name, "--lang", lang, "--kind", kind, "--sdk", &sdk];
            let output = finish(&args, &[], folder.path());
            assert!(output.status.success(), "{}", said(&output));
            let project = folder.path().join(&name);
            let library = if lang == "c" {
                let made = Command::new("make").arg("-s").current_dir(&project).output().unwrap();
                assert!(made.status.success(), "{name}: {}", said(&made));
                project.join(format!("lib{name}.so"))
            } else {
                cargo(&project, &[])
            };
            let report = passes_check(&library, None);
            assert!(report.contains(&name), "{report}");
        }
    }
    let again = finish(&["plugin", "new", "new_c_sink"], &[], folder.path());
    assert_eq!(again.status.code(), Some(2), "an existing folder is not written into");
    let bad = finish(&["plugin", "new", "My Plugin"], &[], folder.path());
    assert_eq!(bad.status.code(), Some(2), "{}", said(&bad));
}

/// The blocks of the documentation that begin with a file name, in order: language, name, text.
fn blocks(document: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let mut found = Vec::new();
    for block in text.split("\n```").skip(1).step_by(2) {
        let (_, body) = block.split_once('\n').unwrap_or_default();
        let first = body.lines().next().unwrap_or_default();
        if let Some((_, name)) = first.split_once("file: ") {
            found.push((name.trim_end_matches(" */").trim().to_owned(), body.to_owned()));
        }
    }
    found
}

#[test]
fn the_tutorial_builds_and_its_pipeline_runs() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let files = blocks("docs/plugins.md");
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["totals/Cargo.toml", "totals/src/lib.rs", "totals.c", "pipeline.yaml"]);
    for (name, text) in &files {
        let path = place.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let sdk = format!("path = {:?}", root().join("plugins/sdk"));
        let text = text
            .replace("git = \"https://github.com/hoymiles-smiles/hoymiles-smiles\", tag = \"v3.0.0\"", &sdk);
        fs::write(path, text).unwrap();
    }
    let library = cargo(&place.join("totals"), &[]);
    passes_check(&library, None);
    let c = compile_with(&root().join("plugins/abi"), &place.join("totals.c"), place, &[]);
    passes_check(&c, None);
    let yaml = &files[3].1;
    for library in [library, c] {
        let target = place.join("totals/target/release/libtotals.so");
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(library, target).unwrap();
        drop(fs::remove_file(place.join("totals.txt")));
        run(place, yaml);
        let text = fs::read_to_string(place.join("totals.txt")).unwrap();
        let sum: u64 = text.lines().map(|line| line.split(' ').next().unwrap().parse::<u64>().unwrap()).sum();
        assert_eq!(sum, 30, "{text}");
    }
}

#[test]
fn a_plugin_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    compile("plugins/examples/csv/csv.c", place, &[]);
    rust_plugin("plugins/examples/influxdb", place);
    fs::write(place.join("broken.so"), "no").unwrap();
    let list = finish(&["plugin", "list"], &[], place);
    let text = said(&list);
    assert!(list.status.success(), "{text}");
    assert!(text.contains("libcsv.so: csv 1.0.0 (MIT, ABI 1.0): sink csv"), "{text}");
    assert!(text.contains("libinfluxdb.so: influxdb 1.0.0 (MIT, ABI 1.0): sink influxdb"), "{text}");
    assert!(text.contains("broken.so: not usable: it is not a shared library"), "{text}");
    let inspect = said(&finish(&["plugin", "inspect", "libinfluxdb.so"], &[], place));
    for words in [
        "licence  MIT",
        "panic unwind",
        "sink influxdb, at least once",
        "url (string, required): where the server is",
    ] {
        assert!(inspect.contains(words), "no `{words}` in {inspect}");
    }
    let refused = finish(&["plugin", "inspect", "broken.so"], &[], place);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    let schema = finish(&["schema", "--plugin", "libcsv.so"], &[], place);
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert_eq!(schema["$defs"]["sink.csv"]["properties"]["folder"]["minLength"], 1, "{schema}");
}

#[test]
fn a_plugin_that_breaks_the_rules_is_told_which() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile("plugins/testing/faulty/faulty.c", folder.path(), &[]);
    let check = |options: &str| {
        let args = ["plugin", "check", library.to_str().unwrap(), "--options", options];
        let output = finish(&args, &[], folder.path());
        (output.status.code(), said(&output))
    };
    let into = folder.path().join("rows").display().to_string();
    let (code, text) = check(&format!("{{\"fault\": \"lie\", \"into\": {into:?}}}"));
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("nonsense in place of options is an error ... FAILED: `open` takes \"\" for options"),
        "{text}"
    );
    assert!(text.contains("FAILED: no nulls, no validity bitmaps: the flush says"), "{text}");
    assert!(text.contains("does not keep the rules"), "{text}");
}

/// Authors that ignore offsets or write to what they are given are found; one that rejects rows does nothing wrong.
#[test]
fn what_an_author_does_to_rows_is_judged_rightly() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile("plugins/testing/faulty/faulty.c", folder.path(), &[]);
    let into = folder.path().join("rows").display().to_string();
    let offsets = "rows come out the same wherever they begin in their memory";
    let shapes = "every type and shape of rows is taken, transformed and released";
    let left = "the rows it is given are left as they were";
    let says = "FAILED: no nulls, no validity bitmaps: it writes into the rows that it is given";
    let rows = [
        ("blind", offsets, "FAILED: a slice that begins at row 13: other rows come out"),
        ("blind", left, "ok"),
        ("reject", shapes, "ok"),
        ("reject", offsets, "ok"),
        ("scale", left, says),
        ("scribble", left, says),
    ];
    for (fault, rule, verdict) in rows {
        let options = format!("{{\"fault\": \"{fault}\", \"into\": {into:?}}}");
        let args = ["plugin", "check", library.to_str().unwrap(), "--options", &options];
        let text = said(&finish(&args, &[], folder.path()));
        let line = format!("{rule} ... {verdict}");
        assert!(text.contains(&line), "{fault}: no `{line}` in {text}");
    }
}

#[test]
fn what_could_not_be_tried_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile("plugins/examples/temperature/temperature.c", folder.path(), &[]);
    let root = folder.path().join("nothing").display().to_string();
    let options = format!("{{\"root\": {root:?}}}");
    let args = ["plugin", "check", library.to_str().unwrap(), "--options", &options];
    let output = finish(&args, &[], folder.path());
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("could not be tried here, 0 failed") && text.contains("--options"), "{text}");
}

/// A type that the program has itself is warned of, and a pipeline has the plugin's, or both.
#[test]
fn a_type_of_the_program_does_not_turn_a_plugin_away() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let begun = finish(&["plugin", "new", "sqlite", "--lang", "c", "--kind", "sink"], &[], place);
    assert!(
        begun.status.success() && said(&begun).contains("there is a built-in sink `sqlite`"),
        "{}",
        said(&begun)
    );
    let made = Command::new("make").arg("-s").current_dir(place.join("sqlite")).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let checked = passes_check(&place.join("sqlite/libsqlite.so"), None);
    assert!(checked.contains("there is a built-in sink `sqlite`"), "{checked}");
    let check = |plugin: &str, sinks: &str| {
        let yaml = format!(
            "pipeline: p\njournal: memory\nplugins: [{plugin}]\nsources: {{a: {{type: synthetic, rows: 1, passes: 1, columns: {{id: {{type: int, pattern: sequence}}}}}}}}\nsinks: {{{sinks}}}\n"
        );
        fs::write(place.join("pipeline.yaml"), yaml).unwrap();
        let output = finish(&["check", "pipeline.yaml"], &[], place);
        (output.status.success(), said(&output))
    };
    let built_in = "path: good.db, tables: {rows: {mode: append, create: true, columns: {id: id}}}";
    let (fine, text) = check("sqlite/libsqlite.so", "out: {type: sqlite, path: rows.txt}");
    assert!(fine && text.contains("is the sink of this plugin here, not the built-in one"), "{text}");
    let both = format!("out: {{type: my_sqlite, path: rows.txt}}, store: {{type: sqlite, {built_in}}}");
    let (fine, text) = check("{path: sqlite/libsqlite.so, prefix: my}", &both);
    assert!(fine && !text.contains("not the built-in one"), "{text}");
    let (fine, text) = check("{path: sqlite/libsqlite.so, prefix: My}", &both);
    assert!(!fine && text.contains("pipeline.yaml:3"), "{text}");
}

#[test]
fn a_plugin_works_whatever_it_was_optimised_for() {
    let folder = tempfile::tempdir().unwrap();
    // What it is built upon stays quick to build: optimised or not, it is as far from the host's own code.
    let settings = [
        "--config=profile.dev.opt-level=3",
        "--config=profile.dev.package.'*'.opt-level=0",
        "--config=profile.dev.panic='abort'",
    ];
    let library = rust_plugin_with("plugins/testing/panicking", folder.path(), &settings);
    passes_check(&library, None);
    let about = said(&finish(&["plugin", "inspect", "libpanicking.so"], &[], folder.path()));
    assert!(about.contains("panic abort"), "{about}");
}

#[test]
fn a_schema_that_asks_for_what_is_not_checked_is_refused_to_its_author_and_still_runs() {
    let folder = tempfile::tempdir().unwrap();
    let source = fs::read_to_string(root().join("plugins/examples/csv/csv.c")).unwrap();
    let odd = r#"\"minLength\":1,\"pattern\":\"(?=/)\","#;
    fs::write(folder.path().join("odd.c"), source.replacen(r#"\"minLength\":1,"#, odd, 1)).unwrap();
    let library = compile_with(&root().join("plugins/abi"), &folder.path().join("odd.c"), folder.path(), &[]);
    let place = "`pattern` at `/properties/folder/pattern` is not checked here";
    let refused = finish(&["plugin", "check", library.to_str().unwrap()], &[], folder.path());
    assert!(!refused.status.success() && said(&refused).contains(place), "{}", said(&refused));
    let yaml = format!(
        "pipeline: p\njournal: memory\nplugins: [libodd.so]\nsources: {{a: {}}}\nsinks: {{b: {{type: csv, folder: .}}}}\n",
        numbered(1, 1)
    );
    fs::write(folder.path().join("pipeline.yaml"), yaml).unwrap();
    let checked = finish(&["check", "pipeline.yaml"], &[], folder.path());
    let told = said(&checked);
    assert!(checked.status.success(), "{told}");
    assert!(told.contains("warning: the schema of the sink `csv`") && told.contains(place), "{told}");
}
