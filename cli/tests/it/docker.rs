//! The container files: compose parses, its variables are the documented ones, the image is built from what is here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// What the published README promises of `env.example`.
const README_VALUES: [(&str, &str); 19] = [
    ("DB_TYPE", "postgres"),
    ("DB_HOST", "postgres"),
    ("DB_PORT", "5432"),
    ("DB_NAME", "hoymiles"),
    ("DB_USER", "hoymiles"),
    ("DB_PASSWORD", "hoymiles_password"),
    ("DB_POOL_SIZE", "10"),
    ("DB_MAX_OVERFLOW", "20"),
    ("DTU_HOST", "192.168.1.100"),
    ("DTU_PORT", "502"),
    ("MODBUS_UNIT_ID", "1"),
    ("QUERY_PERIOD", "60"),
    ("RESET_HOUR", "23"),
    ("TIMEZONE", "UTC"),
    ("HEALTH_ENABLED", "true"),
    ("HEALTH_PORT", "8080"),
    ("METRICS_ENABLED", "true"),
    ("LOG_LEVEL", "INFO"),
    ("LOG_TO_CONSOLE", "true"),
];

#[test]
fn env_example_holds_the_values_of_the_readme() {
    let set = env_example(Lines::Set);
    let promised = README_VALUES.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(set, BTreeMap::from(promised));
}

#[test]
fn compose_parses_with_the_example_and_with_several_dtus() {
    compose_accepts(&root().join("env.example"));
    // The commented lines of the example must work as they stand once their mark is taken away.
    let offered = env_example(Lines::Offered);
    let lines: Vec<String> = offered.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    assert!(!lines.is_empty(), "env.example offers DTU_CONFIGS as a comment");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), lines.concat()).unwrap();
    let config = compose_accepts(file.path());
    let list = config["services"]["hoymiles-smiles"]["environment"]["DTU_CONFIGS"].as_str().unwrap();
    let dtus: Vec<serde_json::Value> = serde_json::from_str(list).unwrap();
    assert!(dtus.len() > 1 && dtus.iter().all(|dtu| dtu["host"].is_string()), "several hosts: {list}");
}

#[test]
fn compose_variables_are_documented_and_default_to_the_example() {
    let offered = env_example(Lines::Offered);
    let documented: BTreeMap<_, _> = env_example(Lines::Set).into_iter().chain(offered.clone()).collect();
    let references = variables(&(read("docker-compose.yml") + &read("deploy/postgres-port.yml")));
    assert!(!references.is_empty());
    for (name, default) in references {
        let example = documented.get(&name).unwrap_or_else(|| panic!("`{name}` is not in env.example"));
        let default = default.unwrap_or_else(|| panic!("`${{{name}}}` has no default in docker-compose.yml"));
        // What the example only offers has the bridge's own default.
        let without = offered.contains_key(&name);
        // Its example is the other choice.
        let other = name == "POSTGRES_REPLICAS" && default == "1";
        assert!(default == *example || other || (without && default.is_empty()), "{name}: {default}");
    }
}

#[test]
fn compose_brings_the_database_and_the_bridge_knows_it() {
    let config = compose_accepts(&root().join("env.example"));
    let (database, bridge) = (&config["services"]["postgres"], &config["services"]["hoymiles-smiles"]);
    assert_eq!(database["image"], "postgres:16-alpine");
    for (ours, theirs) in
        [("DB_NAME", "POSTGRES_DB"), ("DB_USER", "POSTGRES_USER"), ("DB_PASSWORD", "POSTGRES_PASSWORD")]
    {
        assert!(bridge["environment"][ours].is_string(), "{ours}");
        assert_eq!(bridge["environment"][ours], database["environment"][theirs], "{ours}");
    }
    assert_eq!(bridge["environment"]["DB_HOST"], "postgres", "the service's own name");
    // A database that is not well must not keep the bridge from collecting.
    assert_eq!(bridge["depends_on"]["postgres"]["condition"], "service_started");
    assert!(database["healthcheck"]["test"].is_sequence());
    let volumes: Vec<_> = database["volumes"].as_sequence().unwrap().iter().collect();
    // The name of the earlier system's volume: its database is adopted.
    assert!(format!("{volumes:?}").contains("postgres-data"), "{volumes:?}");
}

/// What is said in `.env` reaches the bridge, and nothing else: an owner who sets a token has a guarded API, and one who sets
/// what is retired hears of it.
#[test]
fn compose_gives_the_bridge_every_variable_it_reads() {
    let compose: serde_yaml::Value = serde_yaml::from_str(&read("docker-compose.yml")).unwrap();
    let given = compose["services"]["hoymiles-smiles"]["environment"].as_mapping().unwrap();
    let given: BTreeSet<&str> = given.keys().filter_map(serde_yaml::Value::as_str).collect();
    let declared: serde_yaml::Mapping =
        serde_yaml::from_str(&read("pipelines/hoymiles/variables.yaml")).unwrap();
    let mut declared: BTreeSet<&str> = declared.keys().filter_map(serde_yaml::Value::as_str).collect();
    // Of the container: the volume, and every address in it.
    for ours in ["DATA_DIR", "HEALTH_HOST"] {
        assert!(declared.remove(ours));
    }
    assert_eq!(given, declared);
    // Always the same inside; in `.env` it is the port of the host.
    assert!(declared.remove("HEALTH_PORT"));

    let file = tempfile::NamedTempFile::new().unwrap();
    let lines: Vec<String> = declared.iter().map(|name| format!("{name}=said-{name}\n")).collect();
    fs::write(file.path(), lines.concat()).unwrap();
    let config = compose_accepts(file.path());
    let bridge = &config["services"]["hoymiles-smiles"]["environment"];
    for name in &declared {
        assert_eq!(bridge[name].as_str(), Some(format!("said-{name}").as_str()), "{name}");
    }
}

/// Whoever reads the example sees every variable that the stock pipelines and the program have; and each of its lines does something.
#[test]
fn env_example_has_every_variable_and_no_other() {
    let said: BTreeSet<String> =
        env_example(Lines::Set).into_keys().chain(env_example(Lines::Offered).into_keys()).collect();
    let declared: serde_yaml::Mapping =
        serde_yaml::from_str(&read("pipelines/hoymiles/variables.yaml")).unwrap();
    let current = declared.iter().filter(|(_, variable)| variable["retired"].is_null());
    let current: BTreeSet<String> = current.map(|(name, _)| name.as_str().unwrap().to_owned()).collect();
    let missing: Vec<&String> = current.difference(&said).collect();
    // Both are set by the image or by the unit of systemd.
    assert_eq!(missing, ["DATA_DIR", "HEALTH_HOST"]);
    let compose = read("docker-compose.yml") + &read("deploy/postgres-port.yml");
    for name in said.difference(&current).filter(|name| *name != "COMPOSE_FILE") {
        assert!(compose.contains(&format!("${{{name}")), "`{name}` does nothing");
    }
}

#[test]
fn compose_publishes_what_somebody_asked_for() {
    let config = compose_accepts(&root().join("env.example"));
    let ports = |service: &str| format!("{:?}", config["services"][service]["ports"]);
    assert!(config["services"]["postgres"]["ports"].is_null(), "{}", ports("postgres"));
    for service in ["prometheus", "grafana"] {
        assert!(ports(service).contains("127.0.0.1"), "{}", ports(service));
    }
    let published: serde_yaml::Value = serde_yaml::from_str(&read("deploy/postgres-port.yml")).unwrap();
    let port = published["services"]["postgres"]["ports"][0].as_str().unwrap();
    assert!(port.starts_with("${POSTGRES_BIND:-127.0.0.1}:"), "{port}");
}

/// Compose's reading and the image's own: with `up --wait` a bridge that is ready is waited for no longer than needed.
#[test]
fn the_health_check_is_quick_in_both_files() {
    let config = compose_accepts(&root().join("env.example"));
    let check = &config["services"]["hoymiles-smiles"]["healthcheck"];
    assert_eq!((check["interval"].as_str(), check["test"][1].as_str()), (Some("10s"), Some("smiles")));
    assert!(read("Dockerfile").contains("HEALTHCHECK --interval=10s"));
}

/// Verified connections to a database need them, and the base image has none.
#[test]
fn image_has_authorities_and_no_program_with_rights_of_its_own() {
    let dockerfile = read("Dockerfile");
    let last = dockerfile.rsplit("\nFROM ").next().unwrap();
    assert!(last.contains(" /etc/ssl/certs/ca-certificates.crt\n"), "{last}");
    assert!(last.contains("-perm /6000 -exec chmod a-s"), "{last}");
}

#[test]
fn image_copies_what_exists_and_the_context_lets_through() {
    let ignore = read(".dockerignore");
    let sources = copied();
    assert!(sources.contains("Cargo.lock"), "{sources:?}");
    for source in &sources {
        assert!(root().join(source).exists(), "the Dockerfile copies `{source}`, which is not in the tree");
        let allowed = ignore.lines().any(|line| line.strip_prefix('!') == Some(source));
        assert!(allowed, "the Dockerfile copies `{source}`, which .dockerignore does not let through");
    }
}

#[test]
fn image_has_every_crate_and_every_embedded_file() {
    let sources = copied();
    let shelves = shelves();
    assert!(shelves.contains("core") && shelves.contains("cli"), "{shelves:?}");
    for shelf in &shelves {
        assert!(sources.contains(shelf), "the Dockerfile does not copy the crates of `{shelf}`");
        walk(&root().join(shelf), &mut |file| {
            let text = fs::read_to_string(file).unwrap_or_default();
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("rs") => embeds_only_copied(file, &text, &sources),
                Some("toml") => has_roots_where_the_image_keeps_them(file, &text),
                _ => {}
            }
        });
    }
}

/// `include_str!` and its like must find their file in the image's build, too.
fn embeds_only_copied(file: &Path, text: &str, sources: &BTreeSet<String>) {
    if file.components().any(|part| part.as_os_str() == "tests") {
        return;
    }
    for opening in ["include_str!(\"", "include_bytes!(\"", "include!(\""] {
        for (before, rest) in
            text.match_indices(opening).map(|(at, _)| (&text[..at], &text[at + opening.len()..]))
        {
            // Read by the documentation tests alone.
            if before.lines().rev().nth(1).is_some_and(|line| line.trim() == "#[cfg(doctest)]") {
                continue;
            }
            let embedded = rest.split('"').next().unwrap_or_default();
            let path = normal(&file.with_file_name(embedded));
            let copied = sources.iter().any(|source| path.starts_with(root().join(source)));
            assert!(copied, "{} embeds `{embedded}`, which the Dockerfile does not copy", file.display());
        }
    }
}

/// The Dockerfile compiles dependencies against empty crate roots and leaves tests and examples out.
fn has_roots_where_the_image_keeps_them(file: &Path, text: &str) {
    for section in ["[[test]]", "[[example]]"] {
        assert!(!text.contains(section), "{}: `{section}` breaks the image's build", file.display());
    }
}

/// Runs `config` on the compose file with the variables of `env_file` alone, and returns what it understood.
fn compose_accepts(env_file: &Path) -> serde_yaml::Value {
    let output = Command::new("docker-compose")
        .arg("--file")
        .arg(root().join("docker-compose.yml"))
        .arg("--env-file")
        .arg(env_file)
        .arg("config")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap_or_else(|error| panic!("docker-compose does not start ({error}); `make setup` installs it"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !complaints.contains("not set"),
        "{}: {complaints}",
        env_file.display()
    );
    serde_yaml::from_slice(&output.stdout).unwrap_or_else(|error| panic!("docker-compose config: {error}"))
}

/// Which assignments of `env.example` are meant.
#[derive(Clone, Copy)]
enum Lines {
    /// In force.
    Set,
    /// Behind a `#`, to be taken up by the reader.
    Offered,
}

fn env_example(lines: Lines) -> BTreeMap<String, String> {
    let text = read("env.example");
    let assignments = text.lines().filter_map(|line| {
        let line = match lines {
            Lines::Set => line,
            Lines::Offered => line.strip_prefix("# ")?,
        };
        let (name, value) = line.split_once('=')?;
        let is_name = name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
        (is_name && !name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    });
    assignments.collect()
}

/// The `${NAME}`, `${NAME-default}` and `${NAME:-default}` of a compose file.
fn variables(text: &str) -> Vec<(String, Option<String>)> {
    let references = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    references
        .map(|reference| match reference.split_once('-') {
            Some((name, default)) => (name.trim_end_matches(':').to_owned(), Some(default.to_owned())),
            None => (reference.to_owned(), None),
        })
        .collect()
}

/// What the Dockerfile copies from the tree (not from another stage).
fn copied() -> BTreeSet<String> {
    let dockerfile = read("Dockerfile");
    let mut sources = BTreeSet::new();
    for line in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !words.iter().any(|word| word.starts_with("--from=")) {
            sources.extend(words.iter().take(words.len() - 1).map(|word| (*word).to_owned()));
        }
    }
    sources
}

/// The top-level folders of the workspace's crates.
fn shelves() -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let members = manifest.lines().find(|line| line.starts_with("members = ")).unwrap_or_default();
    let quoted = members.split('"').skip(1).step_by(2);
    quoted.filter_map(|member| member.split('/').next()).map(str::to_owned).collect()
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

fn root() -> PathBuf {
    normal(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
