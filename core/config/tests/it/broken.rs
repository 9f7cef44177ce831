//! Files that are wrong: what a person reads. The expected texts stand in `broken.txt`; `UPDATE_GOLDEN=1` rewrites it.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use crate::stages::{load_texts, registry};

/// What is changed in the good files, in which environment.
struct Case {
    name: &'static str,
    /// File, text to replace, replacement; an empty text stands for the whole file.
    edits: &'static [(&'static str, &'static str, &'static str)],
    environment: &'static [(&'static str, &'static str)],
}

const MAIN: &str = "\
pipeline: plant
variables: !include variables.yaml
sources:
  DTU:
    for_each: ${json:DTU_CONFIGS:-}
    type: meter
    address: tcp://${item.host:-${DTU_HOST}}:502
    unit_id: ${item.unit_id:-${UNIT:-1}}
    every: ${PERIOD:-60}s
    device: !include device/map.yaml
transforms:
  - type: scale
    hour: ${RESET_HOUR:-23}
sinks:
  store:
    type: tables
    password: ${DB_PASSWORD:-}
    tables:
      rows:
        mode: append
  api:
    type: api
    listen: 0.0.0.0:${PORT:-80}
";
const VARIABLES: &str = "\
DTU_HOST: {type: string, description: the address of the DTU}
DTU_CONFIGS: {type: json}
UNIT: {type: string}
PERIOD: {type: string}
RESET_HOUR: {type: integer, minimum: 0, maximum: 23}
DB_PASSWORD: {type: string, secret: true}
PORT: {type: integer}
";
const DEVICE: &str = "\
fast: yes
blocks:
  - at: 0x1000 # °C
    fields:
      volts: {kind: number, unit: 0.1 V}
      name: {kind: text, length: 4}
";

const HOST: &[(&str, &str)] = &[("DTU_HOST", "10.0.0.5")];

const fn edit(name: &'static str, edits: &'static [(&'static str, &'static str, &'static str)]) -> Case {
    Case { name, edits, environment: HOST }
}

const fn set(name: &'static str, environment: &'static [(&'static str, &'static str)]) -> Case {
    Case { name, edits: &[], environment }
}

const CASES: &[Case] = &[
    // The file as such.
    edit("no such pipeline file", &[("main.yaml", "", "<absent>")]),
    edit("empty file", &[("main.yaml", "", "")]),
    edit("only comments", &[("main.yaml", "", "# nothing\n")]),
    edit("not a map", &[("main.yaml", "", "just a text\n")]),
    edit("not YAML", &[("main.yaml", "", "{\"a\": [1, 2\n")]),
    edit("binary", &[("main.yaml", "", "\u{0}\u{1}\u{2}PNG\n")]),
    edit("tab", &[("main.yaml", "    type: meter", "\ttype: meter")]),
    edit("indentation", &[("main.yaml", "    type: meter", "  type: meter")]),
    edit("colon in a text", &[("main.yaml", "0.0.0.0:${PORT:-80}", "a: b: c")]),
    edit("unclosed quote", &[("main.yaml", "0.0.0.0:${PORT:-80}", "\"0.0.0.0")]),
    edit("unquoted reference in brackets", &[("main.yaml", "mode: append", "{mode: append, key: [${A}]}")]),
    edit("braces as a key", &[("main.yaml", "0.0.0.0:${PORT:-80}", "\n      {{ port }}: 1")]),
    edit("two documents", &[("main.yaml", "sinks:", "---\nsinks:")]),
    edit("a key twice", &[("main.yaml", "    type: api\n", "    type: api\n    type: api\n")]),
    edit("unknown tag", &[("main.yaml", "!include device", "!env device")]),
    edit(
        "alias bomb",
        &[(
            "main.yaml",
            "rows:",
            "x: &a [1,1,1,1,1,1,1,1,1]\n      y: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n      z: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n      u: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n      v: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n      w: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n      rows:",
        )],
    ),
    // Includes.
    edit("no such include", &[("main.yaml", "device/map.yaml", "device/mab.yaml")]),
    edit("circle of includes", &[("device/map.yaml", "fast: yes", "fast: !include ../main.yaml")]),
    edit("error in an included file", &[("device/map.yaml", "fast: yes", "fast: perhaps\nfsat: no")]),
    edit("syntax error in an included file", &[("device/map.yaml", "fast: yes", "fast: [")]),
    edit("empty include", &[("device/map.yaml", "", "")]),
    // Variables.
    set("unset variable", &[]),
    Case {
        name: "empty variable with a message",
        edits: &[("main.yaml", "${PORT:-80}", "${PORT:?which port?}")],
        environment: &[("DTU_HOST", "a"), ("PORT", " ")],
    },
    set("unset variable, nearly set", &[("DTU_HOTS", "10.0.0.5")]),
    edit(
        "unset variable with a message",
        &[("main.yaml", "${DB_PASSWORD:-}", "${DB_PASSWORD:?look into the vault}")],
    ),
    edit("unclosed reference", &[("main.yaml", "${PORT:-80}", "${PORT:-80")]),
    edit("shell form", &[("main.yaml", "${PORT:-80}", "${PORT-80}")]),
    edit("bad name", &[("main.yaml", "${PORT:-80}", "${MY PORT}")]),
    edit("no such secret file", &[("main.yaml", "${DB_PASSWORD:-}", "${file:/run/secrets/none}")]),
    edit("json outside of for_each", &[("main.yaml", "${DB_PASSWORD:-}", "${json:DTU_CONFIGS:-}")]),
    edit("item outside of for_each", &[("main.yaml", "${DB_PASSWORD:-}", "${item.password}")]),
    edit("undeclared variable", &[("main.yaml", "${PORT:-80}", "${PROT:-80}")]),
    set("value of a wrong type", &[("DTU_HOST", "a"), ("PERIOD", "abc"), ("UNIT", "300")]),
    set("value out of its declared range", &[("DTU_HOST", "a"), ("RESET_HOUR", "99")]),
    set("value of a wrong declared type", &[("DTU_HOST", "a"), ("RESET_HOUR", "noon")]),
    // for_each.
    set("not JSON", &[("DTU_CONFIGS", "[{\"host\": \"a\",}]")]),
    set("not a list", &[("DTU_CONFIGS", "{\"host\": \"a\"}")]),
    set("not objects", &[("DTU_CONFIGS", "[\"10.0.0.5\", {\"host\": [1]}]")]),
    set("equal names", &[("DTU_CONFIGS", "[{\"host\": \"a\"}, {\"host\": \"b\"}]")]),
    set("misspelt field", &[("DTU_CONFIGS", "[{\"host\": \"a\", \"unitid\": 3}]")]),
    set("bad value in an item", &[("DTU_CONFIGS", "[{\"host\": \"a\", \"unit_id\": \"x\"}]")]),
    // Types.
    edit("misspelt key", &[("main.yaml", "    address:", "    adress:")]),
    edit("renamed key", &[("main.yaml", "    unit_id:", "    slave_id:")]),
    edit("missing key", &[("main.yaml", "    listen: 0.0.0.0:${PORT:-80}\n", "    store: store\n")]),
    edit("missing key in an included file", &[("device/map.yaml", "", "fast: yes\n")]),
    edit("bad unit", &[("device/map.yaml", "0.1 V", "0.1Volt")]),
    edit("bad duration", &[("main.yaml", "${PERIOD:-60}s", "60")]),
    edit("number in place of text", &[("device/map.yaml", "length: 4", "length: four")]),
    edit("number out of range", &[("device/map.yaml", "0x1000", "0x10000")]),
    edit(
        "list in place of a map",
        &[(
            "main.yaml",
            "    tables:\n      rows:\n        mode: append",
            "    tables:\n      - mode: append",
        )],
    ),
    edit("nothing in place of a map", &[("main.yaml", "      rows:\n        mode: append\n", "")]),
    edit("not one of", &[("main.yaml", "mode: append", "mode: apend")]),
    edit("what others call so", &[("main.yaml", "mode: append", "mode: Insert")]),
    edit("what others call so, and nothing here", &[("main.yaml", "mode: append", "mode: merge")]),
    edit("unknown variant", &[("device/map.yaml", "kind: text", "kind: txt")]),
    edit("no variant", &[("device/map.yaml", "kind: text, ", "")]),
    edit(
        "key of another variant",
        &[("device/map.yaml", "kind: text, length: 4", "kind: text, length: 4, unit: V")],
    ),
    edit("none of several forms", &[("main.yaml", "    hour:", "    factor: [1]\n    hour:")]),
    edit("unknown type", &[("main.yaml", "type: meter", "type: metre")]),
    edit("type of a plugin", &[("main.yaml", "type: api", "type: influx_db")]),
    edit("type of a plugin in another role", &[("main.yaml", "type: meter", "type: csv")]),
    edit("type of another role", &[("main.yaml", "type: meter", "type: tables")]),
    edit("type of nobody", &[("main.yaml", "type: scale", "type: kalman")]),
    edit("no type", &[("main.yaml", "    type: api\n", "")]),
    edit(
        "a stage that is no map",
        &[("main.yaml", "  - type: scale\n    hour: ${RESET_HOUR:-23}", "  - scale")],
    ),
    // The pipeline as a whole.
    edit("misspelt top key", &[("main.yaml", "sinks:", "sink:")]),
    edit("missing name", &[("main.yaml", "pipeline: plant\n", "")]),
    edit("bad name of a pipeline", &[("main.yaml", "pipeline: plant", "pipeline: My Plant")]),
    edit("bad journal", &[("main.yaml", "sinks:", "journal: {max_size: 1, on_full: drop}\nsinks:")]),
    edit("journal of another kind", &[("main.yaml", "sinks:", "journal: disk\nsinks:")]),
    edit("a sink named as a source", &[("main.yaml", "  api:", "  DTU:")]),
    edit("bad name of a sink", &[("main.yaml", "  api:", "  my api:")]),
    edit(
        "all sinks disabled",
        &[
            ("main.yaml", "    type: tables", "    type: tables\n    enabled: false"),
            ("main.yaml", "    type: api", "    type: api\n    enabled: off"),
        ],
    ),
    Case {
        name: "all sinks disabled by variables",
        edits: &[
            ("main.yaml", "    type: tables", "    type: tables\n    enabled: ${STORE:-true}"),
            ("main.yaml", "    type: api", "    type: api\n    enabled: ${API:-true}"),
            ("variables.yaml", "UNIT:", "STORE: {type: boolean}\nAPI: {type: boolean}\nUNIT:"),
        ],
        environment: &[("DTU_HOST", "a"), ("STORE", "no"), ("API", "OFF")],
    },
    edit("for_each on a sink", &[("main.yaml", "    type: api", "    type: api\n    for_each: x")]),
    edit("no source at all", &[("main.yaml", "sources:\n  DTU:", "sources: {}\nx:\n  DTU:")]),
    edit(
        "equal names of transforms",
        &[(
            "main.yaml",
            "  - type: scale",
            "  - {type: scale, name: a}\n  - {type: scale, name: a}\n  - type: scale",
        )],
    ),
    edit("bad name of a source", &[("main.yaml", "  DTU:", "  \"D\\tU\":")]),
    edit("transforms as a map", &[("main.yaml", "  - type: scale\n    hour:", "  scale:\n    hour:")]),
    edit("bad merge", &[("main.yaml", "    type: api\n", "    type: api\n    <<: 5\n")]),
    edit("a list for for_each", &[("main.yaml", "${json:DTU_CONFIGS:-}", "[{host: a, name: x}, 7]")]),
    edit("for_each of something else", &[("main.yaml", "${json:DTU_CONFIGS:-}", "${DTU_CONFIGS:-}")]),
    edit("bad declaration", &[("variables.yaml", "type: integer, minimum: 0", "type: int, min: 0")]),
    // Lines.
    edit(
        "unknown line",
        &[(
            "main.yaml",
            "sources:\n",
            "lines:\n  gateway: {address: a}\n  barn: {address: b}\nsources:\n  B: {type: bus, line: gatway}\n",
        )],
    ),
    edit(
        "no lines to name",
        &[("main.yaml", "sources:\n", "lines:\n  {}\nsources:\n  B: {type: bus, line: gateway}\n")],
    ),
    edit(
        "a line for a source that takes none",
        &[(
            "main.yaml",
            "sources:\n",
            "lines:\n  gateway: {}\nsources:\n  B: {type: meter, address: x, line: gateway}\n",
        )],
    ),
    edit(
        "no source uses a line",
        &[(
            "main.yaml",
            "sources:\n",
            "lines:\n  gateway: {}\n  barn: {address: b}\nsources:\n  B: {type: bus, line: gateway}\n",
        )],
    ),
    edit(
        "lines that are none",
        &[(
            "main.yaml",
            "sources:\n",
            "lines:\n  gateway: tcp://a:502\n  barn:\nsources:\n  B: {type: bus, line: gateway}\n",
        )],
    ),
    edit(
        "bad keys of a line",
        &[(
            "main.yaml",
            "sources:\n",
            "lines:\n  gateway: {adress: a, min_delay: 100, unit_id: 1}\nsources:\n  B: {type: bus, line: gateway}\n",
        )],
    ),
    edit(
        "bad name of a line",
        &[(
            "main.yaml",
            "sources:\n",
            "lines:\n  gateway: {}\n  \" \": {}\nsources:\n  B: {type: bus, line: gateway}\n",
        )],
    ),
    edit(
        "a list of lines",
        &[("main.yaml", "sources:\n", "lines:\n  - gateway\nsources:\n  B: {type: bus, line: gateway}\n")],
    ),
    edit(
        "a line that is no name",
        &[(
            "main.yaml",
            "sources:\n",
            "lines:\n  gateway: {}\nsources:\n  B: {type: bus, line: {name: gateway}}\n",
        )],
    ),
    edit(
        "an unset variable in a line",
        &[(
            "main.yaml",
            "sources:\n",
            "lines:\n  gateway: {address: \"${GW}\"}\nsources:\n  B: {type: bus, line: gateway}\n",
        )],
    ),
    Case {
        name: "an unknown line of a variable",
        edits: &[(
            "main.yaml",
            "sources:\n",
            "lines: {roof: {}}\nsources:\n  B: {type: bus, line: \"${UNIT}\"}\n",
        )],
        environment: &[("DTU_HOST", "a"), ("UNIT", "rof")],
    },
    edit(
        "an item in a line",
        &[("main.yaml", "sources:\n", "lines: {roof: {address: \"${item.host}\"}}\nsources:\n")],
    ),
    // Secrets.
    edit("a secret in the file", &[("main.yaml", "password: ${DB_PASSWORD:-}", "password: [hunter22]")]),
    Case {
        name: "a secret in a message",
        edits: &[("main.yaml", "mode: append", "mode: ${DB_PASSWORD}")],
        environment: &[("DTU_HOST", "a"), ("DB_PASSWORD", "hunter22")],
    },
    Case {
        name: "many at once, in order",
        edits: &[
            ("main.yaml", "mode: append", "mode: x"),
            ("main.yaml", "type: scale", "type: skale"),
            ("device/map.yaml", "at:", "att:"),
            ("main.yaml", "${PORT:-80}", "${PROT:-80}"),
        ],
        environment: &[],
    },
];

/// The files of a case; the first is the pipeline, under another name where it is absent.
fn files(case: &Case) -> [(&'static str, String); 3] {
    let mut files = [
        ("main.yaml", MAIN.to_owned()),
        ("variables.yaml", VARIABLES.to_owned()),
        ("device/map.yaml", DEVICE.to_owned()),
    ];
    for (name, from, to) in case.edits {
        let file = files.iter_mut().find(|(file, text)| file == name && text.contains(from));
        let Some((_, text)) = file else { panic!("{}: {from:?} is not in {name}", case.name) };
        *text = if from.is_empty() { (*to).to_owned() } else { text.replacen(from, to, 1) };
    }
    if files[0].1 == "<absent>" {
        files[0].0 = "mian.yaml";
    }
    files
}

fn rendered(case: &Case) -> String {
    let files = files(case);
    let all: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let loaded = match files[0].0 {
        "main.yaml" => load_texts(&all, case.environment),
        _ => crate::stages::load_file(&all, "main.yaml", case.environment),
    };
    assert_eq!(loaded.pipeline.is_none(), loaded.diagnostics.has_errors(), "{}", case.name);
    loaded.diagnostics.render(false)
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let mut all = String::new();
    for case in CASES {
        let text = rendered(case);
        assert!(!text.is_empty(), "{}: nothing is said", case.name);
        assert!(text.lines().count() <= 60, "{}: more than a screen\n{text}", case.name);
        assert!(!text.contains("hunter22"), "{}: a secret is shown\n{text}", case.name);
        let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        writeln!(all, "=== {}\n{}", case.name, text).unwrap();
    }
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/broken.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden, &all).unwrap();
    }
    let expected = std::fs::read_to_string(golden).unwrap_or_default();
    for (got, expected) in all.split("=== ").zip(expected.split("=== ")) {
        assert_eq!(got, expected, "got\n{got}");
    }
    assert_eq!(all, expected);
}

/// Cases in which each file is right by its JSON Schema: what is wrong is the value of a variable, a name that another place gives,
/// a file that is not there, or something that only `${...}` and units say.
const BEYOND: &[&str] = &[
    "a list for for_each",
    "a secret in a message",
    "a sink named as a source",
    "all sinks disabled",
    "all sinks disabled by variables",
    "an item in a line",
    "an unknown line of a variable",
    "an unset variable in a line",
    "bad declaration",
    "bad name",
    "bad name of a line",
    "bad name of a sink",
    "bad name of a source",
    "bad unit",
    "bad value in an item",
    "circle of includes",
    "empty variable with a message",
    "equal names",
    "equal names of transforms",
    "for_each of something else",
    "item outside of for_each",
    "json outside of for_each",
    "misspelt field",
    "no lines to name",
    "no source uses a line",
    "no such include",
    "no such pipeline file",
    "no such secret file",
    "not JSON",
    "not a list",
    "not objects",
    "shell form",
    "unclosed reference",
    "undeclared variable",
    "unknown line",
    "unknown tag",
    "unset variable",
    "unset variable with a message",
    "unset variable, nearly set",
    "value of a wrong declared type",
    "value of a wrong type",
    "value out of its declared range",
];

/// A file as an editor sees it: an include and a reference are texts.
fn json(value: serde_yaml::Value) -> Value {
    use serde_yaml::Value as Yaml;
    match value {
        Yaml::Tagged(tagged) => json(tagged.value),
        Yaml::Sequence(items) => items.into_iter().map(json).collect(),
        Yaml::Mapping(entries) => {
            let key = |key: Yaml| key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned);
            Value::Object(entries.into_iter().map(|(name, value)| (key(name), json(value))).collect())
        }
        plain => serde_json::to_value(plain).unwrap_or_default(),
    }
}

/// What an editor shows without any knowledge of the program: that a file is no YAML, or wrong by its schema.
#[test]
fn editors_refuse_what_is_wrong_or_it_is_beyond_them() {
    let registry = registry();
    let meter = registry.find_source("meter").unwrap().schema();
    let schemas = [
        ("main.yaml", smiles_config::schema(&registry)),
        ("device/map.yaml", smiles_config::included(&meter, "device", "device").unwrap()),
    ];
    let validators = schemas.map(|(file, schema)| (file, jsonschema::validator_for(&schema).unwrap()));
    let refused = |(file, text): &(&str, String)| {
        let parsed = serde_yaml::from_str::<serde_yaml::Value>(text).and_then(|mut value| {
            value.apply_merge()?;
            Ok(json(value))
        });
        let validator = validators.iter().find(|(known, _)| known == file);
        parsed.map_or(true, |value| validator.is_some_and(|(_, validator)| !validator.is_valid(&value)))
    };
    assert!(!files(&set("good", &[])).iter().any(refused), "the good files are right");
    let beyond: BTreeSet<&str> =
        CASES.iter().filter(|case| !files(case).iter().any(refused)).map(|case| case.name).collect();
    let listed: BTreeSet<&str> = BEYOND.iter().copied().collect();
    assert_eq!(beyond, listed, "left: what the schemas take; right: what is listed as beyond them");
}
