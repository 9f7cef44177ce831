//! SIGKILL at random moments: no value twice, order kept, nothing that was fully served is missing.

use std::time::{Duration, Instant};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::bridge::{Bridge, PATIENCE, now, pause};
use crate::sequence::{Device, PORTS, ascends, pipeline, stored};

const KILLS: usize = 50;
/// What was served this long before a kill must be stored.
const GRACE: Duration = Duration::from_secs(2);

#[test]
fn kill_nine_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::start();
    pipeline(&device, folder.path(), "20ms");
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut owed: Vec<u32> = Vec::new();
    for life in 0..KILLS {
        let born = now();
        let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder.path());
        // Every tenth life is long enough for the promise to bite; the others die at start, mid-pass, mid-commit.
        let life_ms = if life % 10 == 0 { 2500 } else { rng.next_u64() % 900 };
        wait_until(now() + Duration::from_millis(life_ms));
        bridge.kill();
        // What was served to this process, long enough before its end.
        owed.extend(now().checked_sub(GRACE).map_or(Vec::new(), |end| device.served_between(born, end)));
    }
    assert!(owed.len() > 50, "the device was asked for {} passes only", owed.len());
    let last = device.asked();
    let bridge = Bridge::start(&["run", "sequence.yaml"], &[], folder.path());
    let deadline = now() + PATIENCE;
    while stored(folder.path()).last().is_none_or(|(pass, _)| *pass < last + 3) {
        assert!(now() < deadline, "nothing new is stored:\n{}", bridge.log());
        pause();
    }
    let (status, took) = bridge.interrupt();
    assert!(status.success() && took < Duration::from_secs(2), "{status} after {took:?}");

    let rows = stored(folder.path());
    ascends(&rows);
    for pass in owed {
        let ports = rows.iter().filter(|(stored, _)| *stored == pass).count();
        assert_eq!(ports, usize::from(PORTS), "pass {pass} was fully served before a kill");
    }
}

fn wait_until(deadline: Instant) {
    while now() < deadline {
        pause();
    }
}
