//! Points by register, as datasheets have them: what is asked, and what comes of the answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smiles_stage::{ColumnMeta, Labels, Pass, Source};

use crate::harness::{column, counted, metered, source};
use crate::server::{Asked, Reply, Server};

const EVERY: Duration = Duration::from_secs(5);

/// Registers by unit and address; whoever asks for one that is not there is refused.
type Map = Arc<Mutex<BTreeMap<(u8, u16), u16>>>;

fn map(unit: u8, registers: &[(u16, u16)]) -> Map {
    Arc::new(Mutex::new(registers.iter().map(|(address, word)| ((unit, *address), *word)).collect()))
}

fn answer(map: &Map, asked: Asked) -> Reply {
    let map = map.lock().unwrap();
    let words: Option<Vec<u16>> = (asked.address..asked.address + asked.count)
        .map(|address| map.get(&(asked.unit, address)).copied())
        .collect();
    words.map_or(Reply::Exception(2), |words| {
        Reply::Data(words.into_iter().flat_map(u16::to_be_bytes).collect())
    })
}

async fn serving(map: &Map) -> Server {
    let map = Arc::clone(map);
    Server::start(Duration::ZERO, move |asked| answer(&map, asked)).await
}

async fn polled(server: &Server, device: &str) -> Box<dyn Source> {
    source(&format!("address: {}\nmin_delay: 0s", server.address), device, EVERY).await
}

async fn pass(source: &mut dyn Source) -> Pass {
    let pass = source.next().await.unwrap_or_else(|error| panic!("{}", error.chain())).unwrap();
    tokio::time::advance(EVERY).await;
    pass
}

fn values(pass: &Pass, names: &[&str]) -> String {
    names.iter().map(|name| column(&pass.rows, name).join(",")).collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn a_datasheet_is_written_down_as_it_stands() {
    let device = "
description: My inverter
read: holding
points:
  active_power:  {register: 37113, type: i32, unit: W, negate: true, kind: gauge}
  temperature:   {register: 587, type: u16, unit: 0.1 °C, offset: -100 °C, valid: -40 .. 90}
  grid_power:    {registers: [690, 625], type: i32, unit: W}
  state:         {register: 32089, type: u16, values: {0: standby, 512: on grid}}
  mode:          {register: 32090, type: u16, values: {0: off, 7: eco}, as: word}
  alarms:        {register: 32091, type: u16, flags: {0: too hot, 3: earth fault}, as: word}
  model:         {register: 30000, type: text, length: 6}
  voltage:       {register: 40083, type: u16, scale_by: voltage_sf, unit: V}
  voltage_sf:    {register: 40085, type: i16}
  on:            {register: 32091, type: bool, bit: 3}
  ratio:         {register: 32091, type: u16, scale: 0.25}
  clock:         {register: 500, type: unix_seconds}
  built:         {register: 502, type: date, length: 3}
";
    let map = map(
        1,
        &[
            (37113, 0xFFFF),
            (37114, 0xFF9C),
            (587, 1234),
            (690, 1),
            (625, 2),
            (32089, 512),
            (32090, 7),
            (32091, 9),
            (30000, 0x4142),
            (30001, 0x4320),
            (30002, 0),
            (40083, 2301),
            (40084, 0),
            (40085, 0xFFFF),
            (500, 0x6A5E),
            (501, 0x8000),
            (502, 0x1A0C),
            (503, 0x0100),
        ],
    );
    for hole in 626..690 {
        map.lock().unwrap().insert((1, hole), 0);
    }
    let server = serving(&map).await;
    let mut source = polled(&server, &format!("timezone: Europe/Berlin\n{device}")).await;
    let pass = pass(source.as_mut()).await;
    let names = [
        "active_power",
        "temperature",
        "grid_power",
        "state",
        "mode",
        "alarms",
        "model",
        "voltage",
        "voltage_sf",
        "on",
        "ratio",
        "built",
    ];
    // A temperature of 1234 tenths is 23.4 °C: 234 tenths.
    let expected = "100 234 65538 512 eco too hot,earth fault ABC 230.1 -1 true 2.25 2026-12-01";
    assert_eq!(values(&pass, &names), expected, "{:?}", pass.faults);
    let utc = i64::from(0x6A5E_8000) - 2 * 3600;
    assert_eq!(column(&pass.rows, "clock"), [format!("{utc} s")], "its clock shows summer time");
    let schema = pass.rows.schema();
    let field = |name: &str| schema.field_with_name(name).unwrap();
    assert_eq!(field("temperature").unit(), Some("0.1 °C"));
    assert_eq!(field("voltage").unit(), Some("V"));
    assert!(matches!(field("state").labels(), Some(Labels::Values(words)) if words[&512] == "on grid"));
    assert_eq!((field("mode").labels(), field("ratio").resolution()), (None, Some(0.25)));
    let order: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(order[..3], ["active_power", "temperature", "grid_power"], "columns stand as in the file");
    let asked = server.take_addresses();
    assert_eq!(asked, [500, 587, 625, 30000, 32089, 37113, 40083], "what belongs together is one request");
    server.was_treated_well();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_null_and_counted_and_its_raw_number_is_kept() {
    let device = "points: {level: {register: 3, type: i16, unit: 0.1 %, valid: 0 .. 100, raw: true, null_when: [0x8000]}}";
    let map = map(1, &[(3, 500)]);
    let server = serving(&map).await;
    let options = format!("address: {}\nmin_delay: 0s", server.address);
    let (mut source, meters) = metered(&options, device, EVERY).await;
    let mut seen = Vec::new();
    for word in [500, 1000, 1001, 0xFFFF, 0x8000] {
        map.lock().unwrap().insert((1, 3), word);
        seen.push(values(&pass(source.as_mut()).await, &["level", "raw_level"]));
    }
    assert_eq!(seen, ["500 500", "1000 1000", "- 1001", "- -1", "- -32768"]);
    let counts = counted(&meters);
    assert!(counts.contains(&"smiles_modbus_invalid_values_total level 2".to_owned()), "{counts:?}");
}

/// A scale factor in another table is read before and behind the value.
#[tokio::test(start_paused = true)]
async fn a_scale_factor_that_changes_meanwhile_gives_no_value() {
    let device = "
points:
  power: {register: 10, type: i16, unit: W, scale_by: power_sf}
  power_sf: {register: 90, read: input, type: i16, null_when: [0x8000]}
";
    let factor = Arc::new(Mutex::new(vec![1_u16, 1]));
    let script = Arc::clone(&factor);
    let server = Server::start(Duration::ZERO, move |asked| match asked.address {
        90 => Reply::Data(script.lock().unwrap().remove(0).to_be_bytes().to_vec()),
        _ => Reply::Data(vec![0, 50]),
    })
    .await;
    let mut source = polled(&server, device).await;
    let mut seen = Vec::new();
    // Where the factor came behind the value, the value is asked again between.
    for factors in [[1_u16, 1], [1, 2], [0xFFFE, 0xFFFE], [0x8000, 0x8000], [11, 11]] {
        *factor.lock().unwrap() = factors.to_vec();
        seen.push(values(&pass(source.as_mut()).await, &["power", "power_sf"]));
    }
    assert_eq!(seen, ["500 1", "- 2", "0.5 -2", "- -", "- 11"]);
    assert_eq!(server.take_addresses()[..4], [10, 90, 10, 90]);
    server.was_treated_well();
}

#[tokio::test(start_paused = true)]
async fn a_scale_factor_that_is_read_once_is_asked_once() {
    let device = "
points:
  power: {register: 10, type: i16, unit: W, scale_by: power_sf}
  power_sf: {register: 900, type: i16, once: true}
";
    let map = map(1, &[(10, 50), (900, 2)]);
    let server = serving(&map).await;
    let mut source = polled(&server, device).await;
    for asked in [&[10, 900][..], &[10], &[10]] {
        assert_eq!(values(&pass(source.as_mut()).await, &["power", "power_sf"]), "5000 2");
        assert_eq!(server.take_addresses(), asked);
    }
}

/// The records of a list, whose factors stand in front of it, as SunSpec has them.
#[tokio::test(start_paused = true)]
async fn records_are_scaled_by_a_factor_in_front_of_the_list() {
    let device = "
blocks:
  head: {address: 0, count: 2, fields: {sf: {at: 0, type: i16}, other: {at: 2, type: u16}}}
  string: {address: 10, count: 1, repeat: {stride: 1, max: 4, until: {exception: [2]}}, fields: {current: {at: 0, type: u16, unit: A, scale_by: sf}}}
";
    let map = map(1, &[(0, 0xFFFE), (1, 9), (10, 812), (11, 790)]);
    let server = serving(&map).await;
    let mut source = polled(&server, device).await;
    for _ in 0..2 {
        assert_eq!(values(&pass(source.as_mut()).await, &["sf", "current"]), "-2,-2 8.12,7.9");
        assert_eq!(server.take_addresses(), [0, 10, 11, 12, 0]);
    }
}

/// Two words that no request reaches together: an overflow between them would be wrong by 65,536.
#[tokio::test(start_paused = true)]
async fn words_far_apart_are_of_one_moment_or_null() {
    let device =
        "points: {energy: {registers: [900, 10], type: u32, unit: Wh, every: 10s, between: {keep: 1h}}}";
    let highs = Arc::new(Mutex::new(Vec::new()));
    let script = Arc::clone(&highs);
    let server = Server::start(Duration::ZERO, move |asked| match asked.address {
        10 => Reply::Data(script.lock().unwrap().remove(0)),
        _ => Reply::Data(vec![0, 1]),
    })
    .await;
    let mut source = polled(&server, device).await;
    let mut seen = Vec::new();
    for lows in [[7_u16, 7], [8, 9]] {
        *highs.lock().unwrap() = lows.map(|low| low.to_be_bytes().to_vec()).to_vec();
        seen.push(values(&pass(source.as_mut()).await, &["energy"]));
        let kept = source.next().await.unwrap().unwrap();
        tokio::time::advance(EVERY).await;
        seen.push(if kept.rows.num_rows() == 0 { "no row".to_owned() } else { values(&kept, &["energy"]) });
    }
    assert_eq!(seen, ["65543", "no row", "-", "no row"]);
}

/// Points that follow each other are asked together; where the device has a hole, in halves, until it answers.
#[tokio::test(start_paused = true)]
async fn a_refused_request_for_many_points_falls_into_halves() {
    let points: String =
        (0..16).map(|register| format!("  p{register}: {{register: {register}, type: u16}}\n")).collect();
    let registers: Vec<(u16, u16)> = (0..16).filter(|register| *register != 11).map(|it| (it, it)).collect();
    let map = map(1, &registers);
    let server = serving(&map).await;
    let mut source = polled(&server, &format!("points:\n{points}")).await;
    let first = pass(source.as_mut()).await;
    assert_eq!(values(&first, &["p0", "p10", "p11", "p12", "p15"]), "0 10 - 12 15");
    let counts: Vec<(u16, u16)> =
        server.take_asked().iter().map(|asked| (asked.address, asked.count)).collect();
    assert_eq!(counts, [(0, 16), (0, 8), (8, 8), (8, 4), (8, 1), (9, 1), (10, 1), (11, 1), (12, 4)]);
    pass(source.as_mut()).await;
    let asked = server.take_addresses();
    assert_eq!(asked, [0, 8, 9, 10, 12], "what was refused is left alone");
}

#[tokio::test(start_paused = true)]
async fn one_device_of_several_units_is_heard_without_the_one_that_is_off() {
    let device = "
numbering: one
points:
  battery: {register: 843, type: u16, unit: '%', unit_id: 100}
  off: {register: 10, type: u16, unit_id: 228}
  off_too: {register: 100, type: u16, unit_id: 228}
  off_three: {register: 200, type: u16, unit_id: 228}
  grid: {register: 4, type: i16, unit: W, unit_id: 31}
  own: {register: 1, type: u16}
";
    let map = map(100, &[(842, 77)]);
    map.lock().unwrap().extend([((31, 3), 0xFFFE), ((9, 0), 5)]);
    let script = Arc::clone(&map);
    let server = Server::start(Duration::ZERO, move |asked| match asked.unit {
        228 => Reply::Silence,
        _ => answer(&script, asked),
    })
    .await;
    let options = format!("address: {}\nmin_delay: 0s\ntimeout: 100ms\nunit_id: 9", server.address);
    let mut source = source(&options, device, EVERY).await;
    for _ in 0..3 {
        let pass = pass(source.as_mut()).await;
        assert_eq!(values(&pass, &["battery", "grid", "own", "off"]), "77 -2 5 -", "{:?}", pass.faults);
        assert!(!pass.complete);
        let silent = server.take_asked().iter().filter(|asked| asked.unit == 228).count();
        assert!(silent <= 2, "{silent} questions to the unit that is off");
    }
}

/// Points stand beside every record, and may say how many there are.
#[tokio::test(start_paused = true)]
async fn points_and_lists_are_of_one_device() {
    let device = "
points:
  strings: {register: 5, type: u16}
  serial: {register: 6, type: text, length: 2, once: true}
blocks:
  string:
    address: 20
    count: 2
    repeat: {stride: 2, max: 8, until: {count: strings}}
    fields: {current: {at: 0, type: i16, unit: 0.01 A, negate: true}, state: {at: 2, type: bool, of: u16, bit: 9}}
";
    let map = map(1, &[(5, 2), (6, 0x4142), (20, 100), (21, 0x0200), (22, 0xFFFF), (23, 0)]);
    let server = serving(&map).await;
    let mut source = polled(&server, device).await;
    let pass = pass(source.as_mut()).await;
    assert_eq!(
        values(&pass, &["serial", "current", "state"]),
        "AB,AB -100,1 true,false",
        "{:?}",
        pass.faults
    );
    assert_eq!(server.take_addresses(), [5, 6, 20, 22]);
}
