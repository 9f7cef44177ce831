//! Clients that only take up room: idle ones, and some that dribble. Whoever has a question is answered at once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::client::get;
use super::plant::stock;
use crate::bridge::{now, pause};
use crate::sequence::Device;

const IDLE: usize = 2000;
const DRIBBLING: usize = 200;
/// Within which /health answers; where other tests run beside, within a multiple of what it takes without a crowd.
const AT_ONCE: Duration = Duration::from_millis(100);

/// How long the siege lasts: 30 s in `make soak`, a few in `make test`.
fn siege() -> Duration {
    let seconds = std::env::var("SMILES_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(4))
}

fn soaks() -> bool {
    std::env::var_os("SMILES_SOAK_SECONDS").is_some()
}

/// Anonymous memory of a process in KiB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux says");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// How long /health takes, so many times.
fn asked(address: &str, times: usize) -> Vec<Duration> {
    let mut took: Vec<Duration> = (0..times).map(|_| once(address)).collect();
    took.sort();
    took
}

fn once(address: &str) -> Duration {
    let asking = now();
    assert_eq!(get(address, "/health", &[]).status, 200);
    asking.elapsed()
}

/// Clients that send a letter now and then, and come back when they were hung up on; until `over`.
fn dribble(address: &str, over: &AtomicBool) {
    let connect = || TcpStream::connect(address).expect("the server accepts");
    let mut dribblers: Vec<TcpStream> = (0..DRIBBLING).map(|_| connect()).collect();
    while !over.load(Ordering::Relaxed) {
        for dribbler in &mut dribblers {
            if dribbler.write_all(b"G").is_err() {
                *dribbler = connect();
            }
        }
        pause();
    }
}

#[test]
fn a_crowd_that_asks_nothing_keeps_nobody_out() {
    let (device, folder) = (Device::start(), tempfile::tempdir().unwrap());
    let bridge = stock(folder.path(), device.port, &[]);
    let address = bridge.address();
    bridge.line(&["source is online"]);
    // What this machine can do at this moment, with whatever else it does.
    let usual = asked(&address, 40)[37];
    let allowed = if soaks() { AT_ONCE } else { AT_ONCE.max(usual * 4) };
    let mut crowd: Vec<TcpStream> =
        (0..IDLE).map(|_| TcpStream::connect(&address).expect("the server accepts")).collect();
    let over = AtomicBool::new(false);
    let (mut took, mut most) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| dribble(&address, &over));
        let began = now();
        while began.elapsed() < siege() || took.len() < 20 {
            took.push(once(&address));
            most = most.max(memory(bridge.id()));
            pause();
        }
        over.store(true, Ordering::Relaxed);
    });
    let late = took.iter().filter(|took| **took > allowed).count();
    let slowest = took.iter().max();
    assert!(late * 20 <= took.len(), "{late} of {} took longer than {allowed:?}; {slowest:?}", took.len());
    assert!(!soaks() || late == 0, "{late} of {} took longer than {allowed:?}; {slowest:?}", took.len());
    assert!(most < 64 * 1024, "{most} KiB");
    // All but as many as may stay were shed.
    let open = bridge.get("/metrics").1;
    let open = open.lines().find_map(|line| line.strip_prefix("smiles_http_connections{")?.rsplit_once(' '));
    let open: usize = open.expect("the series").1.parse().expect("a number");
    assert!(open <= 512, "{open} connections");
    crowd.truncate(IDLE - 512);
    for stream in &mut crowd {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert!(!matches!(stream.read(&mut [0]), Ok(1..)), "an idle client is told nothing");
    }
}
