//! Who may ask, and what is refused: tokens, origins, precise answers to nonsense.

use super::client::{ask, eventually, get};
use super::plant::stock;
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
