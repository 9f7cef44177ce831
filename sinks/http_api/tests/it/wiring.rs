//! Declarations that cannot work: each is refused at its place, all at once.

use serde_json::{Value as Json, json};
use smiles_stage::{Delivery, Problems};

use crate::stock;
use crate::world::plan;

/// The stock options with one value set; a null removes it.
fn with(pointer: &str, value: Json) -> Json {
    let mut options = stock::options();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    let parent = options.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
    match (parent, value) {
        (Json::Object(map), Json::Null) => drop(map.shift_remove(&key).unwrap()),
        (Json::Object(map), value) => drop(map.insert(key, value)),
        (Json::Array(list), value) => list[key.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{other} has no members"),
    }
    options
}

/// What the plan or, if it is sound, the wiring refuses.
fn problems(options: &Json) -> Problems {
    match plan(options) {
        Err(problems) => problems,
        Ok(plan) => plan.wire(&stock::input(), Some(&stock::store().offer())).err().unwrap_or_default(),
    }
}

fn lines(options: &Json) -> Vec<String> {
    let line = |problem: &smiles_stage::Problem| {
        let help = problem.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
        format!("{}: {}{help}", problem.at, problem.message)
    };
    problems(options).iter().map(line).collect()
}

const LIST: &str = "/resources/~1api~1inverters";
const ONE: &str = "/resources/~1api~1inverters~1{serial}";
const HISTORY: &str = "/resources/~1api~1inverters~1{serial}~1history";

const TOTALS: &str = "/resources/~1api~1production~1totals";
const FEW: &str = "/resources/~1api~1few";

/// A route whose limit is a parameter of this declaration.
fn few(most: &Json) -> Json {
    json!({"parameters": {"most": most}, "query": {"table": "port_data", "limit": {"param": "most"}}})
}

#[test]
fn the_stock_declaration_is_sound() {
    assert_eq!(lines(&stock::options()), [""; 0]);
    let plan = plan(&stock::options()).unwrap();
    assert_eq!((plan.reads(), plan.delivery()), (Some("store"), Delivery::Live));
}

#[test]
fn every_mistake_is_named_at_its_place() {
    let other = json!({"query": {"table": "inverters"}});
    let rows: Vec<(String, Json, &str)> = vec![
        (
            "/listen".into(),
            json!("8080"),
            "listen: `8080` has no port (write HOST:PORT, such as `0.0.0.0:8080` or `[::]:8080`)",
        ),
        (
            "/listen".into(),
            json!("a:99999"),
            "listen: `99999` is no port: a number from 0 to 65535 (write HOST:PORT, such as `0.0.0.0:8080` or `[::]:8080`)",
        ),
        (
            "/lisen".into(),
            json!("a"),
            "lisen: unknown field `lisen`, expected one of `listen`, `store`, `offline_after`, `timezone`, `reset_hour`, `token`, `token_file`, `allow_origins`, `allow_hosts`, `frame_ancestors`, `discovery`, `resources`, `metrics`, `limits`",
        ),
        (
            "/offline_after".into(),
            json!("5"),
            "offline_after: `5` is no duration (write a number and `ms`, `s`, `m` or `h`)",
        ),
        ("/limits".into(), json!({"connections": 0}), "limits.connections: 0 is too few: at least 8"),
        (
            "/limits".into(),
            json!({"heartbeat": "15"}),
            "limits.heartbeat: `15` is no duration (write a number and `ms`, `s`, `m` or `h`)",
        ),
        (
            "/store".into(),
            Json::Null,
            "resources: routes need a store to read (name a sink that is a store in `store`)",
        ),
        (
            "/resources/~1health/sources".into(),
            json!("sinks"),
            "resources./health.sources: `sinks` cannot name the sources: /health has another key of this name",
        ),
        (
            "/resources/~1stats/inverters_count".into(),
            json!({"rows": ["inverter"]}),
            "resources./stats.inverters_count.rows[0]: the store has no table `inverter` (did you mean `inverters`?)",
        ),
        (
            "/resources/~1metrics".into(),
            other.clone(),
            "resources./metrics: the path `/metrics` is answered by the engine itself (choose another path)",
        ),
        (
            "/resources/~1".into(),
            other.clone(),
            "resources./: `` is no path segment: letters, digits, `-`, `.`, `_` and `~` are",
        ),
        (
            "/resources/~1dashboard.js".into(),
            other.clone(),
            "resources./dashboard.js: the path `/dashboard.js` is answered by the engine itself (choose another path)",
        ),
        (
            "/resources/ports".into(),
            other.clone(),
            "resources.ports: the path `ports` does not begin with `/`",
        ),
        (
            "/resources/~1a{b}".into(),
            other.clone(),
            "resources./a{b}: `a{b}` is no path segment: letters, digits, `-`, `.`, `_` and `~` are",
        ),
        (
            "/resources/~1a~1{id}".into(),
            other,
            "resources./a/{id}.parameters: the path parameter `id` is not declared",
        ),
        (
            "/resources/~1api~1inverters~1{id}~1more".into(),
            json!({"parameters": {"id": {}}, "query": {"table": "inverters", "filters": {"serial_number": {"param": "id"}}}}),
            "resources./api/inverters/{id}/more: `{id}` is called `{serial}` in another path (use one name for one place)",
        ),
        (
            format!("{LIST}/query/table"),
            json!("inverter"),
            "resources./api/inverters.query.table: the store has no table `inverter` (did you mean `inverters`?)",
        ),
        (
            format!("{LIST}/query/columns/0"),
            json!("serial"),
            "resources./api/inverters.query.columns[0]: the table `inverters` has no column `serial` (known here: serial_number, dtu_name, first_seen, last_seen, inverter_type, metadata)",
        ),
        (
            format!("{LIST}/query/columns/1"),
            json!("dtu_name as last_seen"),
            "resources./api/inverters.query.columns[3]: `last_seen` is served twice in one row (name it otherwise with `column as name`)",
        ),
        (
            format!("{LIST}/query/order/0"),
            json!("-serial_numbre"),
            "resources./api/inverters.query.order[0]: the table `inverters` has no column `serial_numbre` (did you mean `serial_number`?)",
        ),
        (
            format!("{LIST}/query/latest_by"),
            json!(["serial_number"]),
            "resources./api/inverters.query.latest_by: `latest_by` needs `newest`",
        ),
        (
            format!("{LIST}/query/limit"),
            json!(0),
            "resources./api/inverters.query.limit: 0 rows are no answer",
        ),
        (
            format!("{LIST}/join/0/on"),
            json!({"serial": "serial_number"}),
            "resources./api/inverters.join[0].on.serial: the rows have no column `serial` to compare (known here: serial_number, dtu_name, first_seen, last_seen, inverter_type, metadata)",
        ),
        (
            format!("{LIST}/join/0/on"),
            json!({"serial_number": "serial_numbr"}),
            "resources./api/inverters.join[0].on.serial_number: the table `inverter_data` has no column `serial_numbr` (did you mean `serial_number`?)",
        ),
        (
            format!("{LIST}/join/0/query/newest"),
            json!("timestmap"),
            "resources./api/inverters.join[0].query.newest: the table `inverter_data` has no column `timestmap` (did you mean `timestamp`?)",
        ),
        (
            format!("{LIST}/join/0/query/columns/0"),
            json!("serial_number"),
            "resources./api/inverters.join[0].query.columns[0]: `serial_number` is served twice in one row (name it otherwise with `column as name`)",
        ),
        (
            format!("{LIST}/nest/ports/query/limit"),
            json!(10),
            "resources./api/inverters.nest.ports.query.limit: a join or nest has no limit (keep the newest rows with `latest_by` and `newest`)",
        ),
        (
            format!("{LIST}/nest/ports/on"),
            json!({}),
            "resources./api/inverters.nest.ports.on: no columns to compare",
        ),
        (
            format!("{LIST}/not_found"),
            json!("gone"),
            "resources./api/inverters.not_found: a list is never not found (declare `exists`, or remove `not_found`)",
        ),
        (
            format!("{ONE}/not_found"),
            json!("no {serail}"),
            "resources./api/inverters/{serial}.not_found: no parameter `serail` is declared (did you mean `serial`?)",
        ),
        (
            format!("{ONE}/query/filters"),
            json!({"serial_number": {"param": "seril"}}),
            "resources./api/inverters/{serial}.query.filters.serial_number.param: no parameter `seril` is declared (did you mean `serial`?)",
        ),
        (
            format!("{ONE}/parameters/serial/type"),
            json!("integer"),
            "resources./api/inverters/{serial}.parameters.serial: `case` is for texts",
        ),
        (
            format!("{ONE}/parameters/serial/in"),
            json!("query"),
            "resources./api/inverters/{serial}.parameters.serial: `in: path` is for a parameter that the path names, `in: query` for any other",
        ),
        (
            format!("{ONE}/parameters/more"),
            json!({}),
            "resources./api/inverters/{serial}.parameters.more: nobody uses the parameter `more`",
        ),
        (
            format!("{HISTORY}/exists/table"),
            json!("inverterz"),
            "resources./api/inverters/{serial}/history.exists.table: the store has no table `inverterz` (did you mean `inverters`?)",
        ),
        (
            FEW.into(),
            few(&json!({"type": "integer", "default": 0, "minimum": 1, "maximum": 10})),
            "resources./api/few.parameters.most.default: not a whole number from 1 to 10",
        ),
        (
            FEW.into(),
            few(&json!({"type": "integer", "minimum": 1, "maximum": 0.5})),
            "resources./api/few.parameters.most: the minimum is above the maximum",
        ),
        (
            FEW.into(),
            few(&json!({"type": "integer"})),
            "resources./api/few.query.limit.param: `most` cannot limit rows (declare it as `type: integer` with `minimum: 1`)",
        ),
        (
            format!("{HISTORY}/parameters/limit"),
            json!({"type": "integer"}),
            "resources./api/inverters/{serial}/history.parameters.limit: the parameter `limit` is added by `history` (remove it here)",
        ),
        (
            format!("{HISTORY}/query/order"),
            json!(["id"]),
            "resources./api/inverters/{serial}/history.history: of a history: its query has no order, limit, latest rows or resets of its own",
        ),
        (
            format!("{HISTORY}/history/by"),
            json!(["serial_number"]),
            "resources./api/inverters/{serial}/history.history.by[0]: the column `serial_number` is of type Utf8, not a time",
        ),
        (
            format!("{HISTORY}/history/by"),
            json!(["timestamp", "idd"]),
            "resources./api/inverters/{serial}/history.history.by[1]: the table `inverter_data` has no column `idd` (did you mean `id`?)",
        ),
        (
            format!("{HISTORY}/history/buckets"),
            json!(["raw_data"]),
            "resources./api/inverters/{serial}/history.history.buckets[0]: the column `raw_data` is of type Utf8, not a number",
        ),
        (
            format!("{HISTORY}/history/intervals"),
            json!(["7m"]),
            "resources./api/inverters/{serial}/history.history.intervals[0]: `7m` is no interval: whole parts of an hour such as `5m`, `1h` or `1d`",
        ),
        (
            format!("{TOTALS}/query"),
            json!({"table": "inverters"}),
            "resources./api/production/totals: a route has either a `query` or `totals`",
        ),
        (
            format!("{TOTALS}/totals/values/power"),
            json!({"heard": "pv_powr"}),
            "resources./api/production/totals.totals.values.power.heard: the pipeline has no column `pv_powr` (did you mean `pv_power`?)",
        ),
        (
            format!("{TOTALS}/totals/values/power"),
            json!({"heard": "pv_power", "table": "inverters"}),
            "resources./api/production/totals.totals.values.power: a value is one of `heard`, `sum`, or `table` and `column`",
        ),
        (
            format!("{TOTALS}/totals/belongs"),
            json!({"table": "inverters", "on": {"serial_number": "serial_number"}, "source": "dtu"}),
            "resources./api/production/totals.totals.belongs.source: the table `inverters` has no column `dtu` (known here: serial_number, dtu_name, first_seen, last_seen, inverter_type, metadata)",
        ),
        (
            format!("{TOTALS}/totals/sums/each/name"),
            json!("source"),
            "resources./api/production/totals.totals.sums.each.name: the table `dtu_production` has no column `source` (known here: dtu_name, today_production, total_production, last_updated)",
        ),
        (
            format!("{TOTALS}/totals/sums/whole/name"),
            json!("last_updated"),
            "resources./api/production/totals.totals.sums.whole.name: the column `last_updated` is of type Timestamp(µs, \"UTC\"), not text",
        ),
        (
            format!("{TOTALS}/totals/values/total_production"),
            json!({"sum": "total"}),
            "resources./api/production/totals.totals.values.total_production.sum: the table `plant_production` has no column `total` (known here: plant, today_production, total_production, last_updated)",
        ),
        (
            "/resources/~1api~1production~1current/query/resets".into(),
            json!({"today_production": "serial_number"}),
            "resources./api/production/current.query.resets.today_production: the column `serial_number` is of type Utf8, not a time",
        ),
        (
            "/metrics/totals/hoymiles_dtu_power_watts/value".into(),
            json!("powr"),
            "metrics.totals.hoymiles_dtu_power_watts.value: `/api/production/totals` has no value `powr` (did you mean `power`?)",
        ),
        (
            "/timezone".into(),
            json!("Europe/Berlni"),
            "timezone: unknown time zone `Europe/Berlni` (did you mean `Europe/Berlin`?)",
        ),
        (
            "/allow_origins".into(),
            json!("home.example"),
            "allow_origins: `home.example` is no origin (write origins such as `https://home.example:8123`, by commas, or `*`)",
        ),
        (
            "/allow_hosts".into(),
            json!("bridge.example.org, https://solar.example"),
            "allow_hosts: `https://solar.example` is no name of a host (write names such as `bridge.example.org`, without scheme and port, by commas, or `*`)",
        ),
        (
            "/frame_ancestors".into(),
            json!("self; script-src *"),
            "frame_ancestors: `self;` is no page that could frame the dashboard (write origins such as `http://homeassistant.local:8123`, by commas, or `self`, `none`, `*`)",
        ),
        (
            "/discovery".into(),
            json!({"service": "hoymiles._tcp", "name": "Roof"}),
            "discovery.service: `hoymiles._tcp` is no type of service (write `_NAME._tcp`; NAME has at most 15 letters, digits and hyphens)",
        ),
        (
            "/discovery".into(),
            json!({"service": "_roof._tcp", "name": ""}),
            "discovery.name: a name of 0 bytes; it has 1 to 63",
        ),
        (
            format!("{HISTORY}/query/filters"),
            json!({"grid_voltage": {"param": "serial"}}),
            "resources./api/inverters/{serial}/history.query.filters.grid_voltage.param: the column `grid_voltage` is of type Float32 and cannot be compared with a text (change the parameter's `type`)",
        ),
        (
            format!("{HISTORY}/query/filters"),
            json!({"serial_number": {"param": "serial", "value": "x"}}),
            "resources./api/inverters/{serial}/history.query.filters.serial_number: a condition is one of `param`, `value`, or `from` and `before`",
        ),
        (
            format!("{HISTORY}/shape"),
            json!("lst"),
            "resources./api/inverters/{serial}/history.shape: unknown variant `lst`, expected `list` or `object`",
        ),
        (
            "/metrics/columns/hoymiles_inverter_power_watts/column".into(),
            json!("pv_powr"),
            "metrics.columns.hoymiles_inverter_power_watts.column: the pipeline has no column `pv_powr` (did you mean `pv_power`?)",
        ),
        (
            "/metrics/columns/hoymiles_inverter_power_watts/column".into(),
            json!("serial_number"),
            "metrics.columns.hoymiles_inverter_power_watts.column: the column `serial_number` is of type Utf8, not a number",
        ),
        (
            "/metrics/columns/hoymiles_inverter_power_watts/unit".into(),
            json!("V"),
            "metrics.columns.hoymiles_inverter_power_watts.unit: the column `pv_power` is in W, which is no V",
        ),
        (
            "/metrics/columns/hoymiles_inverter_power_watts/unit".into(),
            json!("mw"),
            "metrics.columns.hoymiles_inverter_power_watts.unit: unknown unit `mw` (it may be `mW` or `MW`: write which of them is meant)",
        ),
        (
            "/metrics/columns/hoymiles_inverter_power_watts/labels".into(),
            json!({"port": "prot_number"}),
            "metrics.columns.hoymiles_inverter_power_watts.labels.port: the pipeline has no column `prot_number` (did you mean `port_number`?)",
        ),
        (
            "/metrics/columns/hoymiles_inverter_power_watts/labels".into(),
            json!({"le": "port_number"}),
            "metrics.columns.hoymiles_inverter_power_watts.labels.le: `le` is no label: letters, digits and `_`; not `le`, not `__...`",
        ),
        (
            "/metrics/columns/power-watts".into(),
            json!({"column": "pv_power", "help": "x"}),
            "metrics.columns.power-watts: `power-watts` is no name of a series: letters, digits, `_` and `:`",
        ),
        (
            "/metrics/runtime/hoymiles_dtu_available/meter".into(),
            json!("x"),
            "metrics.runtime.hoymiles_dtu_available: a series is one of `meter` and `health`",
        ),
        (
            "/metrics/runtime/hoymiles_dtu_power_watts".into(),
            json!({"health": "online"}),
            "metrics.totals.hoymiles_dtu_power_watts: `hoymiles_dtu_power_watts` is declared as another series too",
        ),
    ];
    for (pointer, value, expected) in rows {
        let found = lines(&with(&pointer, value.clone()));
        assert!(
            found.iter().any(|line| line == expected),
            "{pointer} = {value}\nexpected {expected}\nfound    {found:#?}"
        );
    }
}

#[test]
fn all_mistakes_of_a_step_are_told_at_once() {
    let mut options = with("/resources/~1api~1ports/query/table", json!("nowhere"));
    *options.pointer_mut("/resources/~1api~1inverters/query/columns/0").unwrap() = json!("nothing");
    *options.pointer_mut("/metrics/columns/hoymiles_inverter_status/column").unwrap() = json!("no");
    let places: Vec<String> = problems(&options).iter().map(|problem| problem.at.to_string()).collect();
    for place in [
        "resources./api/inverters.query.columns[0]",
        "resources./api/ports.query.table",
        "metrics.columns.hoymiles_inverter_status.column",
    ] {
        assert!(places.iter().any(|known| known == place), "{place} is not in {places:?}");
    }
}
