//! What a client may keep: validators, compression, HEAD.

use std::io::Read;

use flate2::read::GzDecoder;

use super::client::{ask, get};
use super::plant::{READINGS, meters};

#[test]
fn an_answer_is_sent_once_and_as_small_as_the_client_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let bridge = meters(folder.path(), 3000, "2026-01-01T00:00:00Z", "1h");
    bridge.eventually(&format!("{READINGS}?limit=1"), |answer| answer[0]["n"].as_i64() >= Some(2999));
    let address = bridge.address();
    // One that is kept, and one that flows.
    for target in [format!("{READINGS}?limit=500"), format!("{READINGS}?limit=2500")] {
        let plain = get(&address, &target, &[]);
        assert_eq!((plain.status, plain.header("content-encoding")), (200, None));
        assert_eq!(plain.header("vary"), Some("accept, accept-encoding"));
        let packed = get(&address, &target, &[("Accept-Encoding", "gzip, br")]);
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{target}");
        assert!(packed.body.len() * 3 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
        let mut unpacked = Vec::new();
        GzDecoder::new(packed.body.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain.body, "{target}");
        let refused = get(&address, &target, &[("Accept-Encoding", "gzip;q=0")]);
        assert_eq!(refused.body, plain.body);
    }
    let target = format!("{READINGS}?limit=500");
    let first = get(&address, &target, &[]);
    let tag = first.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag} is not strong");
    let packed = get(&address, &target, &[("Accept-Encoding", "gzip")]);
    let packed_tag = packed.header("etag").expect("a tag").to_owned();
    assert_ne!(packed_tag, tag, "other bytes, another tag");
    for known in [tag.as_str(), packed_tag.as_str(), "*", &format!("\"x\", W/{tag}")] {
        let again = get(&address, &target, &[("If-None-Match", known)]);
        assert_eq!(
            (again.status, again.body.len(), again.header("etag")),
            (304, 0, Some(tag.as_str())),
            "{known}"
        );
        assert_eq!(again.header("content-type"), None);
    }
    assert_eq!(get(&address, &target, &[("If-None-Match", "\"other\"")]).status, 200);
    let head = ask("HEAD", &address, &target, &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(first.body.len().to_string().as_str()));
    assert_eq!(head.header("etag"), Some(tag.as_str()));
    assert_eq!(get(&address, &format!("{READINGS}?limit=501"), &[("If-None-Match", &tag)]).status, 200);
}

#[test]
fn an_answer_is_another_one_after_a_delivery_and_after_others_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let bridge = meters(folder.path(), 3, "2026-01-01T00:00:00Z", "1h");
    bridge.eventually(&format!("{READINGS}?limit=1"), |answer| answer[0]["n"].as_i64() >= Some(2));
    let address = bridge.address();
    let tag = get(&address, READINGS, &[]).header("etag").expect("a tag").to_owned();
    assert_eq!(get(&address, READINGS, &[("If-None-Match", &tag)]).status, 304);
    // As an import would: behind the bridge's back.
    let store = rusqlite::Connection::open(folder.path().join("data/meters.db")).unwrap();
    store.execute("UPDATE readings SET volts = 1.5", []).unwrap();
    let changed = bridge.eventually(READINGS, |rows| rows[0]["volts"] == 1.5);
    assert_eq!(changed.as_array().map(Vec::len), Some(3));
    assert_eq!(get(&address, READINGS, &[("If-None-Match", &tag)]).status, 200);
}
