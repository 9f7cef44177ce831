//! `smiles test`: what passes, what a failure looks like, and what is no file of cases.

use std::fs;
use std::process::Output;

use crate::bridge::{finish, root};

const PIPELINE: &str = "pipeline: meter
sources:
  meter:
    type: synthetic
    every: 1s
    rows: 1
    columns:
      serial: {type: int, pattern: index}
      energy: {type: int, unit: 0.1 kWh, kind: counter, pattern: counter}
transforms:
  - type: unit_conversion
  - {type: counter, key: [serial], column: energy, max_rate: 10 kWh/h}
sinks:
  store: {type: sqlite, path: m.db, tables: {t: {mode: append, create: true, columns: {energy: energy}}}}
";

/// Runs these cases of the pipeline above.
fn test(cases: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("meter.yaml"), PIPELINE).unwrap();
    fs::write(folder.path().join("tests.yaml"), format!("pipeline: meter.yaml\ndate: 2026-06-01\n{cases}"))
        .unwrap();
    let args: Vec<&str> = ["test"].into_iter().chain(args.iter().copied()).chain(["tests.yaml"]).collect();
    let Output { status, stdout, stderr } = finish(&args, &[("DTU_HOST", "ignored")], folder.path());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn the_cases_of_the_stock_pipeline_pass_built_in_and_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let on_disk = root().join("pipelines/hoymiles/tests.yaml").display().to_string();
    for args in [
        vec!["test"],
        vec!["test", &on_disk],
        vec!["test", "--pipeline", "hoymiles.yaml"],
        vec!["test", "--pipeline", "hoymiles-sqlite.yaml", &on_disk],
    ] {
        let output = finish(&args, &[], folder.path());
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let last = said.lines().last().unwrap_or_default();
        assert!(last.ends_with("passed, 0 failed") && said.lines().count() > 35, "{said}");
    }
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "a test leaves nothing behind");
}

const DIFFERENT: &str = "cases:
  - name: goes
    given: {rows: {time: ['12:00', '12:06'], serial: [1, 1], energy: [10, 20]}}
    expect: {counter: {energy: [1, 2]}}
  - name: goes not
    given: {rows: {time: ['12:00', '12:06'], serial: [1, 1], energy: [10, 20]}}
    expect:
      unit_conversion: [{}, {energy: 2.5}]
      counter: [{energy: null}]
";

#[test]
fn a_difference_says_where_what_and_which_line_expects_it() {
    let (code, said, error) = test(DIFFERENT, &[]);
    assert_eq!(
        said,
        "tests.yaml
  ok      goes
  FAILED  goes not (tests.yaml:7)
          counter, row 1 of 2026-06-01T12:00:00Z, energy
            expected  null    (tests.yaml:11)
            got       1
          counter
            expected  1 row    (tests.yaml:11)
            got       2 rows
          unit_conversion, row 2 of 2026-06-01T12:06:00Z, energy
            expected  2.5    (tests.yaml:10)
            got       2
1 passed, 1 failed
"
    );
    assert_eq!((code, error.as_str()), (Some(1), "error: 1 of 2 cases failed\n"));
    let near = DIFFERENT.replace("cases:", "tolerance: 0.6\ncases:").replace("counter: [{energy: null}]", "");
    assert_eq!(test(&near, &[]).0, Some(0), "within the tolerance");
}

#[test]
fn json_and_filters_are_for_programs() {
    let (code, said, _) = test(DIFFERENT, &["--json", "--filter", "not"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(code, Some(1));
    assert_eq!(said[0]["cases"].as_array().map(Vec::len), Some(1));
    let case = &said[0]["cases"][0];
    assert_eq!((&case["name"], &case["passed"]), (&"goes not".into(), &false.into()));
    let last = &case["differences"][2];
    assert_eq!(
        (&last["stage"], &last["row"], &last["line"]),
        (&"unit_conversion".into(), &2.into(), &10.into())
    );
    assert_eq!((&last["expected"], &last["got"]), (&"2.5".into(), &"2".into()));
    assert_eq!(test(DIFFERENT, &["--filter", "goes n"]).0, Some(1));
    let (code, _, error) = test(DIFFERENT, &["--filter", "nowhere"]);
    assert_eq!((code, error.as_str()), (Some(2), "error: no case has `nowhere` in its name\n"));
}

#[test]
fn mistakes_in_the_file_are_shown_with_their_place() {
    let one = |given: &str, expect: &str| {
        format!("cases:\n  - name: a\n    given: {given}\n    expect: {expect}\n")
    };
    let row = "{rows: [{time: '12:00', serial: 1, energy: 1}]}";
    for (cases, said) in [
        ("cases: []".to_owned(), vec!["there is no case"]),
        ("case: []".to_owned(), vec!["unknown key `case`", "did you mean `cases`?"]),
        (one(row, "{}"), vec!["the case `a` expects nothing"]),
        (
            one(row, "{countr: []}"),
            vec!["no source or transform `countr`", "did you mean `counter`?", "tests.yaml:6:"],
        ),
        (
            one(row, "{counter: [{enrgy: 1}]}"),
            vec!["no column `enrgy` leaves `counter`", "did you mean `energy`?"],
        ),
        (
            one(row, "{counter: {energy: [1], serial: []}}"),
            vec!["`serial` has 0 values and another column has 1"],
        ),
        (
            one("{rows: [{time: noon, serial: 1, energy: 1}]}", "{counter: []}"),
            vec!["`noon` is no time such as `12:30`"],
        ),
        (one("{rows: [{serial: 1, energy: 1}]}", "{counter: []}"), vec!["the row has no `time`"]),
        (
            one("{rows: [{time: '12:00', serial: x, energy: 1}]}", "{counter: []}"),
            vec!["`\"x\"` is not a whole number of Int64"],
        ),
        (
            one("{rows: [{time: '12:00', enrgy: 1}]}", "{counter: []}"),
            vec!["the source has no column `enrgy`", "did you mean `energy`?"],
        ),
        (
            one("{rows: [{time: '12:00', like: night}]}", "{counter: []}"),
            vec!["there is no template `night`"],
        ),
        (
            one("{time: '12:00', image: {0x1000: '00'}}", "{counter: []}"),
            vec!["`meter` is no source of type `modbus`", "give it `rows`"],
        ),
        (
            one("{source: metre, rows: []}", "{counter: []}"),
            vec!["there is no source `metre`", "did you mean `meter`?"],
        ),
        (one("{}", "{counter: []}"), vec!["the step gives nothing"]),
        (one("{time: '12:00', rows: []}", "{counter: []}"), vec!["each row has its own `time`"]),
        (format!("timezone: Berlin\n{}", one(row, "{counter: []}")), vec!["unknown time zone `Berlin`"]),
        (format!("variables: {{X: [1]}}\n{}", one(row, "{counter: []}")), vec!["expected text"]),
    ] {
        let (code, _, error) = test(&cases, &[]);
        assert_eq!(code, Some(2), "{cases}: {error}");
        for said in said {
            assert!(error.contains(said), "{cases}\ndoes not say `{said}` but\n{error}");
        }
    }
    let (code, _, error) = test("cases: []\npipelin: x", &[]);
    assert_eq!(code, Some(2), "{error}");
}

#[test]
fn a_column_that_the_source_has_not_is_told_once_at_its_key() {
    let cases = "defaults: {serail: 1}
templates: {night: {enery: 0}, unused: {engery: 0}}
cases:
  - name: a
    defaults: {source: house}
    given:
      - rows: {time: ['12:00', '12:01', '12:02'], enrgy: [1, 2, 3], like: [night, ~, night]}
      - rows: [{time: '12:03', enrgy: 1}, {time: '12:04', enrgy: 1}]
    expect: {counter: {engy: [1, 2]}}
  - name: b
    given: {rows: [{time: '12:00', serial: 1, energy: 1}]}
    expect: {countr: []}
";
    let (code, _, error) = test(cases, &[]);
    let places = [
        ("`serail`", "tests.yaml:3:12", "serial"),
        ("`enery`", "tests.yaml:4:21", "energy"),
        ("`source`", "tests.yaml:7:16", "which source gives the rows"),
        ("`enrgy`", "tests.yaml:9:51", "energy"),
        ("`enrgy`", "tests.yaml:10:32", "energy"),
        ("`engy`", "tests.yaml:11:24", "energy"),
        ("`countr`", "tests.yaml:14:14", "counter"),
    ];
    let complaints: Vec<&str> = error.split("error: ").filter(|text| !text.is_empty()).collect();
    assert_eq!((code, complaints.len()), (Some(2), places.len()), "{error}");
    for (complaint, (column, place, help)) in complaints.iter().zip(places) {
        let says = |text: &str| complaint.contains(text);
        assert!(says(column) && says(place) && says(help), "{place} of {column}: {complaint}");
    }
}

#[test]
fn a_pipeline_that_is_broken_or_lacks_a_variable_is_named_with_its_case() {
    let folder = tempfile::tempdir().unwrap();
    let cases =
        "pipeline: hoymiles-sqlite.yaml\ncases: [{name: a, given: {rows: []}, expect: {counter: []}}]\n";
    fs::write(folder.path().join("tests.yaml"), cases).unwrap();
    let output = finish(&["test", "tests.yaml"], &[("DTU_HOST", "192.0.2.1")], folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "the environment is not looked at: {said}");
    assert!(said.contains("tests.yaml: case `a`:") && said.contains("DTU_HOST"), "{said}");
    fs::write(
        folder.path().join("tests.yaml"),
        cases.replace("cases", "variables: {DTU_HOST: 192.0.2.1}\ncases"),
    )
    .unwrap();
    assert!(finish(&["test", "tests.yaml"], &[], folder.path()).status.success());
    let row = "rows: [{time: '2026-06-01T12:00:00Z', serial_number: \"1161\"}]";
    let cases = cases.replace("cases", "variables: {DTU_HOST: 192.0.2.1}\ncases").replace("rows: []", row);
    fs::write(folder.path().join("tests.yaml"), cases).unwrap();
    let said = finish(&["test", "tests.yaml"], &[], folder.path()).stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("the source always has a value for `port_number`, `pv_voltage`"), "{said}");
}

const TABLES: &str = "pipeline: p
sources:
  meter:
    type: modbus
    address: tcp://127.0.0.1:1
    unit_id: 7
    every: 1s
    device:
      blocks:
        c: {read: coils, address: 10, count: 3, fields: {x: {at: 0, type: bool}, z: {at: 2, type: bool}}}
        d: {read: discrete, address: 10, count: 1, fields: {v: {at: 0, type: bool}}}
        h: {read: holding, address: 10, count: 1, fields: {y: {at: 0, type: u16}}}
        i: {read: input, address: 10, count: 1, fields: {w: {at: 0, type: u16}}}
sinks:
  out: {type: sqlite, path: x.db, tables: {t: {mode: append, create: true, columns: {x: x, y: y}}}}
";

#[test]
fn registers_of_a_case_are_told_apart_by_their_table() {
    let rows = [
        (
            "{holding: {10: 0007}, input: {0x0a: 12e4}, coils: {10: [true, false, true]}, discrete: {10: true}}",
            "{x: true, z: true, v: true, y: 7, w: 4836}",
        ),
        (
            "{holding 10: 0007, input 10: '0010', coils: {10: true, 12: '01'}, discrete 10: false}",
            "{x: true, z: true, v: false, y: 7, w: 16}",
        ),
        ("{10: 0007, coils 10: 04}", "{x: false, z: true, v: false, y: 7, w: 7}"),
    ];
    let mut cases = "pipeline: p.yaml\ndate: 2026-06-21\ncases:\n".to_owned();
    for (image, row) in rows {
        let given = format!("{{time: '12:00', image: {image}}}");
        cases.push_str(&format!(
            "  - {{name: '{}', given: {given}, expect: {{meter: [{row}]}}}}\n",
            cases.len()
        ));
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.yaml"), TABLES).unwrap();
    fs::write(folder.path().join("tests.yaml"), cases).unwrap();
    let output = finish(&["test", "tests.yaml"], &[], folder.path());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.ends_with("3 passed, 0 failed\n"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_schema_of_cases_is_for_editors() {
    let folder = tempfile::tempdir().unwrap();
    let output = finish(&["schema", "--tests"], &[], folder.path());
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["title"], "S-Miles test cases");
    for key in ["pipeline", "cases", "templates"] {
        assert!(schema["properties"][key].is_object(), "the schema does not know {key}");
    }
}
