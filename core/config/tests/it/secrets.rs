//! A planted secret is in nothing that is printed, shown or stored, by whatever way it came.

use std::fmt::Debug;

use serde_json::{Value, json};
use smiles_config::Loaded;
use smiles_stage::{Path, Problem};

use crate::stages::load_texts;

const PLANTED: &str = "geheim77";

/// A file with these lines as options of its sink, of which some need not be known.
fn file(lines: &str) -> String {
    format!(
        "pipeline: p\nsources: {{m: {{type: meter, address: x}}}}\nsinks:\n  api:\n    type: api\n{lines}"
    )
}

fn debugged(what: &impl Debug) -> String {
    format!("{what:?} {what:#?}")
}

/// Everything that comes of a file, as texts.
fn all(loaded: &mut Loaded) -> String {
    let node = loaded.pipeline.as_ref().map_or(loaded.root, |pipeline| pipeline.sinks[0].stage.node);
    let problem = Problem::error(Path::root().key("listen"), format!("found `{PLANTED}`")).help(PLANTED);
    let own = loaded.diagnostics.render(false);
    loaded.diagnostics.problem(node, problem);
    let listed: Vec<String> = loaded.diagnostics.iter().map(|one| format!("{one:?} {one:#?}")).collect();
    [
        own,
        loaded.diagnostics.render(true),
        listed.concat(),
        loaded.resolved_yaml(),
        Value::Object(loaded.settings().clone()).to_string(),
        debugged(&loaded.pipeline),
        debugged(&loaded.diagnostics),
        debugged(&loaded.variables()),
        debugged(&loaded.retired),
    ]
    .join("\n")
}

#[test]
fn no_text_has_a_planted_secret() {
    let url = format!("mqtt://u:{PLANTED}@h:1883");
    let in_file: &[String] = &[
        format!("    listen: {url}\n"),
        format!("    listen: host=a password={PLANTED}\n"),
        format!("    listen: https://h/?access_token={PLANTED}&x=1\n"),
        format!("    listen: x\n    password: {PLANTED}\n"),
        format!("    listen: x\n    passwort: {PLANTED}\n"),
        format!("    listen: x\n    pasword:\n      - {PLANTED}\n"),
        format!("    listen: x\n    tokn: |\n      first\n      {PLANTED}\n"),
        format!("    listen: x\n    auth: {{user: a, secrt: {PLANTED}}}\n"),
        format!("    listen: {{url: \"{url}\"}}\n"),
        format!("    listen: ${{A:-{url}}}\n    store: [{url}]\n"),
        format!("    listen: ${{MY_PW:-{PLANTED}}}\n"),
        format!("    listen: x\n    enabled: 5\n    password:\n      {PLANTED}\n"),
    ];
    for lines in in_file {
        let text = file(lines);
        let mut loaded = load_texts(&[("main.yaml", &text)], &[]);
        let said = all(&mut loaded);
        assert!(!said.contains(PLANTED), "{lines}: {said}");
    }
    let by_variable: &[(&str, &str)] = &[
        ("DB_PASSWORD", "${DB_PASSWORD}"),
        ("MQTT_PASS", "${MQTT_PASS}"),
        ("X_PWD", "a ${X_PWD} b"),
        ("MQTT_PW", "${MQTT_PW}"),
        ("SECRET2", "${SECRET2}"),
        ("GH_TOKEN", "${GH_TOKEN}"),
        ("BASIC_AUTH", "${BASIC_AUTH}"),
        ("AUTHORIZATION", "${AUTHORIZATION}"),
        ("AWS_CREDENTIALS", "${AWS_CREDENTIALS}"),
        ("SESSION_COOKIE", "${SESSION_COOKIE}"),
        ("SENTRY_DSN", "${SENTRY_DSN}"),
        ("API_KEY", "${API_KEY}"),
        ("APIKEY", "${APIKEY}"),
        ("PRIVATE_KEY", "${PRIVATE_KEY}"),
        ("PASSPHRASE", "${PASSPHRASE}"),
        ("DB_PASWORD", "${DB_PASWORD}"),
        // By no name at all, but where it stands.
        ("PLAIN", "mqtt://u:${PLAIN}@h:1883"),
        ("PLAIN", "x\n    password: ${PLAIN}"),
        ("PLAIN", "x\n    pasword: ${PLAIN}"),
        ("PLAIN", "${PLAIN}\n    password: ${PLAIN}"),
    ];
    for (name, value) in by_variable {
        let text = file(&format!("    listen: {value}\n"));
        let mut loaded = load_texts(&[("main.yaml", &text)], &[(name, PLANTED)]);
        let said = all(&mut loaded);
        assert!(!said.contains(PLANTED), "{name} {value}: {said}");
    }
    let whole: &[(&str, &str)] =
        &[("BROKER", &url), ("LIST", &format!("[{{\"url\": \"{url}\", \"pw\": \"{PLANTED}\"}}]"))];
    for (name, value) in whole {
        let text = file(&format!("    listen: ${{{name}}}\n"));
        let mut loaded = load_texts(&[("main.yaml", &text)], &[(name, value)]);
        let said = all(&mut loaded);
        assert!(!said.contains(PLANTED), "{name}: {said}");
    }
}

#[test]
fn a_password_with_every_character_is_known_where_it_is_put_together() {
    let text = file("    listen: mqtt://${U}:${P}@h\n    store: ${P}\n");
    let loaded = load_texts(&[("main.yaml", &text)], &[("U", "me"), ("P", "a@b/c?d")]);
    let said = loaded.resolved_yaml() + &Value::Object(loaded.settings().clone()).to_string();
    assert!(!said.contains("a@b") && !said.contains("c?d"), "{said}");
}

#[test]
fn of_an_address_the_password_alone_is_hidden() {
    let text = file("    listen: ${BROKER}\n    store: mqtt://u:pw@h:1883/a\n");
    let loaded = load_texts(&[("main.yaml", &text)], &[("BROKER", "mqtt://me:pw@h:1883/b")]);
    let shown = |at: &str| loaded.resolved().pointer(at).cloned().unwrap_or_default();
    assert_eq!(shown("/sinks/api/listen"), json!("mqtt://me:***@h:1883/b"));
    assert_eq!(shown("/sinks/api/store"), json!("mqtt://u:***@h:1883/a"));
    let options = &loaded.pipeline.as_ref().expect("the file is sound").sinks[0].stage.options;
    assert_eq!(options["listen"], json!("mqtt://me:pw@h:1883/b"), "the stage gets it");
}

#[test]
fn a_secret_may_be_called_null() {
    for value in ["null", "~", "true", "5", "0x10"] {
        let quoted = file("    listen: x\n").replace("address: x", "address: x, password: \"${PW}\"");
        let plain = quoted.replace(
            "{m: {type: meter, address: x, password: \"${PW}\"}}",
            "\n  m:\n    type: meter\n    address: x\n    password: ${PW}",
        );
        assert_ne!(quoted, plain);
        for text in [quoted, plain] {
            let loaded = load_texts(&[("main.yaml", &text)], &[("PW", value)]);
            let said = loaded.diagnostics.render(false);
            let pipeline = loaded.pipeline.as_ref().unwrap_or_else(|| panic!("{value}: {said}"));
            assert_eq!(pipeline.sources[0].stage.options["password"], json!(value), "{said}");
            assert_eq!(loaded.resolved().pointer("/sources/m/password"), Some(&json!("***")));
        }
    }
}
