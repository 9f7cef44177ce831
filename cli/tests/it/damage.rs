//! Journal files truncated and bit-flipped at random: it always starts, says what was lost, stores nothing twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::bridge::{Bridge, PATIENCE, finish, now, pause};
use crate::sequence::{Device, pipeline, stored};

const ROUNDS: usize = 24;

#[test]
fn damaged_journals_always_start() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    pipeline(&device, folder.path(), "20ms");
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    for round in 0..ROUNDS {
        let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder.path());
        let before = stored(folder.path()).len();
        let deadline = now() + PATIENCE;
        while stored(folder.path()).len() < before + 6 {
            assert!(now() < deadline, "round {round}: nothing is stored:\n{}", bridge.log());
            pause();
        }
        bridge.kill();
        nothing_twice(&stored(folder.path()));
        damage(folder.path(), &mut rng);
    }
    // One more opening repairs the last damage; the report stays in the journal.
    let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder.path());
    bridge.line(&["source is online"]);
    let (status, _) = bridge.interrupt();
    assert!(status.success());
    let aside = fs::read_dir(folder.path().join("data")).unwrap().filter_map(Result::ok);
    let aside = aside.filter(|entry| entry.file_name().to_string_lossy().contains(".damaged-")).count();
    assert!(aside > 0, "no damaged file was ever set aside, so nothing was tested");
    let report = finish(&["journal", "status", "--json"], &[], folder.path());
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stderr));
    nothing_twice(&stored(folder.path()));
}

/// A batch that one repair could not read and a later one could comes late, but never again.
fn nothing_twice(rows: &[(u32, u8)]) {
    let mut seen = BTreeSet::new();
    for row in rows {
        assert!(seen.insert(row), "{row:?} is stored twice");
    }
}

/// Truncates a journal file or flips some of its bits.
fn damage(folder: &Path, rng: &mut TestRng) {
    let data = folder.join("data");
    let name = if rng.next_u64().is_multiple_of(2) { "sequence.journal" } else { "sequence.journal-wal" };
    let path: PathBuf =
        [name, "sequence.journal"].iter().map(|name| data.join(name)).find(|path| path.exists()).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    if bytes.is_empty() {
        return;
    }
    let place = |rng: &mut TestRng, length: usize| usize::try_from(rng.next_u64() % length as u64).unwrap();
    if rng.next_u64().is_multiple_of(3) {
        let keep = place(rng, bytes.len());
        bytes.truncate(keep);
    } else {
        for _ in 0..=place(rng, 32) {
            let at = place(rng, bytes.len());
            bytes[at] ^= 1 << place(rng, 8);
        }
    }
    fs::write(&path, bytes).unwrap();
}
