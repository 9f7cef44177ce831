//! The snippets of the documents: commands the binary knows, requests that are answered, YAML that is sound.

use std::fs;
use std::process::Command;

use serde_yaml::Value;

use super::{Page, pages};
use crate::api::plant::stock;
use crate::bridge::{Bridge, finish, root};
use crate::sequence::Device;

/// What a fenced block may be. Blocks without a word are drawings and sessions of a terminal.
const LANGUAGES: [&str; 9] = ["", "bash", "yaml", "text", "ini", "c", "rust", "toml", "sql"];

/// A fenced block.
struct Snippet<'a> {
    page: &'a str,
    language: &'a str,
    text: String,
}

fn snippets(page: &Page) -> Vec<Snippet<'_>> {
    let mut found = Vec::new();
    let mut open: Option<Snippet<'_>> = None;
    for line in page.text.lines() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(language)) => {
                open = Some(Snippet { page: &page.name, language: language.trim(), text: String::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(snippet), None) => {
                snippet.text.push_str(line);
                snippet.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a block has no end", page.name);
    found
}

/// The commands of a snippet: lines of a script, and what follows `$` in a session.
fn commands<'a>(snippet: &'a Snippet<'_>) -> Vec<&'a str> {
    let lines = snippet.text.lines().map(str::trim);
    match snippet.language {
        "bash" => lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect(),
        "" => lines.filter_map(|line| line.strip_prefix("$ ")).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_command_exists() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    let bridge = stock(folder.path(), device.port, &[]);
    bridge.eventually("/api/inverters", |list| list[0]["id"].is_number());
    let known = Known::read();
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for page in pages() {
        for snippet in snippets(&page) {
            assert!(
                LANGUAGES.contains(&snippet.language),
                "{}: unknown language `{}`",
                page.name,
                snippet.language
            );
            for command in commands(&snippet) {
                checked += 1;
                if let Err(why) = known.check(command, &bridge) {
                    wrong.push(format!("{}: {command}\n    {why}", snippet.page));
                }
            }
        }
    }
    assert!(checked > 50, "only {checked} commands were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What commands may name.
struct Known {
    services: Vec<String>,
    containers: Vec<String>,
    profiles: Vec<String>,
    targets: Vec<String>,
}

impl Known {
    fn read() -> Self {
        let compose = fs::read_to_string(root().join("docker-compose.yml")).unwrap();
        let compose: Value = serde_yaml::from_str(&compose).unwrap();
        let services = compose["services"].as_mapping().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let profiles = services.values().filter_map(|service| service["profiles"].as_sequence());
        let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
        let targets =
            makefile.lines().filter_map(|line| line.split_once(": ## ")).map(|(name, _)| name.to_owned());
        let containers = services.values().map(|service| text(&service["container_name"])).collect();
        Self {
            containers,
            profiles: profiles.flatten().map(text).collect(),
            services: services.keys().map(text).collect(),
            targets: targets.collect(),
        }
    }

    fn check(&self, command: &str, bridge: &Bridge) -> Result<(), String> {
        // What is asked to be kept in a variable.
        let command = command.split_once("=$(").map_or(command, |(_, asked)| asked.trim_end_matches(')'));
        let words = words(command);
        // Variables before a command.
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .skip_while(|word| word.contains('=') && !word.starts_with('-'))
            .collect();
        match words.as_slice() {
            ["smiles", arguments @ ..] => parses(arguments),
            ["curl", ..] => answers(command, bridge),
            ["make", target] => is_one_of(target, &self.targets),
            ["docker", "compose", rest @ ..] => self.compose(rest),
            ["docker", "build", "-t", "hoymiles-smiles:latest", "."] => Ok(()),
            ["cp", rest @ ..] => {
                let from = rest.iter().find(|word| !word.starts_with('-')).ok_or("copies nothing")?;
                if *from == ".env" { Ok(()) } else { exists(from) }
            }
            ["sudo", "install", "-d", _] | ["sudo", "systemctl", "enable", "--now", "smiles"] => Ok(()),
            ["sudo", "install", "-m", _, from, _] => {
                if *from == "target/release/smiles" {
                    Ok(())
                } else {
                    exists(from)
                }
            }
            ["docker", "run", rest @ ..] => {
                let image =
                    rest.iter().position(|word| *word == "hoymiles-smiles").ok_or("runs no image of ours")?;
                parses(&rest[image + 1..])
            }
            ["docker", "inspect", .., container] => is_one_of(container, &self.containers),
            ["docker", "image", "prune", "-f"] | ["git", "pull"] | ["nano", ".env"] => Ok(()),
            ["journalctl", "-u", "smiles", "-f"] | ["cd", _] | ["printf", ..] => Ok(()),
            ["git", "clone", address, ..] if address.ends_with("/hoymiles-smiles.git") => Ok(()),
            _ => Err("no rule of this test knows such a command".to_owned()),
        }
    }

    fn compose(&self, words: &[&str]) -> Result<(), String> {
        match words {
            ["--profile", "*", rest @ ..] => self.compose(rest),
            ["--profile", profile, rest @ ..] => {
                is_one_of(profile, &self.profiles).and_then(|()| self.compose(rest))
            }
            ["up", "-d"] | ["up", "-d", "--wait" | "--build"] | ["ps" | "build" | "down"] => Ok(()),
            ["logs", "-f", service] | ["logs" | "stop" | "restart", service] => {
                is_one_of(service, &self.services)
            }
            ["run", rest @ ..] => {
                let place = rest
                    .iter()
                    .position(|word| *word == "hoymiles-smiles")
                    .ok_or("runs no service of ours")?;
                parses(&rest[place + 1..])
            }
            ["exec", rest @ ..] => {
                let rest = rest.strip_prefix(&["-T"]).unwrap_or(rest);
                match rest {
                    ["hoymiles-smiles", "smiles", arguments @ ..] => parses(arguments),
                    ["postgres", "psql" | "pg_dump", "-U", "hoymiles", "-d", "hoymiles", ..] => Ok(()),
                    _ => Err("runs what no service has".to_owned()),
                }
            }
            _ => Err("no such use of docker compose is known".to_owned()),
        }
    }
}

/// A line as a shell takes it apart, without comment and redirections.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), None);
    for letter in line.chars() {
        match (quoted, letter) {
            (None, '\'' | '"') => quoted = Some(letter),
            (Some(quote), letter) if letter == quote => quoted = None,
            (None, ' ') => words.push(std::mem::take(&mut word)),
            (_, letter) => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    let end = words.iter().position(|word| matches!(word.as_str(), "#" | ">" | "<" | "|"));
    words.truncate(end.unwrap_or(words.len()));
    words
}

/// Arguments that the binary does not know are complained of before it comes to `--help`.
fn parses(arguments: &[&str]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--help"]).collect();
    let output = finish(&arguments, &[], folder.path());
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn answers(command: &str, bridge: &Bridge) -> Result<(), String> {
    let serial = bridge.json("/api/inverters")[0]["serial_number"].as_str().unwrap().to_owned();
    let command = command.split(" > ").next().unwrap_or(command);
    let command = command.replace("localhost:8080", &bridge.address()).replace("116182800001", &serial);
    let output = Command::new("sh")
        .args(["-c", &format!("{command} --silent --show-error --fail --output /dev/null")])
        .output()
        .unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn is_one_of(name: &str, names: &[String]) -> Result<(), String> {
    if names.iter().any(|known| known == name) {
        Ok(())
    } else {
        Err(format!("`{name}` is none of {names:?}"))
    }
}

fn exists(path: &str) -> Result<(), String> {
    if root().join(path).exists() { Ok(()) } else { Err(format!("`{path}` is not in the repository")) }
}

#[test]
fn every_device_is_sound() {
    let pages = pages();
    let devices = pages.iter().flat_map(snippets).filter(|snippet| {
        let parsed = serde_yaml::from_str::<Value>(&snippet.text).unwrap_or_default();
        snippet.language == "yaml" && (parsed.get("points").is_some() || parsed.get("blocks").is_some())
    });
    let mut checked = 0;
    for device in devices {
        let folder = tempfile::tempdir().unwrap();
        let pipeline = "pipeline: p
sources: {s: {type: modbus, address: 'tcp://192.0.2.1', every: 10s, device: !include device.yaml}}
sinks: {out: {type: sqlite, path: x.db, tables: {t: {mode: append, create: true, columns: {time: time}}}}}
";
        fs::write(folder.path().join("device.yaml"), &device.text).unwrap();
        fs::write(folder.path().join("p.yaml"), pipeline).unwrap();
        let output = finish(&["check", "p.yaml"], &[], folder.path());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("warning"), "{}\n{said}", device.text);
        checked += 1;
    }
    assert!(checked >= 2, "no document shows a device");
}

#[test]
fn every_yaml_is_sound() {
    let mut pipelines = 0;
    // The device that the pipeline of one document includes is the one of another.
    let device = pages()
        .iter()
        .flat_map(snippets)
        .find(|snippet| snippet.text.starts_with("blocks:") || snippet.text.contains("\nblocks:"))
        .map(|found| found.text);
    let device = device.expect("docs/devices.md shows a device");
    for page in pages() {
        for snippet in snippets(&page).into_iter().filter(|snippet| snippet.language == "yaml") {
            let parsed: Result<Value, _> = serde_yaml::from_str(&snippet.text);
            let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}\n{}", page.name, snippet.text));
            // Files of a tutorial belong together, and a test of its own builds and runs them.
            if parsed.get("sources").is_none() || snippet.text.starts_with("# file: ") {
                continue;
            }
            pipelines += 1;
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("meter.yaml"), &device).unwrap();
            fs::write(folder.path().join("snippet.yaml"), &snippet.text).unwrap();
            let output = finish(&["check", "snippet.yaml"], &[("DTU_HOST", "192.0.2.1")], folder.path());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}:\n{}\n{said}", page.name, snippet.text);
        }
    }
    assert!(pipelines > 0, "no document shows a pipeline");
}
