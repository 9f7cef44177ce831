//! The stock device file and a few others as bytes.

use proptest::prelude::*;
use smiles_source_modbus::device::{Device, Order, Raw, decode};

use super::*;
use crate::world::{Config, World};

const STOCK: &str = include_str!("../../../../pipelines/hoymiles/device.yaml");

/// A meter with input registers, coils, low word first, and no list.
const METER: &str = "
order: cdab
blocks:
  now:
    read: input
    address: 100
    count: 8
    fields:
      power: {at: 0, type: f32, unit: kW, simulate: dc_power}
      energy: {at: 4, type: u32, unit: 10 Wh, simulate: energy_total}
      voltage: {at: 8, type: u16, unit: V, simulate: ac_voltage}
      model: {at: 10, type: ascii, length: 6, simulate: {text: SIM-1}}
  switches:
    read: coils
    address: 7
    count: 10
    fields:
      linked: {at: 1, type: bool, simulate: link}
      fixed: {at: 9, type: bool, simulate: {constant: 1}}
";

fn device(yaml: &str) -> Device {
    serde_yaml::from_str(yaml).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

/// One reading as the golden wire trace states it, but for the serial number.
fn golden() -> Reading {
    Reading {
        serial: "116182800001".into(),
        index: 1,
        away: false,
        heard: true,
        link: 1,
        dc_voltage: 35.1,
        dc_current: 1.02,
        dc_power: 35.8,
        ac_voltage: 230.1,
        frequency: 50.01,
        energy_today: 1234.0,
        energy_total: 567_890.0,
        temperature: 43.1,
        alarm_count: 0,
    }
}

#[test]
fn a_record_of_the_stock_file_is_that_of_the_wire_trace() {
    let layout = Layout::new(&device(STOCK)).unwrap();
    let one = |record: usize| (record == 0).then(golden);
    let read = |address| hex(&layout.read(3, address, 20, None, &one).unwrap().bytes);
    assert_eq!(
        read(0x1000),
        "0c11618280000101015f006608fd1389016604d20008aa5201af0003000000000107000000000000"
    );
    assert_eq!(
        read(0x1028),
        "0c000000000000000000000000000000000000000000000000000000000000000007000000000000",
        "the record that ends the list keeps what is fixed"
    );
    assert!(layout.read(3, 0x1028, 20, None, &one).unwrap().past_end);
    assert!(!layout.read(3, 0x1000, 20, None, &one).unwrap().past_end);
    assert_eq!(
        layout.read(3, 0x1014, 20, None, &one).unwrap().bytes.len(),
        40,
        "from the middle of a record"
    );
    assert_eq!(read(0x1014)[..40], read(0x1000)[40..]);
    assert_eq!(layout.room(), Some(100));
    assert!(layout.begins_pass(3, 0x1000, 20) && !layout.begins_pass(3, 0x1028, 20));
}

#[test]
fn older_units_count_tenths_and_absent_ones_carry_their_alarm() {
    let layout = Layout::new(&device(STOCK)).unwrap();
    let old = Reading { serial: "102162804827".into(), temperature: -5.5, ..golden() };
    let bytes = layout.read(3, 0x1000, 20, None, &|_| Some(old.clone())).unwrap().bytes;
    assert_eq!(hex(&bytes[10..12]), "000a", "1.02 A in tenths");
    assert_eq!(hex(&bytes[24..26]), "ffc9", "-5.5 degrees");
    let night = World::new(Config { start: "2026-06-21T23:30:00Z".parse().unwrap(), ..Config::default() });
    let bytes = layout.read(3, 0x1000, 20, None, &|record| night.reading(record, 1)).unwrap().bytes;
    assert_eq!(
        hex(&bytes[7..]),
        "0100000000000000000000000000000000000000000009000000\
                                  07000000000000"
            .replace(' ', "")
    );
}

#[test]
fn counters_wrap_and_gauges_stay_at_their_limit() {
    let layout = Layout::new(&device(STOCK)).unwrap();
    let full = Reading { energy_today: 65_536.0 + 7.0, dc_power: 1e6, ..golden() };
    let bytes = layout.read(3, 0x1000, 20, None, &|_| Some(full.clone())).unwrap().bytes;
    assert_eq!((hex(&bytes[16..18]), hex(&bytes[18..20])), ("ffff".into(), "0007".into()));
}

#[test]
fn other_devices_have_their_own_tables_orders_and_types() {
    let file = device(METER);
    let layout = Layout::new(&file).unwrap();
    let known = |_: usize| Some(golden());
    let data = layout.read(4, 100, 8, None, &known).unwrap();
    let value = |name: &str| {
        let field = file.blocks.get("now").unwrap().fields.get(name).unwrap();
        decode(field, Order::Cdab, &data.bytes).unwrap()
    };
    assert!(matches!(value("power"), Raw::Float(kw) if (kw - 0.0358).abs() < 1e-6), "{:?}", value("power"));
    assert_eq!(value("energy"), Raw::Unsigned(56_789));
    assert_eq!(value("voltage"), Raw::Unsigned(230));
    assert_eq!(value("model"), Raw::Text("SIM-1".into()));
    assert_eq!(hex(&layout.read(1, 7, 10, None, &known).unwrap().bytes), "0202");
    assert_eq!(hex(&layout.read(1, 8, 1, None, &known).unwrap().bytes), "01");
    assert!(layout.begins_pass(4, 99, 9) && !layout.begins_pass(1, 100, 1) && layout.room().is_none());
    assert_eq!(hex(&layout.read(4, 101, 1, None, &known).unwrap().bytes), hex(&data.bytes[2..4]));
}

#[test]
fn requests_that_fit_no_block_are_exceptions() {
    let layout = Layout::new(&device(STOCK)).unwrap();
    let rows = [
        (3, 0x1000, 20, None),
        (3, 0x2000, 3, None),
        (3, 0x1F50, 20, None),
        (4, 0x1000, 20, Some(Exception::Address)),
        (3, 0x0FFF, 20, Some(Exception::Address)),
        (3, 0x2000, 4, Some(Exception::Address)),
        (3, 0x1F78, 20, None),
        (3, 0x1FA0, 20, Some(Exception::Address)),
        (3, 0x1000, 0, Some(Exception::Value)),
        (3, 0x1000, 126, Some(Exception::Value)),
        (6, 0x1000, 1, Some(Exception::Function)),
        (3, 0xFFFF, 125, Some(Exception::Address)),
    ];
    for (function, address, count, expected) in rows {
        let got = layout.read(function, address, count, None, &|_| None).err();
        assert_eq!(got, expected, "function {function} at {address:#x} for {count}");
    }
}

#[test]
fn an_image_names_the_table_it_is_of() {
    let file = "blocks: {a: {read: holding, address: 10, count: 1, fields: {h: {at: 0, type: u16}}}, \
                b: {read: input, address: 10, count: 1, fields: {i: {at: 0, type: u16}}}, \
                c: {read: coils, address: 400, count: 2, fields: {c: {at: 1, type: bool}}}, \
                d: {read: discrete, address: 10, count: 1, fields: {d: {at: 0, type: bool}}}}";
    let layout = Layout::new(&serde_yaml::from_str(file).unwrap()).unwrap();
    let read = |image: &str, function, address, count| {
        let image = Image::parse(image).unwrap();
        layout.read(function, address, count, Some(&image), &|_| None).unwrap().bytes
    };
    // As ever: a plain address is of both kinds of registers, and not of coils beside them.
    for (function, bytes) in [(3, vec![0, 7]), (4, vec![0, 7]), (2, vec![0])] {
        assert_eq!(read("{10: '0007'}", function, 10, 1), bytes, "function {function}");
    }
    assert_eq!(read("{holding 10: '0007'}", 3, 10, 1), [0, 7]);
    assert_eq!(read("{holding 10: '0007'}", 4, 10, 1), [0, 0]);
    assert_eq!(read("{input 0x0a: '0007', holding 10: '0008'}", 4, 10, 1), [0, 7]);
    assert_eq!(read("{400: '02'}", 1, 400, 2), [2], "where there are coils alone");
    assert_eq!(read("{coils 400: '02', discrete 10: '01'}", 1, 400, 2), [2]);
    assert_eq!(read("{discrete 10: '01'}", 2, 10, 1), [1]);
    let tables =
        "{holding: {10: '0008'}, input: {10: '0007'}, coils: {400: [false, true]}, discrete: {10: true}}";
    for (function, address, bytes) in [(3, 10, vec![0, 8]), (4, 10, vec![0, 7]), (2, 10, vec![1])] {
        assert_eq!(read(tables, function, address, 1), bytes, "function {function}");
    }
    assert_eq!(read(tables, 1, 400, 2), [2]);
    let image = Image::parse("{coils: {500: [true, false, true]}}").unwrap();
    let read = |count| layout.read(1, 500, count, Some(&image), &|_| None).map(|data| data.bytes);
    assert_eq!(read(3), Ok(vec![5]), "also where the device file has nothing");
    assert_eq!(read(4), Err(Exception::Address), "a list has as many bits as it says");
}

#[test]
fn an_image_is_served_as_it_was_recorded() {
    let record =
        "0c 103332416355 01 015e 0002 094d 1388 0066 02ef 00012447 002b 0003 0000 0000 01 07 000000000000";
    let image = Image::parse(&format!("0x1000: {record}\n0x2000: 11d361600831\n0x3000: beef")).unwrap();
    let layout = Layout::new(&device(STOCK)).unwrap();
    let read = |address, count| layout.read(3, address, count, Some(&image), &|_| None);
    let first = read(0x1000, 20).unwrap();
    assert_eq!(hex(&first.bytes), record.replace(' ', ""));
    assert!(!first.past_end);
    let end = read(0x1028, 20).unwrap();
    assert!(end.past_end && hex(&end.bytes).starts_with("0c0000"), "the list ends by itself");
    assert_eq!(hex(&read(0x2000, 3).unwrap().bytes), "11d361600831");
    assert_eq!(hex(&read(0x3000, 1).unwrap().bytes), "beef", "also where the device file has nothing");
    assert_eq!(read(0x3000, 2), Err(Exception::Address));
}

#[test]
fn hints_that_cannot_be_are_refused() {
    let base = |field: &str| format!("blocks: {{b: {{address: 0, count: 2, fields: {{f: {field}}}}}}}");
    let rows = [
        (
            base("{at: 0, type: u16, unit: A, simulate: dc_voltage}"),
            "field `b.f`: what it simulates is in V, which is no `A`",
        ),
        (base("{at: 0, type: u16, unit: zz, simulate: dc_voltage}"), "field `b.f`: unit: unknown unit `zz`"),
        (
            base("{at: 0, type: hex, length: 2, simulate: dc_voltage}"),
            "field `b.f`: `simulate:` gives a number, which its type does not hold",
        ),
        (base("{at: 0, type: u16, simulate: {text: x}}"), "gives text, which its type does not hold"),
        (
            "blocks: {b: {address: 0, count: 1, fields: {}, fill: [{at: 0, hex: xy}]}}".into(),
            "block `b`: fill: `xy` is not hexadecimal bytes",
        ),
        (
            "blocks: {b: {address: 0, count: 1, fields: {}, fill: [{at: 1, hex: aabb}]}}".into(),
            "block `b`: fill at 1 reaches beyond its 2 bytes",
        ),
    ];
    for (yaml, message) in rows {
        let error = Layout::new(&device(&yaml)).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

proptest! {
    #[test]
    fn any_request_is_the_sum_of_its_registers(start in 0x0F00_u16..0x2100, count in 0_u16..200, function in 0_u8..6) {
        let layout = Layout::new(&device(STOCK)).unwrap();
        let world = World::new(Config { inverters: 2, start: "2026-06-21T11:00:00Z".parse().unwrap(), ..Config::default() });
        let known = |record| world.reading(record, 1);
        let Ok(whole) = layout.read(function, start, count, None, &known) else { return Ok(()) };
        prop_assert_eq!(whole.bytes.len(), usize::from(count) * 2);
        for (register, bytes) in (0_u16..).zip(whole.bytes.chunks(2)) {
            if let Ok(one) = layout.read(function, start + 2 * register, 1, None, &known) {
                prop_assert_eq!(&one.bytes, bytes, "register {} of it", register);
            }
        }
    }
}
