//! Files that are right: what they come to.

use std::time::Duration;

use serde_json::{Value, json};
use smiles_config::{Environment, OnFull, StartFrom, schema};
use smiles_stage::{Path, Problem};

use crate::stages::{load_texts, registry};

const MAIN: &str = "\
pipeline: plant
journal: {max_size: 64MiB, on_full: drop_oldest}
sources:
  DTU:
    for_each: ${json:DTU_CONFIGS:-}
    type: meter
    address: tcp://${item.host:-${DTU_HOST}}:${item.port:-${DTU_PORT:-502}}
    unit_id: ${item.unit_id:-${UNIT:-1}}
    every: ${PERIOD:-60}s
    device: !include device/map.yaml
transforms:
  - type: scale
    factor: {power: 0.1}
  - type: scale
    hour: ${RESET_HOUR:-23}
sinks:
  store:
    type: tables
    password: ${DB_PASSWORD:-}
    batch: {max_rows: 5}
    from: oldest
    tables:
      rows: {mode: append}
  api:
    type: api
    enabled: ${API:-true}
    listen: ${API_HOST:?say where}:80
    store: store
";
const DEVICE: &str = "\
fast: yes
blocks:
  - at: 0x1000
    serial: 0123
    fields:
      volts: {kind: number, unit: 0.1 V}
      name: {kind: text, length: 4}
";

fn files() -> Vec<(&'static str, &'static str)> {
    vec![("main.yaml", MAIN), ("device/map.yaml", DEVICE)]
}

fn resolved(files: &[(&str, &str)], environment: &[(&str, &str)], pointer: &str) -> Value {
    let loaded = load_texts(files, environment);
    assert!(loaded.pipeline.is_some(), "{}", loaded.diagnostics.render(false));
    loaded.resolved().pointer(pointer).cloned().unwrap_or_default()
}

#[test]
fn the_whole_file_becomes_a_declaration() {
    let environment = [("DTU_HOST", "10.0.0.5"), ("API", "No"), ("DB_PASSWORD", "12345"), ("PERIOD", "5")];
    let loaded = load_texts(&files(), &environment);
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.diagnostics.render(false));
    let pipeline = loaded.pipeline.as_ref().unwrap();
    assert_eq!(pipeline.name, "plant");
    assert_eq!((pipeline.journal.max_size, pipeline.journal.on_full), (64 << 20, OnFull::DropOldest));
    let source = &pipeline.sources[0];
    assert_eq!((source.stage.name.as_str(), source.every), ("DTU", Some(Duration::from_secs(5))));
    assert_eq!(
        *source.stage.options,
        json!({
            "address": "tcp://10.0.0.5:502",
            "unit_id": 1,
            "device": {"fast": true, "blocks": [{
                "at": 4096,
                "serial": "0123",
                "fields": {"volts": {"kind": "number", "unit": "0.1 V"}, "name": {"kind": "text", "length": 4}}
            }]}
        })
    );
    let names: Vec<&str> = pipeline.transforms.iter().map(|one| one.stage.name.as_str()).collect();
    assert_eq!(names, ["scale", "scale-2"]);
    assert_eq!(*pipeline.transforms[1].stage.options, json!({"hour": 23}));
    assert_eq!(pipeline.sinks.len(), 1, "the api is disabled, and what it needs is not asked for");
    let store = &pipeline.sinks[0];
    assert_eq!((store.from, store.max_rows), (StartFrom::Oldest, 5));
    assert_eq!(store.stage.options["password"], json!("12345"), "text, as the schema says");
    let shown = loaded.resolved_yaml();
    assert!(shown.contains("password: '***'") && !shown.contains("12345"), "{shown}");
}

#[test]
fn values_come_from_where_the_file_says() {
    let base = [("DTU_HOST", "a"), ("API_HOST", "b")];
    let with = |more: &[(&'static str, &'static str)]| [&base[..], more].concat();
    let files = [&files()[..], &[("secret", "hunter2\n")]].concat();
    let rows = [
        (with(&[]), "/sources/DTU/address", json!("tcp://a:502")),
        (with(&[("DTU_PORT", "")]), "/sources/DTU/address", json!("tcp://a:502")),
        (with(&[("DTU_HOST", "")]), "/sources/DTU/address", json!("tcp://:502")),
        (with(&[("DTU_CONFIGS", "[]")]), "/sources/DTU/address", json!("tcp://a:502")),
        (
            with(&[("DTU_CONFIGS", r#"[{"host": "x", "port": 1502}]"#)]),
            "/sources/DTU/address",
            json!("tcp://x:1502"),
        ),
        (
            with(&[(
                "DTU_CONFIGS",
                r#"[{"name": "roof", "host": "x"}, {"name": "barn", "host": "y", "unit_id": 7}]"#,
            )]),
            "/sources/barn/unit_id",
            json!(7),
        ),
        (with(&[("DB_PASSWORD", "x")]), "/sinks/store/password", json!("***")),
        (with(&[]), "/sinks/store/password", json!("")),
        (with(&[]), "/sinks/api/listen", json!("b:80")),
    ];
    for (environment, pointer, expected) in rows {
        assert_eq!(resolved(&files, &environment, pointer), expected, "{pointer} with {environment:?}");
    }
    let rows = [
        ("listen: ${file:secret}", json!("***")),
        ("listen: $${A}", json!("${A}")),
        ("listen: ${A:-$${B}}", json!("${B}")),
        ("listen: 'a ${A:-b} c'", json!("a b c")),
        ("listen: on", json!("on")),
        ("listen: &x y\n    store: *x", json!("y")),
        ("<<: {listen: merged, store: other}\n    store: own", json!("merged")),
    ];
    for (line, expected) in rows {
        let text = format!(
            "pipeline: p\nsources: {{m: {{type: meter, address: x}}}}\nsinks:\n  api:\n    type: api\n    {line}\n"
        );
        let files = [("main.yaml", text.as_str()), ("secret", "hunter2\n")];
        assert_eq!(resolved(&files, &[], "/sinks/api/listen"), expected, "{line}");
    }
}

#[test]
fn line_ends_and_marks_of_other_systems_are_fine() {
    let text = format!("\u{feff}{}", MAIN.replace('\n', "\r\n"));
    let files = [("main.yaml", text.as_str()), ("device/map.yaml", DEVICE)];
    assert_eq!(resolved(&files, &[("DTU_HOST", "a"), ("API_HOST", "b")], "/pipeline"), json!("plant"));
}

#[test]
fn a_stages_problem_is_shown_at_the_closest_place() {
    let mut loaded = load_texts(&files(), &[("DTU_HOST", "a"), ("API_HOST", "b")]);
    let node = loaded.pipeline.as_ref().unwrap().sources[0].stage.node;
    let rows = [
        (Path::root().key("unit_id"), ("main.yaml", 8, 14)),
        (Path::root().key("device").key("blocks").index(0).key("at"), ("device/map.yaml", 3, 9)),
        (Path::root().key("device").key("blocks").index(9), ("device/map.yaml", 2, 1)),
        (Path::root().key("nothing"), ("main.yaml", 4, 3)),
        (Path::root(), ("main.yaml", 4, 3)),
    ];
    for (path, expected) in rows {
        let message = format!("wrong at {path}");
        loaded.diagnostics.problem(node, Problem::error(path, message.clone()));
        let diagnostic = loaded.diagnostics.iter().find(|diagnostic| diagnostic.message == message).unwrap();
        let place = loaded.diagnostics.place(diagnostic).unwrap();
        assert_eq!((place.file.as_str(), place.line, place.column), expected, "{message}");
    }
    assert!(loaded.diagnostics.has_errors());
}

#[test]
fn variables_are_listed_and_the_retired_are_told() {
    let variables = "\
DTU_HOST: {type: string, description: the address of the DTU}
RESET_HOUR: {type: integer, minimum: 0, maximum: 23}
EXPIRE_AFTER: {retired: readings do not expire}
LOG_LEVEL: {unused: true, one_of: [INFO, DEBUG]}
";
    let main = MAIN.replace("pipeline: plant\n", "pipeline: plant\nvariables: !include variables.yaml\n");
    let files = [("main.yaml", main.as_str()), ("device/map.yaml", DEVICE), ("variables.yaml", variables)];
    let environment = [("DTU_HOST", " a "), ("API_HOST", "b"), ("EXPIRE_AFTER", "5"), ("LOG_LEVEL", "odd")];
    let loaded = load_texts(&files, &environment);
    assert!(loaded.pipeline.is_some(), "{}", loaded.diagnostics.render(false));
    let retired: Vec<&str> = loaded.retired.iter().map(|one| one.variable.as_str()).collect();
    assert_eq!(retired, ["EXPIRE_AFTER"]);
    let hour = loaded.variables().iter().find(|one| one.name == "RESET_HOUR").unwrap();
    assert_eq!((hour.default.as_deref(), hour.maximum, hour.required), (Some("23"), Some(23.0), false));
    assert_eq!(loaded.resolved()["sources"]["DTU"]["address"], json!("tcp://a:502"), "trimmed");
    let undeclared = loaded.diagnostics.iter().filter(|one| one.message.contains("is not declared")).count();
    assert_eq!(undeclared, 7, "warnings, not errors: {}", loaded.diagnostics.render(false));
}

#[test]
fn the_schema_knows_every_stage() {
    let schema = schema(&registry());
    let stages = &schema["properties"]["sources"]["anyOf"][0]["additionalProperties"]["anyOf"];
    assert_eq!(
        (&stages[0]["$ref"], &stages[1]["$ref"]),
        (&json!("#/$defs/source"), &json!("#/$defs/include"))
    );
    assert_eq!(schema["$defs"]["sink"]["properties"]["type"]["anyOf"][0]["enum"], json!(["api", "tables"]));
    assert!(schema["$defs"]["source.meter.Device"]["properties"]["blocks"].is_object());
    let text = schema.to_string();
    for reference in text.split("\"$ref\":\"").skip(1) {
        let target = reference.split('"').next().unwrap().trim_start_matches('#');
        assert!(schema.pointer(target).is_some(), "{target} leads nowhere");
    }
}

#[test]
fn an_environment_prints_no_values() {
    let mut environment = Environment::new().with("A", "geheim");
    assert!(!format!("{environment:?}").contains("geheim"));
    assert_eq!(environment.remove("A").as_deref(), Some("geheim"));
    assert_eq!(environment.get("A"), None);
}

#[test]
fn a_broken_list_costs_no_more_than_its_error() {
    // Everything that can be said is said at once, and nothing follows from what was said already.
    let loaded = load_texts(&files(), &[("DTU_HOST", "a"), ("API_HOST", "b"), ("DTU_CONFIGS", "[")]);
    let messages: Vec<&str> = loaded.diagnostics.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(messages, ["`DTU_CONFIGS` is not valid JSON: EOF while parsing a list at line 1 column 1"]);
    assert!(loaded.pipeline.is_none());
}

#[test]
fn a_stages_own_words_do_not_give_a_secret_away() {
    let environment = [("DTU_HOST", "a"), ("API_HOST", "b"), ("DB_PASSWORD", "hunter22")];
    let mut loaded = load_texts(&files(), &environment);
    let node = loaded.pipeline.as_ref().unwrap().sinks[0].stage.node;
    let problem = Problem::error(Path::root().key("password"), "invalid value: string \"hunter22\"")
        .help("not hunter22");
    loaded.diagnostics.problem(node, problem);
    let text = loaded.diagnostics.render(false);
    assert!(text.contains("invalid value: string \"***\"") && !text.contains("hunter22"), "{text}");
}

#[test]
fn one_screen_is_shown_and_the_rest_counted() {
    let lines: String = (0..50).map(|n| format!("    x{n}: 1\n")).collect();
    let text = format!(
        "pipeline: p\nsources: {{m: {{type: meter, address: x}}}}\nsinks:\n  s:\n    type: tables\n{lines}"
    );
    let loaded = load_texts(&[("main.yaml", &text)], &[]);
    assert_eq!(loaded.diagnostics.len(), 50);
    let shown = loaded.diagnostics.render(false);
    assert!(shown.lines().count() <= 62 && shown.ends_with(" more\n"), "{shown}");
}

#[test]
fn a_pipeline_is_switched_off_as_a_whole_and_checked_all_the_same() {
    let file = MAIN.replace("pipeline: plant\n", "pipeline: plant\nenabled: ${STORING:-true}\n");
    let load = |value: &str| {
        let environment = [("STORING", value), ("DTU_HOST", "10.0.0.5"), ("API_HOST", "::")];
        load_texts(&[("main.yaml", &file), ("device/map.yaml", DEVICE)], &environment)
    };
    for (value, enabled) in [("", true), ("true", true), ("false", false)] {
        let loaded = load(value);
        let pipeline =
            loaded.pipeline.as_ref().unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(false)));
        assert_eq!((pipeline.enabled, pipeline.sinks.len()), (enabled, 2), "{value:?}");
        assert_eq!(loaded.resolved().get("enabled"), (!enabled).then_some(&json!(false)), "{value:?}");
    }
    let said = load("maybe").diagnostics.render(false);
    assert!(said.contains("`maybe`") && said.contains("STORING"), "{said}");
}

#[test]
fn settings_and_fingerprint_tell_two_configurations_apart_and_no_secret() {
    let load = |password: &str, period: &str| {
        let environment =
            [("DB_PASSWORD", password), ("DTU_HOST", "10.0.0.5"), ("API_HOST", "::"), ("PERIOD", period)];
        load_texts(&files(), &environment)
    };
    let loaded = load("hunter22", "5");
    let settings = Value::Object(loaded.settings().clone());
    assert_eq!(settings["DB_PASSWORD"], "***");
    assert_eq!((&settings["PERIOD"], &settings["DTU_PORT"]), (&json!("5"), &json!("502")));
    assert!(!settings.to_string().contains("hunter22"), "{settings}");
    assert_eq!(loaded.fingerprint(), load("another secret", "5").fingerprint(), "a secret leaves no trace");
    assert_ne!(loaded.fingerprint(), load("hunter22", "6").fingerprint());
    assert_eq!(loaded.fingerprint().len(), 16);
}

const LINES: &str = "\
pipeline: plant
lines:
  gateway: {address: \"tcp://me:${PW}@${HOST}:502\", connect_delay: 1s}
  barn: !include barn.yaml
  auth: {}
sources:
  A: {type: bus, line: gateway}
  B:
    for_each: ${json:LIST:-}
    type: bus
    line: ${item.line:-barn}
  C: {type: bus, line: auth, enabled: false}
  D: {type: bus, address: x}
sinks:
  store: {type: tables}
";

#[test]
fn a_source_gets_the_line_that_it_names_and_complaints_of_it_stand_there() {
    let files = [("main.yaml", LINES.to_owned()), ("barn.yaml", "min_delay: 100ms\n".to_owned())];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let list = r#"[{"name": "x", "line": "gateway"}, {"name": "y"}]"#;
    let mut loaded = load_texts(&files, &[("PW", "hunter22"), ("HOST", "10.0.0.5"), ("LIST", list)]);
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.diagnostics.render(false));
    let sources = loaded.pipeline.as_ref().unwrap().sources.clone();
    let gateway =
        json!({"name": "gateway", "address": "tcp://me:hunter22@10.0.0.5:502", "connect_delay": "1s"});
    let barn = json!({"name": "barn", "min_delay": "100ms"});
    let lines: Vec<&Value> = sources.iter().map(|source| &source.stage.options["line"]).collect();
    assert_eq!(lines, [&gateway, &gateway, &barn, &Value::Null]);
    // For people the file is as it was written, without secrets.
    assert_eq!(loaded.resolved()["sources"]["y"]["line"], "barn");
    assert_eq!(loaded.resolved()["lines"]["gateway"]["address"], "***");
    assert!(!loaded.resolved_yaml().contains("hunter22"));
    let rows = [
        (0, "address", ("main.yaml", 3, 22)),
        (1, "connect_delay", ("main.yaml", 3, 67)),
        (0, "min_delay", ("main.yaml", 3, 3)),
        (0, "name", ("main.yaml", 7, 24)),
        (2, "min_delay", ("barn.yaml", 1, 12)),
        (2, "address", ("barn.yaml", 1, 1)),
        (2, "name", ("main.yaml", 11, 11)),
    ];
    for (source, key, expected) in rows {
        let message = format!("wrong: {key} of {source}, and not hunter22");
        let at = Path::root().key("line").key(key);
        loaded.diagnostics.problem(sources[source].stage.node, Problem::error(at, message));
        let said = format!("wrong: {key} of {source}, and not ***");
        let diagnostic = loaded.diagnostics.iter().find(|diagnostic| diagnostic.message == said).unwrap();
        let place = loaded.diagnostics.place(diagnostic).unwrap();
        assert_eq!((place.file.as_str(), place.line, place.column), expected, "{key} of {source}");
    }
    assert!(!loaded.diagnostics.render(false).contains("hunter22"));
}

#[test]
fn the_schema_has_lines_and_who_may_name_one() {
    let schema = schema(&registry());
    let line = &schema["properties"]["lines"]["anyOf"][0]["additionalProperties"]["anyOf"][0];
    let keys: Vec<&str> = line["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        (keys, &line["additionalProperties"]),
        (vec!["address", "connect_delay", "min_delay"], &json!(false))
    );
    let named = &schema["$defs"]["source.bus"]["properties"]["line"]["anyOf"][0];
    assert_eq!(named["format"], "line", "{named}");
}
