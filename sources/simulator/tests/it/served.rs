//! What a served device says, byte by byte and through the real Modbus source.

use std::time::Duration;

use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type};
use arrow_array::{Array, RecordBatch, StringArray, cast::AsArray};
use smiles_source_simulator::{Event, Faults, Image, Options, Rate, Reading};
use smiles_testkit::eventually;
use tokio::io::AsyncWriteExt;

use crate::rig::{ANSWER, LIST, REGISTERS, Rig, SOON, exchange, hex, options, receive, record, request};

fn texts<'a>(rows: &'a RecordBatch, name: &str) -> &'a StringArray {
    rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name}")).as_string()
}

fn numbers(rows: &RecordBatch, name: &str) -> Vec<i64> {
    let column = rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    assert_eq!(column.null_count(), 0, "{name}");
    macro_rules! widened {
        ($($type:ty),*) => {
            $(if let Some(values) = column.as_primitive_opt::<$type>() {
                return values.values().iter().map(|value| i64::from(*value)).collect();
            })*
        };
    }
    widened!(UInt8Type, UInt16Type, UInt32Type, Int8Type, Int16Type, Int32Type, Int64Type);
    panic!("{name} is {}", column.data_type())
}

/// The column as the device should have it, by the world.
fn expected(readings: &[Reading], name: &str) -> Vec<i64> {
    let raw = |value: f64| value.round() as i64;
    let one = |reading: &Reading| match name {
        "port_number" => reading.index.into(),
        "pv_voltage" => raw(reading.dc_voltage * 10.0),
        "pv_current" if reading.serial.starts_with("10") => raw(reading.dc_current * 10.0) * 10,
        "pv_current" => raw(reading.dc_current * 100.0),
        "grid_voltage" => raw(reading.ac_voltage * 10.0),
        "grid_frequency" => raw(reading.frequency * 100.0),
        "pv_power" => raw(reading.dc_power * 10.0),
        "today_production" => raw(reading.energy_today),
        "total_production" => raw(reading.energy_total),
        "temperature" => raw(reading.temperature * 10.0),
        "operating_status" => {
            if reading.heard {
                3
            } else {
                0
            }
        }
        "alarm_code" => {
            if reading.away {
                9
            } else {
                0
            }
        }
        "alarm_count" => reading.alarm_count.into(),
        "link_status" => reading.link.into(),
        _ => panic!("{name}"),
    };
    readings.iter().map(one).collect()
}

const COLUMNS: [&str; 14] = [
    "port_number",
    "pv_voltage",
    "pv_current",
    "grid_voltage",
    "grid_frequency",
    "pv_power",
    "today_production",
    "total_production",
    "temperature",
    "operating_status",
    "alarm_code",
    "alarm_count",
    "link_status",
    "port_number",
];

/// Polls with the real source and compares every value with the world behind the device.
async fn check_against_world(rig: &Rig) {
    let pass = rig.source().await.next().await.unwrap().unwrap();
    assert!(pass.complete && pass.faults.is_empty(), "{:?}", pass.faults);
    let readings = rig.handle.readings();
    let serials: Vec<&str> = readings.iter().map(|reading| &*reading.serial).collect();
    assert_eq!(texts(&pass.rows, "serial_number").iter().flatten().collect::<Vec<_>>(), serials);
    for name in COLUMNS {
        assert_eq!(numbers(&pass.rows, name), expected(&readings, name), "{name}");
    }
    let dtu = texts(&pass.rows, "dtu_serial");
    assert!(dtu.iter().all(|serial| serial.is_some_and(|serial| serial.len() == 12)));
}

#[tokio::test]
async fn the_modbus_source_reads_what_the_world_says() {
    let rows: [(&str, Options); 6] = [
        ("a byte count of zero", options(&["wrong_byte_count=0"])),
        ("by day", options(&[])),
        ("as real devices do", options(&["wrong_byte_count", "surplus_data", "dribble=0"])),
        ("many", Options { inverters: 25, ports: 3, ..options(&[]) }),
        ("by night", Options { start: Some("2026-01-21T23:00:00Z".parse().unwrap()), ..options(&[]) }),
        ("glitches", options(&["glitch=0.5"])),
    ];
    for (name, options) in rows {
        println!("{name}");
        let rig = Rig::new(options).await;
        check_against_world(&rig).await;
        rig.clock.advance(Duration::from_secs(3600));
        check_against_world(&rig).await;
    }
}

#[tokio::test]
async fn the_end_of_the_list_is_that_of_real_devices() {
    let rig = Rig::new(options(&[])).await;
    let mut stream = rig.connect().await;
    let plain = format!("00010000002b0103280c{}07{}", "00".repeat(32), "00".repeat(6));
    assert_eq!(hex(&exchange(&mut stream, &record(6), ANSWER).await), plain);
    rig.handle.set_faults(Faults { surplus_data: true, ..Faults::default() });
    let surplus = format!("0001000000530103500c{}07{}", "00".repeat(32), "00".repeat(46));
    assert_eq!(hex(&exchange(&mut stream, &record(6), ANSWER + 40).await), surplus, "80 bytes for 40");
    rig.handle.set_faults(Faults { wrong_byte_count: Some(0xFF), ..Faults::default() });
    let serial = exchange(&mut stream, &request(2, 1, 3, 0x2000, 3), 15).await;
    assert_eq!(hex(&serial[..9]), "0002000000090103ff");
}

#[tokio::test]
async fn refusals_are_exceptions() {
    let rig = Rig::new(options(&[])).await;
    let mut stream = rig.connect().await;
    let rows = [
        (request(1, 1, 6, LIST, 1), "8601"),
        (request(1, 1, 4, LIST, 20), "8402"),
        (request(1, 1, 3, 0, 20), "8302"),
        (request(1, 1, 3, LIST, 126), "8303"),
    ];
    for (request, expected) in rows {
        let answer = exchange(&mut stream, &request, 9).await;
        assert_eq!(hex(&answer[7..]), expected, "{}", hex(&request));
    }
    stream.write_all(&request(7, 2, 3, LIST, 20)).await.unwrap();
    let answer = exchange(&mut stream, &record(0), ANSWER).await;
    assert_eq!(hex(&answer[..2]), "0001", "a request for another unit has no answer");
    assert_eq!(rig.handle.counters().requests, 6);
}

#[tokio::test]
async fn faults_come_and_go_while_it_runs() {
    let rig = Rig::new(options(&[])).await;
    let set = |faults| rig.handle.set_faults(faults);
    let none = Faults::default;

    let mut stream = rig.connect().await;
    set(Faults { silent: Rate::Always, ..none() });
    stream.write_all(&record(0)).await.unwrap();
    rig.handle.requested(1).await;
    set(none());
    let answer = exchange(&mut stream, &request(9, 1, 3, LIST, REGISTERS), ANSWER).await;
    assert_eq!(hex(&answer[..2]), "0009", "only the second request was answered");

    set(Faults { exception: Rate::Always, exception_code: 6, ..none() });
    assert_eq!(hex(&exchange(&mut stream, &record(0), 9).await), "000100000003018306");
    set(Faults { no_data: true, ..none() });
    assert_eq!(hex(&exchange(&mut stream, &record(0), 9).await), "000100000003010300");
    set(Faults { wrong_transaction: Rate::Always, ..none() });
    assert_eq!(hex(&exchange(&mut stream, &record(0), ANSWER).await[..2]), "1001");
    set(Faults { wrong_unit: Rate::Always, ..none() });
    assert_eq!(exchange(&mut stream, &record(0), ANSWER).await[6], 2);
    set(Faults { garbage: Rate::Always, ..none() });
    assert_ne!(exchange(&mut stream, &record(0), ANSWER).await[2], 0, "another protocol");
    set(Faults { short: Rate::Always, ..none() });
    assert_eq!(exchange(&mut stream, &record(0), 29).await[8], 20);
    set(Faults { truncate: Rate::Always, ..none() });
    assert_eq!(exchange(&mut stream, &record(0), ANSWER).await.len(), ANSWER / 2, "then it hangs up");

    set(Faults { refuse_after: Some(0), ..none() });
    assert_eq!(receive(&mut rig.connect().await, 1).await, b"", "closed at once");
    set(none());
    let mut stream = rig.connect().await;
    assert_eq!(exchange(&mut stream, &record(0), ANSWER).await.len(), ANSWER);
    set(Faults { refuse_after: Some(1), ..none() });
    assert_eq!(exchange(&mut stream, &record(0), 1).await, b"", "an open connection is closed too");
}

#[tokio::test]
async fn delays_are_the_clocks() {
    let rig = Rig::new(options(&["delay=150ms"])).await;
    let mut stream = rig.connect().await;
    stream.write_all(&record(0)).await.unwrap();
    rig.clock.wait_for_sleeper_until(Duration::from_millis(150)).await;
    assert_eq!(rig.handle.counters().in_flight_max, 1);
    rig.clock.advance(Duration::from_millis(150));
    assert_eq!(receive(&mut stream, ANSWER).await.len(), ANSWER);
    rig.handle.set_faults(Faults { dribble: Some(Duration::from_millis(2)), ..Faults::default() });
    stream.write_all(&record(0)).await.unwrap();
    rig.clock.wait_for_sleeper_until(Duration::from_millis(152)).await;
    assert_eq!(receive(&mut stream, 1).await, [0], "one byte, and then a pause");
}

#[tokio::test]
async fn what_is_asked_is_counted() {
    let rig = Rig::new(options(&[])).await;
    let mut first = rig.connect().await;
    for number in 0..3 {
        exchange(&mut first, &record(number), ANSWER).await;
        rig.clock.advance(Duration::from_millis(70));
    }
    {
        let mut second = rig.connect().await;
        exchange(&mut second, &record(0), ANSWER).await;
        assert_eq!(rig.handle.counters().open, 2);
    }
    drop(first);
    eventually(SOON, || rig.handle.counters().open == 0).await;
    let counters = rig.handle.counters();
    assert_eq!((counters.requests, counters.passes, counters.connections), (4, 2, 2));
    assert_eq!((counters.open_max, counters.in_flight_max), (2, 1));
    assert_eq!(counters.gap_min, Some(Duration::from_millis(70)));
    let asked = rig.handle.requests();
    assert_eq!(asked.iter().map(|asked| asked.address).collect::<Vec<_>>(), [0x1000, 0x1028, 0x1050, 0x1000]);
    assert!(asked.iter().all(|asked| (asked.unit, asked.function, asked.count) == (1, 3, 20)));
}

#[tokio::test]
async fn time_runs_as_fast_as_asked() {
    let rig = Rig::new(Options { time_scale: 3600.0, ..options(&[]) }).await;
    let produced = |rig: &Rig| rig.handle.truth().iter().map(|truth| truth.produced_wh).sum::<f64>();
    assert_eq!(produced(&rig), 0.0);
    let source = |rig: &Rig| rig.handle.now().to_string();
    assert_eq!(source(&rig), "2026-06-21T11:00:00Z");
    rig.clock.advance(Duration::from_secs(2));
    assert_eq!(source(&rig), "2026-06-21T13:00:00Z");
    assert!(produced(&rig) > 300.0, "two hours of sun on six panels: {}", produced(&rig));
    check_against_world(&rig).await;
    rig.handle.happens(Event::Restart(2));
    assert!(rig.handle.readings()[4].away);
    check_against_world(&rig).await;
}

#[tokio::test]
async fn strangers_are_cut_off_and_disturb_nobody() {
    let rig = Rig::new(options(&[])).await;
    let mut stranger = rig.connect().await;
    let mut client = rig.connect().await;
    assert_eq!(exchange(&mut stranger, b"GET / HTTP/1.1\r\n\r\n", 1).await, b"");
    assert_eq!(exchange(&mut client, &record(0), ANSWER).await.len(), ANSWER);
    let two = [request(1, 1, 3, 0x2000, 3), request(2, 1, 3, 0x2000, 3)].concat();
    let answers = exchange(&mut client, &two, 30).await;
    assert_eq!(
        (hex(&answers[..2]), hex(&answers[15..17])),
        ("0001".into(), "0002".into()),
        "one after the other"
    );
    let mut half = rig.connect().await;
    half.write_all(&record(0)[..5]).await.unwrap();
    drop(half);
    eventually(SOON, || rig.handle.counters().open == 1).await;
    assert_eq!(rig.handle.counters().requests, 3);
}

#[tokio::test]
async fn the_stop_signal_closes_everything() {
    let rig = Rig::new(options(&[])).await;
    let mut stream = rig.connect().await;
    exchange(&mut stream, &record(0), ANSWER).await;
    rig.stop.cancel();
    assert_eq!(receive(&mut stream, 1).await, b"");
    eventually(SOON, || rig.handle.counters().open == 0).await;
    let mut refused = false;
    for _ in 0..100 {
        refused = tokio::net::TcpStream::connect(rig.address).await.is_err();
        if refused {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(refused, "nobody listens any more");
}

#[tokio::test]
async fn recorded_registers_can_be_changed_while_they_are_served() {
    let rig = Rig::new(options(&[])).await;
    let mut source = rig.source().await;
    for (record, today) in [("02ef", 751), ("02f0", 752)] {
        let bytes = format!(
            "0x1000: 0c 103332416355 01 015e 0002 094d 1388 0066 {record} 00012447 002b 0003 0000 0000 01 07 000000000000"
        );
        rig.handle.set_image(Image::parse(&bytes).unwrap());
        let rows = source.next().await.unwrap().unwrap().rows;
        assert_eq!(rows.num_rows(), 1, "nothing simulated stands behind a record");
        let column = rows.column_by_name("today_production").unwrap();
        assert_eq!(column.as_primitive::<UInt16Type>().value(0), today);
    }
}
