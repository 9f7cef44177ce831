//! Prometheus and Grafana of docker-compose.yml: their files say only what the bridge really serves.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::api::plant::stock;
use crate::bridge::root;
use crate::sequence::Device;

fn dashboard() -> Value {
    let text = fs::read_to_string(root().join("deploy/grafana/dashboards/smiles.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let targets =
        dashboard["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array());
    targets.flatten().map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// Every name that looks like one of our series.
fn series(expressions: &[String]) -> BTreeSet<&str> {
    let of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let names = expressions.iter().flat_map(|expression| expression.split(|letter| !of_name(letter)));
    names.filter(|name| name.starts_with("hoymiles_") || name.starts_with("smiles_")).collect()
}

#[test]
fn the_dashboard_asks_for_series_that_the_bridge_has() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    let bridge = stock(folder.path(), device.port, &[]);
    bridge.eventually("/api/inverters", |list| list[0]["id"].is_number());
    let served = bridge.get("/metrics").1;
    let expressions = expressions(&dashboard());
    let names = series(&expressions);
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let sample = served.lines().any(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
        });
        assert!(sample, "the dashboard shows `{name}`, which /metrics does not have:\n{served}");
    }
}

#[test]
fn prometheus_understands_its_file_and_every_expression() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yml");
    let mut text = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (number, expression) in expressions(&dashboard()).iter().enumerate() {
        let expression = serde_json::to_string(expression).unwrap();
        text.push_str(&format!("  - record: panel_{number}\n    expr: {expression}\n"));
    }
    fs::write(&rules, text).unwrap();
    promtool("rules", &rules);
    promtool("config", &root().join("deploy/prometheus.yml"));
}

fn promtool(what: &str, file: &Path) {
    let output =
        Command::new("promtool").args(["check", what]).arg(file).output().expect("make setup installs it");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn grafana_is_pointed_at_what_is_there() {
    let yaml = |name: &str| -> serde_yaml::Value {
        let text = fs::read_to_string(root().join("deploy/grafana/provisioning").join(name)).unwrap();
        serde_yaml::from_str(&text).unwrap()
    };
    let source = &yaml("datasources/prometheus.yml")["datasources"][0];
    let dashboard = dashboard();
    for panel in dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"].as_str(), source["uid"].as_str(), "{}", panel["title"]);
    }
    let compose: serde_yaml::Value =
        serde_yaml::from_str(&fs::read_to_string(root().join("docker-compose.yml")).unwrap()).unwrap();
    assert_eq!(source["url"].as_str(), Some("http://prometheus:9090"));
    assert!(compose["services"]["prometheus"].is_mapping(), "the host of that address");
    let mounts = compose["services"]["grafana"]["volumes"].as_sequence().unwrap();
    let mounts: Vec<&str> = mounts.iter().filter_map(|mount| mount.as_str()).collect();
    let folder =
        yaml("dashboards/smiles.yml")["providers"][0]["options"]["path"].as_str().unwrap().to_owned();
    assert!(mounts.contains(&format!("./deploy/grafana/dashboards:{folder}:ro").as_str()), "{mounts:?}");
    let home = &compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"];
    assert_eq!(home.as_str(), Some(format!("{folder}/smiles.json").as_str()));
}
