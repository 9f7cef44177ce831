//! RTU frames, over TCP and on a serial line.

use std::io::{Read, Write};
use std::sync::Arc;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use smiles_source_simulator::{Framing, Simulator, serial_line};
use smiles_testkit::ManualClock;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use crate::rig::{ANSWER, Rig, SOON, device, exchange, hex, is_silent, options, receive};

/// The serial number of the device, asked in RTU: unit 1, function 3, address 0x2000, 3 registers.
const REQUEST: [u8; 8] = [1, 3, 0x20, 0, 0, 3, 0x0e, 0x0b];

#[tokio::test]
async fn frames_have_a_checksum_and_no_header() {
    let rig = Rig::framed(options(&[]), Framing::Rtu).await;
    let mut stream = rig.connect().await;
    let answer = exchange(&mut stream, &REQUEST, 11).await;
    assert_eq!(hex(&answer[..3]), "010306");
    let over_tcp = Rig::new(options(&[])).await;
    let asked = crate::rig::request(1, 1, 3, 0x2000, 3);
    let plain = exchange(&mut over_tcp.connect().await, &asked, 15).await;
    assert_eq!(answer[..9], plain[6..]);

    let mut broken = REQUEST;
    broken[7] ^= 1;
    stream.write_all(&broken).await.unwrap();
    assert_eq!(exchange(&mut rig.connect().await, &REQUEST, 11).await, answer);
    assert!(is_silent(&stream), "a frame with a wrong checksum is nobody's");
    assert_eq!(rig.handle.counters().requests, 2);
}

#[tokio::test]
async fn an_adapter_may_repeat_the_request() {
    let rig = Rig::framed(options(&["echo"]), Framing::Rtu).await;
    let answer = exchange(&mut rig.connect().await, &REQUEST, 19).await;
    assert_eq!(answer[..8], REQUEST);
    assert_eq!(hex(&answer[8..11]), "010306");
    let over_tcp = Rig::new(options(&["echo", "bad_crc"])).await;
    let mut stream = over_tcp.connect().await;
    assert_eq!(exchange(&mut stream, &crate::rig::record(0), ANSWER).await[8], 40, "of RTU alone");
}

#[tokio::test]
async fn checksums_may_be_wrong() {
    let rig = Rig::framed(options(&["bad_crc=1/2"]), Framing::Rtu).await;
    let mut stream = rig.connect().await;
    let sound = exchange(&mut stream, &REQUEST, 11).await;
    let bad = exchange(&mut stream, &REQUEST, 11).await;
    assert_eq!(sound[..10], bad[..10]);
    assert_ne!(sound[10], bad[10]);
    let none = receive(&mut stream, 0).await;
    assert!(none.is_empty() && is_silent(&stream));
}

#[tokio::test]
async fn a_serial_line_is_served_too() {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let line = serial_line(path.as_ref(), 9600).unwrap();
    let quirks = options(&["closes_after_answer"]);
    let simulator = Simulator::new(&device(), quirks, Arc::new(ManualClock::new())).unwrap();
    let (handle, stop) = (simulator.handle(), CancellationToken::new());
    let served = tokio::spawn(simulator.serve_line(line, stop.clone()));
    let mut ours = std::fs::File::from(ours);
    let asking = tokio::task::spawn_blocking(move || {
        let mut answers = [[0; 11]; 2];
        for answer in &mut answers {
            ours.write_all(&REQUEST).unwrap();
            ours.read_exact(answer).unwrap();
        }
        (answers, ours)
    });
    let (answers, _ours) = tokio::time::timeout(SOON, asking).await.unwrap().unwrap();
    assert_eq!(hex(&answers[1][..3]), "010306", "nobody can hang up a line");
    assert_eq!(answers[0], answers[1]);
    assert_eq!(handle.counters().requests, 2);
    stop.cancel();
    tokio::time::timeout(SOON, served).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_no_serial_line_is_refused() {
    for path in ["/dev/null", "/nofile"] {
        assert!(serial_line(path.as_ref(), 9600).is_err(), "{path}");
    }
}
