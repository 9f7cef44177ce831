//! Who may ask, and what is refused: tokens, origins, precise answers to nonsense.

use std::io::{Read, Write};

use super::client::{ask, eventually, get};
use super::plant::stock;
use crate::bridge::Bridge;
use crate::sequence::Device;

const TOKEN: &str = "correct horse battery staple";

#[test]
fn a_token_guards_everything_but_health() {
    let device = Device::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let file = file.to_str().unwrap().to_owned();
    for variable in [("API_TOKEN", TOKEN), ("API_TOKEN_FILE", file.as_str())] {
        let bridge = stock(folder.path(), device.port, &[variable, ("LOG_LEVEL", "DEBUG")]);
        let address = bridge.address();
        bridge.line(&["source is online"]);
        let good = format!("Bearer {TOKEN}");
        // Until the store has its tables and its first reading, what comes from it is 503.
        eventually(&address, "/api/inverters", &[("Authorization", &good)], |reply| {
            reply.status == 200 && reply.json()[0]["id"].is_number()
        });
        for path in ["/health", "/ready", "/", "/dashboard.js", "/docs"] {
            assert_eq!(get(&address, path, &[]).status, 200, "{path}");
        }
        let short = get(&address, "/health", &[]);
        assert!(short.json()["sinks"].is_null() && !short.text().contains("127.0.0.1"), "{}", short.text());
        assert!(get(&address, "/health", &[("Authorization", &good)]).json()["sinks"]["store"].is_object());
        for path in
            ["/api/inverters", "/metrics", "/stats", "/api", "/openapi.json", "/nowhere", "/api/events"]
        {
            let refused = get(&address, path, &[]);
            assert_eq!(
                refused.problem(401),
                "a token is needed: send `Authorization: Bearer TOKEN`",
                "{path}"
            );
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
            let wrong = get(&address, path, &[("Authorization", "Bearer wrong")]);
            let detail = "the token is not the right one: send `Authorization: Bearer TOKEN`";
            assert_eq!(wrong.problem(401), detail);
            if path != "/api/events" {
                let answer = get(&address, path, &[("Authorization", &good)]);
                assert_eq!(answer.status, if path == "/nowhere" { 404 } else { 200 }, "{path}");
                assert!(!answer.text().contains(TOKEN), "{path} tells the token");
            }
        }
        assert!(!bridge.log().contains(TOKEN), "the log tells the token");
        assert!(bridge.interrupt().0.success());
    }
    let check = crate::bridge::finish(
        &["check", "--resolved", "hoymiles-sqlite.yaml"],
        &[("DTU_HOST", "x"), ("API_TOKEN", TOKEN)],
        folder.path(),
    );
    assert!(check.status.success());
    assert!(!String::from_utf8_lossy(&check.stdout).contains(TOKEN), "check tells the token");
}

#[test]
fn pages_of_named_origins_may_read() {
    let device = Device::start();
    let folder = tempfile::tempdir().unwrap();
    let home = "http://home.example:8123";
    let bridge = stock(folder.path(), device.port, &[("API_CORS_ORIGINS", home)]);
    let address = bridge.address();
    let allowed =
        |reply: &super::client::Reply| reply.header("access-control-allow-origin").map(str::to_owned);
    let named = get(&address, "/health", &[("Origin", home)]);
    assert_eq!(allowed(&named).as_deref(), Some(home));
    assert_eq!(named.header("access-control-expose-headers"), Some("etag, link, retry-after"));
    assert_eq!(allowed(&get(&address, "/health", &[("Origin", "http://evil.example")])), None);
    assert_eq!(allowed(&get(&address, "/nowhere", &[("Origin", home)])).as_deref(), Some(home), "errors too");
    let asks = [("Origin", home), ("Access-Control-Request-Method", "GET")];
    let preflight = ask("OPTIONS", &address, "/api/inverters", &asks);
    assert_eq!((preflight.status, allowed(&preflight).as_deref()), (204, Some(home)));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn a_name_that_may_be_anybodys_is_refused_unless_it_is_configured() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    for (hosts, status) in [("", 421), ("bridge.example.org", 200)] {
        let bridge = stock(
            folder.path(),
            device.port,
            &[("API_HOSTS", hosts), ("API_FRAME_ANCESTORS", "http://ha:8123")],
        );
        let port = bridge.address().rsplit_once(':').unwrap().1.to_owned();
        let mut stream = std::net::TcpStream::connect(bridge.address()).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nHost: bridge.example.org:{port}\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(answer.contains("frame-ancestors http://ha:8123"), status == 200);
    }
}

#[test]
fn few_open_files_cost_connections_and_nothing_else() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    let port = device.port.to_string();
    let start = |limits: &str| {
        let script = format!("{limits}; exec \"$0\" run hoymiles-sqlite.yaml");
        let variables = [
            ("DTU_HOST", "127.0.0.1"),
            ("DTU_PORT", &port),
            ("HEALTH_HOST", "127.0.0.1"),
            ("HEALTH_PORT", "0"),
            ("QUERY_PERIOD", "5"),
        ];
        Bridge::start_by(&["sh", "-c", &script, env!("CARGO_BIN_EXE_smiles")], &variables, folder.path())
    };
    // What the process may have it takes.
    let bridge = start("ulimit -Sn 128; ulimit -Hn 4096");
    bridge.address();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", bridge.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("4096"), "{files}");
    assert_eq!(bridge.count(&["few open files"]), 0);
    assert!(bridge.interrupt().0.success());

    let bridge = start("ulimit -Sn 128; ulimit -Hn 128");
    let address = bridge.address();
    bridge.line(&["few open files are allowed", "connections=64"]);
    let idle: Vec<_> = (0..300).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    bridge.eventually("/health", |health| health["dtus"]["DTU"]["query_count"].as_u64() >= Some(2));
    assert_eq!(bridge.count(&["cannot accept"]), 0, "{}", bridge.log());
    assert_eq!(bridge.count(&["cannot read"]), 0, "{}", bridge.log());
    drop(idle);
}

#[test]
fn nonsense_has_precise_answers() {
    let device = Device::start();
    let folder = tempfile::tempdir().unwrap();
    let bridge = stock(folder.path(), device.port, &[]);
    let list = bridge.eventually("/api/inverters", |list| list[0]["id"].is_number());
    let serial = list[0]["serial_number"].as_str().unwrap();
    let address = bridge.address();
    let history = format!("/api/inverters/{serial}/history");
    let long = format!("{history}?cursor={}", "a".repeat(100_000));
    let rows: [(String, u16, &str); 12] = [
        (
            format!("{history}?limit=-1"),
            400,
            "parameter `limit` is `-1`; expected a whole number from 1 to 10000",
        ),
        (
            format!("{history}?limit=abc"),
            400,
            "parameter `limit` is `abc`; expected a whole number from 1 to 10000",
        ),
        (
            format!("{history}?limit=1e9"),
            400,
            "parameter `limit` is `1e9`; expected a whole number from 1 to 10000",
        ),
        (
            format!("{history}?start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z"),
            400,
            "parameter `start` is `2026-01-02T00:00:00Z`, which is after `end` `2026-01-01T00:00:00Z`",
        ),
        (format!("{history}?limit=%FF"), 400, "the query string is not percent-encoded UTF-8"),
        ("/api/inverters/%FF".into(), 400, "the path is not percent-encoded UTF-8"),
        ("/api/inverters/..%2f..%2fetc".into(), 404, "inverter ../../etc not found"),
        (
            "/api/inverters/../../etc".into(),
            404,
            "nothing is served at `/api/inverters/../../etc`; /api lists what is",
        ),
        (
            "/api/inverters/x'%3B%20DROP%20TABLE%20inverters".into(),
            404,
            "inverter x'; drop table inverters not found",
        ),
        (format!("{history}?limt=5"), 400, "unknown parameter `limt`; did you mean `limit`?"),
        ("/health?x=1".into(), 400, "unknown parameter `x`; this resource takes none"),
        (
            format!("/api/inverters/{serial}/ports/999/history"),
            400,
            "parameter `port` is `999`; expected a whole number from 1 to 255",
        ),
    ];
    for (target, status, detail) in &rows {
        assert_eq!(get(&address, target, &[]).problem(*status), *detail, "{target}");
    }
    assert!([414, 431].contains(&get(&address, &long, &[]).status), "a query string of 100 kB");
    let gone = format!("/api/inverters/{serial}/ports/200/history");
    assert_eq!(
        get(&address, &gone, &[]).problem(404),
        format!("inverter {serial} with a port 200 not found")
    );
    for target in [serial.to_uppercase(), format!("{serial}/"), format!("{serial}/history/?limit=1")] {
        assert_eq!(get(&address, &format!("/api/inverters/{target}"), &[]).status, 200, "{target}");
    }
    let csv = get(&address, "/api/inverters", &[("Accept", "text/csv")]);
    assert_eq!(csv.problem(406), "this resource is not served as text/csv; it is as application/json");
}
