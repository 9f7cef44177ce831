//! From the start of the process to the first answer and to the first reading.

use std::time::Instant;

use crate::Row;
use crate::machine::{free_port, get, interrupt, smiles, until};

const STARTS: usize = 5;

pub(crate) fn times() -> Vec<Row> {
    let mut listening = Vec::new();
    let mut reading = Vec::new();
    for _ in 0..STARTS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let port_text = port.to_string();
        let began = Instant::now();
        let bridge =
            smiles(&["demo"], &[("HEALTH_HOST", "127.0.0.1"), ("HEALTH_PORT", &port_text)], folder.path());
        until("the API", || get(port, "/api").is_some());
        listening.push(began.elapsed().as_secs_f64() * 1e3);
        until("a reading", || get(port, "/api/inverters").is_some_and(|answer| answer.contains("pv_power")));
        reading.push(began.elapsed().as_secs_f64() * 1e3);
        interrupt(bridge);
    }
    [("start to listening, ms", listening), ("start to first reading served, ms", reading)]
        .into_iter()
        .map(|(what, mut times)| {
            times.sort_by(f64::total_cmp);
            Row {
                what: format!("{what} (median of {STARTS})"),
                ours: format!("{:.0}", times[STARTS / 2]),
                beside: "–".to_owned(),
                ratio: "–".to_owned(),
            }
        })
        .collect()
}
