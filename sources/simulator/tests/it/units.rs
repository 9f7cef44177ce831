//! Several units behind one listener.

use std::sync::Arc;

use smiles_source_modbus::device::Device;
use smiles_source_simulator::{Framing, Image, Options, Simulator};
use smiles_testkit::ManualClock;
use tokio::io::AsyncWriteExt;

use crate::rig::{ANSWER, LIST, REGISTERS, Rig, device, exchange, hex, options, record, request};

const METER: &str = "blocks: {now: {read: input, address: 7, count: 1, \
                     fields: {model: {at: 0, type: u16, simulate: {constant: 42}}}}}";

#[tokio::test]
async fn one_file_serves_several_units_which_differ() {
    let rig = Rig::new(Options { unit_ids: vec![1, 7], ..options(&[]) }).await;
    let mut stream = rig.connect().await;
    let serial = async |unit, stream: &mut _| {
        hex(&exchange(stream, &request(1, unit, 3, LIST, REGISTERS), ANSWER).await[10..16])
    };
    let (one, seven) = (serial(1, &mut stream).await, serial(7, &mut stream).await);
    assert_ne!(one, seven);
    assert_eq!(*rig.handle.readings()[0].serial, *one, "handles look at the first");
    rig.handle.set_image(Image::default().with(LIST, vec![0x0c, 1, 2, 3, 4, 5, 6]));
    assert_eq!(serial(1, &mut stream).await, "010203040506");
    assert_eq!(serial(7, &mut stream).await, "010203040506", "recorded registers are of every unit");
}

#[tokio::test]
async fn units_have_files_of_their_own() {
    let meter: Device = serde_yaml::from_str(METER).unwrap();
    let clock = ManualClock::new();
    let devices = [(3, &meter), (1, &device())];
    let simulator = Simulator::of(&devices, options(&[]), Arc::new(clock.clone())).unwrap();
    let rig = Rig::serving(simulator, Framing::Tcp, clock).await;
    let mut stream = rig.connect().await;
    assert_eq!(hex(&exchange(&mut stream, &request(1, 3, 4, 7, 1), 11).await[7..]), "0402002a");
    assert_eq!(exchange(&mut stream, &record(0), ANSWER).await.len(), ANSWER);
    assert_eq!(hex(&exchange(&mut stream, &request(1, 1, 4, 7, 1), 9).await[7..]), "8402", "not its own");
}

#[tokio::test]
async fn a_gateway_says_that_a_unit_is_not_there() {
    let rig = Rig::new(options(&["gateway"])).await;
    let mut stream = rig.connect().await;
    assert_eq!(hex(&exchange(&mut stream, &request(1, 2, 3, LIST, 20), 9).await), "00010000000302830b");
    assert_eq!(exchange(&mut stream, &record(0), ANSWER).await.len(), ANSWER);
    rig.handle.set_faults(options(&[]).faults);
    stream.write_all(&request(7, 2, 3, LIST, 20)).await.unwrap();
    assert_eq!(hex(&exchange(&mut stream, &record(0), ANSWER).await[..2]), "0001", "others say nothing");
}
