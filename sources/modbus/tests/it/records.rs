//! Captured records decode to the values their owners stated (and the stock device file is sound).

use std::time::Duration;

use smiles_source_modbus::decode_records;
use smiles_stage::{ColumnMeta, Kind};

use crate::harness::{STOCK, cell, column, device, hex, plan, source};
use crate::server::{Asked, Reply, Server};

const MI: &str =
    "0c 103332416355 01 015e 0002 094d 1388 0066 02ef 00012447 002b 0003 0000 0000 01 07 000000000000";

/// Columns of a port in the order of the file.
const NAMES: [&str; 14] = [
    "serial_number",
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
];

fn check(record: &str, expected: &str) {
    let record = hex(record);
    let rows = decode_records(&device(STOCK), &[&record]).unwrap();
    let got: Vec<String> = NAMES.iter().map(|name| column(&rows, name).remove(0)).collect();
    assert_eq!(got.join(" "), expected);
}

#[test]
fn captured_records_say_what_their_owners_saw() {
    check(MI, "103332416355 1 350 20 2381 5000 102 751 74823 43 3 0 0 1");
    check(&MI.replacen("0c 10", "0c 11", 1), "113332416355 1 350 2 2381 5000 102 751 74823 43 3 0 0 1");
    check(&MI.replacen("0c 10", "0c 12", 1), "123332416355 1 350 2 2381 5000 102 751 74823 43 3 0 0 1");
    check(
        "0c102162804827010154000808fb1387011003840004950cffc90003000700020107000000000000",
        "102162804827 1 340 80 2299 4999 272 900 300300 -55 3 7 2 1",
    );
    check(
        "0c1520a025566b04ffffffffffffffffffffffffffffffff8000ffffffffffffff07ffffffffffff",
        "1520a025566b 4 65535 65535 65535 65535 65535 65535 4294967295 -32768 65535 65535 65535 255",
    );
}

/// Records of the golden wire trace, in the order they were served.
const GOLDEN: [&str; 6] = [
    "0c11618280000101015f006608fd1389016604d20008aa5201af0003000000000107000000000000",
    "0c11618280000102015d006308fd1389015904b0000849ea01af0003000000000107000000000000",
    "0c116182800001030160006508fe1389016304c600087a2301ae0003000000000107000000000000",
    "0c11618280000104015e006408fe1389015e04bb000852ae01ae0003000000000107000000000000",
    "0c102162804827010154000808fb1387011003840004950cffc90003000700020107000000000000",
    "0c000000000000000000000000000000000000000000000000000000000000000007000000000000",
];

fn golden(asked: Asked) -> Reply {
    match asked.address {
        0x2000 => Reply::Data(hex("10f871600831")),
        address => Reply::Data(hex(GOLDEN[usize::from((address - 0x1000) / 40)])),
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_was_away_long_is_read_whole_at_once() {
    let server = Server::start(Duration::from_millis(50), |_| Reply::Silence).await;
    let mut source = source(&format!("address: {}", server.address), STOCK, Duration::from_secs(60)).await;
    for _ in 0..9 {
        let error = source.next().await.unwrap_err().chain();
        assert!(error.contains("unit 1: timed out after 3s"), "{error}");
    }
    server.become_(|asked| match (asked.address - 0x1000) % 40 {
        0 if asked.address < 0x10c8 => golden(asked),
        _ if asked.address == 0x2000 => golden(asked),
        _ => Reply::Data(hex(GOLDEN[5])),
    });
    let pass = source.next().await.unwrap().unwrap();
    assert_eq!(column(&pass.rows, "dtu_serial"), ["10f871600831"; 5]);
    assert!(pass.complete && pass.faults.is_empty(), "{:?}", pass.faults);
    server.was_treated_well();
}

#[tokio::test(start_paused = true)]
async fn the_golden_trace_is_asked_and_read() {
    let server = Server::start(Duration::from_millis(50), golden).await;
    let mut source = source(&format!("address: {}", server.address), STOCK, Duration::from_secs(60)).await;
    let pass = source.next().await.unwrap().unwrap();
    assert!(pass.complete && pass.faults.is_empty(), "{:?}", pass.faults);
    assert_eq!(column(&pass.rows, "dtu_serial"), ["10f871600831"; 5]);
    assert_eq!(column(&pass.rows, "port_number"), ["1", "2", "3", "4", "1"]);
    assert_eq!(column(&pass.rows, "today_production"), ["1234", "1200", "1222", "1211", "900"]);
    assert_eq!(column(&pass.rows, "pv_current"), ["102", "99", "101", "100", "80"]);
    let asked = server.take_asked();
    assert!(asked.iter().all(|asked| (asked.unit, asked.function) == (1, 3)));
    let wanted: Vec<(u16, u16)> = asked.iter().map(|asked| (asked.address, asked.count)).collect();
    let ports = (0..6).map(|port| (0x1000 + 40 * port, 20));
    assert_eq!(wanted, [(0x2000, 3)].into_iter().chain(ports).collect::<Vec<_>>());
    // Transactions count from 0, so the requests are those of every version, byte for byte.
    let transactions: Vec<u16> = asked.iter().map(|asked| asked.transaction).collect();
    assert_eq!(transactions, [0, 1, 2, 3, 4, 5, 6]);

    let pass = source.next().await.unwrap().unwrap();
    assert_eq!(column(&pass.rows, "dtu_serial"), ["10f871600831"; 5]);
    assert_eq!(server.take_addresses().len(), 6, "the serial number is asked once");
    assert_eq!(server.connections(), 2, "one connection per pass");
    server.was_treated_well();
}

#[test]
fn the_stock_device_is_sound_and_its_columns_typed() {
    let plan = plan("address: tcp://10.0.0.5", STOCK).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(plan.address(), "tcp://10.0.0.5:502 unit 1");
    let schema = plan.output();
    let fields: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| {
            let unit = field.unit().unwrap_or("-");
            let kind = match field.kind() {
                Some(Kind::Gauge) => "gauge",
                Some(Kind::Counter) => "counter",
                Some(Kind::State) => "state",
                None => "-",
            };
            let null = if field.is_nullable() { " null" } else { "" };
            format!("{} {} {unit} {kind}{null}", field.name(), field.data_type())
        })
        .collect();
    let expected = [
        "dtu_serial Utf8 - - null",
        "serial_number Utf8 - -",
        "port_number UInt8 - -",
        "pv_voltage UInt16 0.1 V gauge",
        "pv_current UInt32 0.01 A gauge",
        "grid_voltage UInt16 0.1 V gauge",
        "grid_frequency UInt16 0.01 Hz gauge",
        "pv_power UInt16 0.1 W gauge",
        "today_production UInt16 Wh counter",
        "total_production UInt32 Wh counter",
        "temperature Int16 0.1 °C gauge",
        "operating_status UInt16 - state",
        "alarm_code UInt16 - state",
        "alarm_count UInt16 - state",
        "link_status UInt8 - state",
    ];
    assert_eq!(fields, expected);
    for (_, block) in device(STOCK).blocks.iter() {
        assert!(block.description.is_some());
        for (name, field) in block.fields.iter() {
            assert!(
                field.description.is_some() && field.simulate.is_some(),
                "{name} is described and simulated"
            );
        }
    }
}

#[test]
fn a_record_that_is_too_short_makes_no_rows() {
    let half = hex("0c11");
    assert!(decode_records(&device(STOCK), &[&half]).is_err());
    let record = hex(MI);
    assert_eq!(cell(decode_records(&device(STOCK), &[&record]).unwrap().column(0), 0), "-");
}

#[test]
fn every_device_file_of_the_pipelines_is_sound() {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines")).unwrap() {
        let folder = folder.unwrap().path();
        for file in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if path.extension().is_some_and(|end| end == "yaml") && text.contains("\nblocks:") {
                let planned = plan("address: tcp://10.0.0.5", &text);
                assert!(planned.is_ok(), "{}: {:?}", path.display(), planned.err());
                found.push(path);
            }
        }
    }
    assert!(found.len() >= 2, "{found:?}");
}
