//! The examples, end to end: built as their authors build them, named in YAML, against the real other side.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::valgrind::{clean, stripped};
use super::{compile, passes_check, run, rust_plugin};
use crate::bridge::{PATIENCE, get, now, pause, root};

#[test]
fn csv_writes_rotates_and_never_leaves_half_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    compile("plugins/examples/csv/csv.c", place, &[]);
    let columns = "id: {type: int, pattern: sequence, value: 0}, name: {type: text, pattern: constant, value: 'a \"b\", c'}, power: {type: float, pattern: constant, value: 0.1, unit: W}, gone: {type: int, pattern: constant, value: 1, nulls: 1}";
    let yaml = format!(
        "pipeline: p
journal: memory
plugins: [libcsv.so]
sources: {{a: {{type: synthetic, rows: 20, passes: 30, time_step: 1s, start: '2026-06-21T12:00:00Z', columns: {{{columns}}}}}}}
sinks: {{files: {{type: csv, folder: out, max_bytes: 4000, keep: 3, batch: {{max_rows: 20}}}}}}
"
    );
    fs::create_dir(place.join("out")).unwrap();
    fs::write(place.join("out/files.csv"), "time,source,id\nhalf a li").unwrap();
    let said = run(place, &yaml);
    let rotated: Vec<String> = (1..=4).map(|number| format!("out/files.{number}.csv")).collect();
    assert!(rotated[..3].iter().all(|file| place.join(file).exists()), "{said}");
    assert!(!place.join(&rotated[3]).exists(), "only three are kept");
    let latest = fs::read_to_string(place.join("out/files.1.csv")).unwrap();
    let mut lines = latest.lines();
    assert_eq!(lines.next(), Some("time,source,id,name,power,gone"));
    let row = lines.next().unwrap();
    assert!(
        row.starts_with("2026-06-21T12:0")
            && row.contains("Z,a,")
            && row.ends_with(",\"a \"\"b\"\", c\",0.1,"),
        "{row}"
    );
    assert!(latest.ends_with('\n') && !latest.contains("half"));
    assert!(said.contains("a new one begins"), "its log line is in ours: {said}");
    let again = compile("plugins/examples/csv/csv.c", place, &[]);
    passes_check(&again, None);
}

#[test]
fn temperatures_come_from_hwmon_and_the_average_follows_them_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    compile("plugins/examples/temperature/temperature.c", place, &[]);
    compile("plugins/examples/csv/csv.c", place, &[]);
    rust_plugin("plugins/examples/moving_average", place);
    let chip = place.join("hwmon/hwmon0");
    fs::create_dir_all(&chip).unwrap();
    for (file, text) in [
        ("name", "coretemp"),
        ("temp1_input", "42000"),
        ("temp1_label", "Package id 0"),
        ("temp2_input", "-1500"),
    ] {
        fs::write(chip.join(file), format!("{text}\n")).unwrap();
    }
    let yaml = "pipeline: p
journal: memory
plugins: [libtemperature.so, libmoving_average.so, libcsv.so]
sources: {box: {type: temperature, root: hwmon, every: 50ms}}
transforms: [{type: moving_average, columns: [temperature], key: [chip, sensor], window: 2}]
sinks:
  files: {type: csv, folder: .}
  store: {type: sqlite, path: t.db, tables: {t: {mode: append, create: true, columns: {t: temperature}}}}
  api: {type: http_api, listen: 127.0.0.1:0, store: store, resources: {}}
";
    fs::write(place.join("pipeline.yaml"), yaml).unwrap();
    let bridge = crate::bridge::Bridge::start(&["run", "pipeline.yaml"], &[], place);
    let csv = place.join("files.csv");
    let text = eventually(&csv, |text| text.lines().count() > 3);
    assert!(text.starts_with("time,source,chip,sensor,temperature,temperature_average\n"), "{text}");
    assert!(
        text.contains(",box,coretemp,Package id 0,42,42\n")
            && text.contains(",box,coretemp,temp2,-1.5,-1.5\n"),
        "{text}"
    );
    fs::write(chip.join("temp1_input"), "44000\n").unwrap();
    let text = eventually(&csv, |text| text.contains("Package id 0,44,44\n"));
    assert!(text.contains("Package id 0,44,43\n"), "the mean of the last two: {text}");
    let (_, metrics) = bridge.get("/metrics");
    let line = metrics.lines().find(|line| line.starts_with("smiles_plugin_csv_rows_total{"));
    let line = line.unwrap_or_else(|| panic!("no counter of the plugin in {metrics}"));
    assert!(
        line.contains("pipeline=\"p\"") && line.contains("stage=\"files\"") && !line.ends_with(" 0"),
        "{line}"
    );
    assert!(bridge.interrupt().0.success());
}

#[test]
fn the_average_is_in_the_journal_and_survives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    compile("plugins/examples/csv/csv.c", place, &[]);
    let average = rust_plugin("plugins/examples/moving_average", place);
    let yaml = |value: &str| {
        format!(
            "pipeline: p
plugins: [libmoving_average.so, libcsv.so]
sources: {{a: {{type: synthetic, rows: 1, passes: 1, columns: {{v: {{type: float, pattern: constant, value: {value}}}}}}}}}
transforms: [{{type: moving_average, columns: [v], window: 5}}]
sinks: {{files: {{type: csv, folder: .}}}}
"
        )
    };
    run(place, &yaml("10.0"));
    run(place, &yaml("20.0"));
    let text = fs::read_to_string(place.join("files.csv")).unwrap();
    let ends: Vec<&str> =
        text.lines().skip(1).filter_map(|line| line.split_once(",a,").map(|(_, end)| end)).collect();
    assert_eq!(ends, ["10,10", "20,15"], "the state of the first run was there in the second");
    passes_check(&average, None);
}

#[test]
fn the_sun_stands_where_an_almanac_says() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let library = compile("plugins/examples/sun_position/sun_position.cpp", place, &[]);
    compile("plugins/examples/csv/csv.c", place, &[]);
    passes_check(&library, None);
    // At Greenwich, noon of an equinox: 90 degrees less the latitude, due south. On the equator at that hour: the zenith.
    for (latitude, elevation, start) in [
        (51.48, 38.5, "2026-03-20T12:07:30Z"),
        (0.0, 89.9, "2026-03-20T12:07:30Z"),
        (51.48, 61.9, "2026-06-21T12:02:00Z"),
    ] {
        let yaml = format!(
            "pipeline: p
journal: memory
plugins: [libsun_position.so, libcsv.so]
sources: {{a: {{type: synthetic, rows: 1, passes: 1, time_step: 1s, start: '{start}', columns: {{v: {{type: int, pattern: constant, value: 1}}}}}}}}
transforms: [{{type: sun_position, latitude: {latitude}, longitude: 0}}]
sinks: {{files: {{type: csv, folder: .}}}}
"
        );
        drop(fs::remove_file(place.join("files.csv")));
        run(place, &yaml);
        let text = fs::read_to_string(place.join("files.csv")).unwrap();
        let row: Vec<&str> = text.lines().nth(1).unwrap().split(',').collect();
        let (found, azimuth): (f64, f64) = (row[3].parse().unwrap(), row[4].parse().unwrap());
        assert!((found - elevation).abs() < 0.2, "{found} for {elevation} at {latitude} {start}");
        assert!(latitude < 1.0 || (azimuth - 180.0).abs() < 1.5, "{azimuth} is not south at {start}");
    }
}

/// Debian's InfluxDB 1.6 on free ports, with its files in a temporary folder.
struct Influx {
    child: Child,
    http: String,
}

impl Influx {
    fn start(folder: &Path) -> Self {
        let [http, rpc] = [free_port(), free_port()];
        let data = folder.join("influx");
        let path = |name: &str| data.join(name).display().to_string();
        let config = format!(
            "reporting-disabled = true
bind-address = \"127.0.0.1:{rpc}\"
[meta]
  dir = {:?}
[data]
  dir = {:?}
  wal-dir = {:?}
[http]
  bind-address = \"127.0.0.1:{http}\"
  log-enabled = false
[monitor]
  store-enabled = false
",
            path("meta"),
            path("data"),
            path("wal")
        );
        fs::write(folder.join("influxdb.conf"), config).unwrap();
        let influxd = ["/usr/bin/influxd", "/usr/sbin/influxd"]
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.exists());
        let child = Command::new(influxd.expect("influxd is installed: run `make setup`"))
            .arg("-config")
            .arg(folder.join("influxdb.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, http: format!("127.0.0.1:{http}") };
        let deadline = now() + PATIENCE;
        while get(&server.http, "/ping").map_or(0, |(status, _)| status) != 204 {
            assert!(now() < deadline, "influxd does not answer on {}", server.http);
            pause();
        }
        server
    }

    fn ask(&self, query: &str) -> String {
        let query = query.replace('"', "%22").replace(' ', "%20").replace('=', "%3D").replace('\'', "%27");
        get(&self.http, &format!("/query?db=solar&epoch=u&q={query}")).unwrap().1
    }
}

impl Drop for Influx {
    fn drop(&mut self) {
        // Already gone is as good.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn influxdb_has_every_point_and_a_bad_one_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let library = rust_plugin("plugins/examples/influxdb", place);
    let influx = Influx::start(place);
    let url = format!("http://{}", influx.http);
    let yaml = |columns: &str, database: &str| {
        format!(
            "pipeline: p
journal: memory
plugins: [libinfluxdb.so]
sources: {{'ro of': {{type: synthetic, rows: 10, passes: 5, time_step: 1s, start: '2026-06-21T12:00:00Z', columns: {{{columns}}}}}}}
sinks: {{points: {{type: influxdb, url: '{url}', database: {database}, measurement: pv, tags: [source]}}}}
"
        )
    };
    let id = "id: {type: int, pattern: sequence, value: 0}";
    // The database is missing: loud, nothing dropped, and it goes on once a person has made it.
    fs::write(place.join("pipeline.yaml"), yaml(id, "solar")).unwrap();
    let bridge = crate::bridge::Bridge::start(&["run", "pipeline.yaml"], &[], place);
    bridge.line(&["plugin `influxdb`", "stage `points`", "answers 404", "create the database first"]);
    bridge.kill();
    influx.ask("CREATE DATABASE solar");
    run(place, &yaml(&format!("{id}, power: {{type: float, pattern: constant, value: 2.5}}"), "solar"));
    let count = influx.ask("SELECT count(id), sum(id), max(power) FROM pv WHERE source='ro of'");
    assert!(count.contains("50,1225,2.5]"), "{count}");
    // Another type for a field that is known: the server refuses the points for good.
    let said = run(place, &yaml("power: {type: text, pattern: constant, value: much}", "solar"));
    assert!(said.contains("kept as dead letters") && said.contains("field type conflict"), "{said}");
    let options = format!("{{\"url\": \"{url}\", \"database\": \"solar\", \"tags\": [\"source\"]}}");
    let checked = passes_check(&library, Some(&options));
    assert!(checked.contains("0 could not be tried"), "{checked}");
    clean(&stripped(&library, place), &options, "every type and shape of rows is taken");
}

#[test]
fn every_example_says_how_to_use_it() {
    for example in ["csv", "influxdb", "moving_average", "sun_position", "temperature"] {
        let text = fs::read_to_string(root().join(format!("plugins/examples/{example}/README.md"))).unwrap();
        for word in ["plugins:", "smiles plugin check", &format!("type: {example}")] {
            assert!(text.contains(word), "{example}/README.md does not say `{word}`");
        }
    }
}

fn eventually(path: &Path, accept: impl Fn(&str) -> bool) -> String {
    let deadline = now() + PATIENCE;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if accept(&text) {
            return text;
        }
        assert!(now() < deadline, "{} is still {text}", path.display());
        pause();
    }
}
