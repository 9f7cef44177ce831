//! Devices that cannot be simulated as asked.

use std::sync::Arc;

use smiles_source_simulator::{Options, Simulator};
use smiles_testkit::ManualClock;

use crate::rig::{device, options};

#[test]
fn a_device_that_cannot_be_is_refused_with_a_sentence() {
    let rows = [
        (
            Options { inverters: 26, ports: 4, ..options(&[]) },
            "26 inverters with 4 ports make 104 records, but the device file's list has room for 100",
        ),
        (Options { time_scale: f64::NAN, ..options(&[]) }, "the time scale is NaN"),
        (
            Options { time_scale: 1e9, ..options(&[]) },
            "the time scale is 1000000000; give a number from 0 to 100000",
        ),
        (Options { unit_ids: vec![1, 2, 1], ..options(&[]) }, "unit 1 is there twice"),
        (Options { unit_ids: vec![], ..options(&[]) }, "there is no unit to answer for"),
        (Options { time_scale: -1.0, ..options(&[]) }, "the time scale is -1"),
    ];
    for (options, message) in rows {
        let error = Simulator::new(&device(), options, Arc::new(ManualClock::new())).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
