//! What was written for the earlier system goes on to work: its README's commands and scrape configuration, and a client
//! that asks in the sequence of its Home Assistant component.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::api::plant::stock;
use crate::bridge::{Bridge, PATIENCE, get, now, pause};
use crate::sequence::Device;

/// The README's commands, word for word.
const COMMANDS: [&str; 5] = [
    "curl http://localhost:8080/api/inverters",
    "curl http://localhost:8080/api/inverters/123456789012",
    "curl http://localhost:8080/api/inverters/123456789012/history?limit=100",
    "curl http://localhost:8080/api/production/current",
    "curl http://localhost:8080/health",
];

/// The README's scrape configuration, word for word.
const SCRAPE: &str = "
scrape_configs:
  - job_name: 'hoymiles-smiles'
    static_configs:
      - targets: ['hoymiles-smiles:8080']
";

fn bridge(device: &Device, folder: &std::path::Path) -> (Bridge, String) {
    let bridge = stock(folder, device.port, &[]);
    let list = bridge.eventually("/api/inverters", |list| list[0]["id"].is_number());
    let serial = list[0]["serial_number"].as_str().unwrap().to_owned();
    (bridge, serial)
}

#[test]
fn the_commands_of_the_readme_answer() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    let (bridge, serial) = bridge(&device, folder.path());
    for command in COMMANDS {
        let command = command.replace("localhost:8080", &bridge.address()).replace("123456789012", &serial);
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        let body: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{command}: {error}: {}", String::from_utf8_lossy(&output.stdout))
        });
        let answers = match &body {
            Value::Array(rows) => !rows.is_empty() && rows.iter().all(Value::is_object),
            Value::Object(members) => !members.contains_key("detail"),
            _ => false,
        };
        assert!(answers, "{command}: {body}");
    }
}

/// Reads as the earlier component did: every field that its entities showed, of the type they took it for.
#[test]
fn the_earlier_component_finds_its_fields() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    let (bridge, _) = bridge(&device, folder.path());
    bridge.eventually("/stats", |stats| stats["total_records"].as_u64().is_some_and(|rows| rows > 0));

    let health = bridge.json("/health");
    assert_eq!(health["healthy"], true);
    assert!(health["uptime_seconds"].is_number() && health["start_time"].is_string(), "{health}");
    let dtu = &health["dtus"]["DTU"];
    assert_eq!(dtu["status"], "online");
    for (name, present) in [
        ("query_count", dtu["query_count"].is_u64()),
        ("error_count", dtu["error_count"].is_u64()),
        ("seconds_since_last_success", dtu["seconds_since_last_success"].is_number()),
        ("last_successful_query", dtu["last_successful_query"].is_string()),
        ("last_error", dtu.get("last_error").is_some()),
        ("last_error_time", dtu.get("last_error_time").is_some()),
    ] {
        assert!(present, "{name} of {dtu}");
    }

    let stats = bridge.json("/stats");
    assert!(stats["database_size_bytes"].is_u64() && stats["total_records"].is_u64(), "{stats}");

    let inverters = bridge.json("/api/inverters");
    for inverter in inverters.as_array().unwrap() {
        let serial = inverter["serial_number"].as_str().unwrap();
        assert_eq!(inverter["dtu_name"], "DTU");
        for column in [
            "grid_voltage",
            "grid_frequency",
            "temperature",
            "operating_status",
            "alarm_code",
            "alarm_count",
            "link_status",
        ] {
            assert!(inverter[column].is_number(), "{column} of {inverter}");
        }
        assert!(inverter.get("inverter_type").is_some(), "{inverter}");
        let one = bridge.json(&format!("/api/inverters/{serial}"));
        assert_eq!(one["serial_number"].as_str(), Some(serial));
        let ports = bridge.json(&format!("/api/inverters/{serial}/ports"));
        let ports = ports.as_array().unwrap();
        assert!(!ports.is_empty());
        for port in ports.iter().chain(inverter["ports"].as_array().unwrap()) {
            for column in [
                "port_number",
                "pv_voltage",
                "pv_current",
                "pv_power",
                "today_production",
                "total_production",
            ] {
                assert!(port[column].is_number(), "{column} of {port}");
            }
        }
    }
}

/// Ends with this value.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn a_real_prometheus_scrapes_by_the_readmes_file() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    let (bridge, _) = bridge(&device, folder.path());
    // Under the name that the compose network gives the bridge there is nobody here, and a minute is long.
    let file = SCRAPE.replace("hoymiles-smiles:8080", &bridge.address());
    let config = folder.path().join("prometheus.yml");
    fs::write(&config, format!("global:\n  scrape_interval: 1s\n{file}")).unwrap();
    let address =
        format!("127.0.0.1:{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let log = fs::File::create(folder.path().join("prometheus.log")).unwrap();
    let _prometheus = Prometheus(
        Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("make setup installs it"),
    );
    let deadline = now() + PATIENCE;
    for (query, least) in [
        ("hoymiles_inverter_power_watts", 0.0),
        ("hoymiles_total_production_wh", 1.0),
        ("up%7Bjob=%22hoymiles-smiles%22%7D", 1.0),
    ] {
        loop {
            let answer = get(&address, &format!("/api/v1/query?query={query}")).unwrap_or_default().1;
            let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
            let value =
                answer["data"]["result"][0]["value"][1].as_str().and_then(|text| text.parse::<f64>().ok());
            if value.is_some_and(|value| value >= least) {
                break;
            }
            assert!(
                now() < deadline,
                "{query}: {answer}\n{}",
                fs::read_to_string(folder.path().join("prometheus.log")).unwrap()
            );
            pause();
        }
    }
}
