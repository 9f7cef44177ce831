//! Every value a field can hold survives its bytes, in every order, and leaves the bytes beside it alone.

use proptest::prelude::*;
use smiles_source_modbus::device::{Field, Order, Raw, decode, encode, encode_record, unit_of};

use crate::harness::{STOCK, device, hex};

/// A field of this type and a value it can hold.
fn cases() -> impl Strategy<Value = (String, Raw)> {
    let unsigned = |name: &'static str, value: u64| (format!("type: {name}"), Raw::Unsigned(value));
    let signed = |name: &'static str, value: i64| (format!("type: {name}"), Raw::Signed(value));
    prop_oneof![
        any::<u8>().prop_map(move |value| unsigned("u8", value.into())),
        any::<i8>().prop_map(move |value| signed("i8", value.into())),
        any::<u16>().prop_map(move |value| unsigned("u16", value.into())),
        any::<i16>().prop_map(move |value| signed("i16", value.into())),
        any::<u32>().prop_map(move |value| unsigned("u32", value.into())),
        any::<i32>().prop_map(move |value| signed("i32", value.into())),
        any::<u64>().prop_map(move |value| unsigned("u64", value)),
        any::<i64>().prop_map(move |value| signed("i64", value)),
        prop::num::f32::NORMAL
            .prop_map(|value| ("type: f32".into(), Raw::Float(smiles_stage::widened(value)))),
        prop::num::f64::NORMAL.prop_map(|value| ("type: f64".into(), Raw::Float(value))),
        Just(("type: f32".into(), Raw::Missing)),
        Just(("type: bcd, length: 2".into(), Raw::Missing)),
        Just(("type: ascii, length: 6".into(), Raw::Missing)),
        any::<bool>().prop_map(|on| ("type: bool, bit: 5".into(), Raw::Bool(on))),
        (0_u64..16).prop_map(|value| ("type: bits, bit: 7, length: 4".into(), Raw::Unsigned(value))),
        (0_u64..100_000_000).prop_map(|value| ("type: bcd, length: 4".into(), Raw::Unsigned(value))),
        "[0-9a-f]{12}".prop_map(|text| ("type: hex, length: 6".into(), Raw::Text(text))),
        "[ -~]{0,7}[!-~]".prop_map(|text| ("type: ascii, length: 8".into(), Raw::Text(text))),
    ]
}

fn field(text: &str, at: u16, order: Option<&str>) -> Field {
    let order = order.map(|order| format!(", order: {order}")).unwrap_or_default();
    serde_json::from_value(serde_yaml::from_str(&format!("{{at: {at}, {text}{order}}}")).unwrap()).unwrap()
}

const ORDERS: [(Order, &str); 4] =
    [(Order::Abcd, "abcd"), (Order::Cdab, "cdab"), (Order::Badc, "badc"), (Order::Dcba, "dcba")];

proptest! {
    #[test]
    fn values_survive_their_bytes(
        (text, value) in cases(), at in 0_u16..12, own in prop::bool::ANY, order in 0_usize..4,
        noise in prop::collection::vec(any::<u8>(), 20),
    ) {
        let (order, name) = ORDERS[order];
        let field = field(&text, at, own.then_some(name));
        let mut data = noise.clone();
        prop_assert_eq!(encode(&field, order, &value, &mut data), Ok(()));
        prop_assert_eq!(decode(&field, order, &data), Ok(value.clone()));
        let (from, to) = (usize::from(at), usize::from(at + field.width()));
        prop_assert_eq!(&data[..from], &noise[..from]);
        prop_assert_eq!(&data[to..], &noise[to..]);
        prop_assert!(encode(&field, order, &value, &mut data[..to - 1]).is_err());
        prop_assert!(decode(&field, order, &data[..to - 1]).is_err());
    }

    #[test]
    fn bytes_survive_their_value(
        data in prop::collection::vec(any::<u8>(), 8), kind in 0_usize..9, order in 0_usize..4,
    ) {
        let kinds = ["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "hex, length: 8"];
        let field = field(&format!("type: {}", kinds[kind]), 0, None);
        let value = decode(&field, ORDERS[order].0, &data).unwrap();
        let mut again = data.clone();
        again[..usize::from(field.width())].fill(0);
        encode(&field, ORDERS[order].0, &value, &mut again).unwrap();
        prop_assert_eq!(again, data);
    }
}

#[test]
fn a_value_out_of_range_is_refused() {
    let rows = [
        ("type: u8", Raw::Unsigned(256)),
        ("type: i8", Raw::Signed(128)),
        ("type: i8", Raw::Signed(-129)),
        ("type: u16", Raw::Unsigned(1 << 16)),
        ("type: u16", Raw::Signed(1)),
        ("type: u32", Raw::Text("1".into())),
        ("type: f32", Raw::Float(1e300)),
        ("type: bcd, length: 1", Raw::Unsigned(100)),
        ("type: bits, bit: 0, length: 2", Raw::Unsigned(4)),
        ("type: hex, length: 2", Raw::Text("012".into())),
        ("type: hex, length: 2", Raw::Text("01".into())),
        ("type: hex, length: 1", Raw::Text("zz".into())),
        ("type: ascii, length: 2", Raw::Text("abc".into())),
        ("type: ascii, length: 2", Raw::Text("é".into())),
        ("type: u8", Raw::Missing),
    ];
    for (text, value) in rows {
        let before = [7_u8; 8];
        let mut data = before;
        assert!(encode(&field(text, 0, None), Order::Abcd, &value, &mut data).is_err(), "{text} {value:?}");
        assert_eq!(data, before, "a refused value changes nothing");
    }
}

#[test]
fn a_record_is_made_of_its_fields_and_knows_its_units() {
    let device = device(STOCK);
    let port = device.blocks.get("port").unwrap();
    let values = |serial: &str| {
        vec![
            ("serial_number", Raw::Text(serial.into())),
            ("port_number", Raw::Unsigned(4)),
            ("temperature", Raw::Signed(-55)),
            ("link_status", Raw::Unsigned(1)),
        ]
    };
    let record = encode_record(port, device.order, &values("10216280482a")).unwrap();
    let expected = hex(
        "00 10216280482a 04 0000 0000 0000 0000 0000 0000 00000000 ffc9 0000 0000 0000 01 00 000000000000",
    );
    assert_eq!(record, expected);
    let current = port.fields.get("pv_current").unwrap();
    assert_eq!(unit_of(port, current, device.order, &record), Some("0.1 A"));
    let other = encode_record(port, device.order, &values("116182800001")).unwrap();
    assert_eq!(unit_of(port, current, device.order, &other), Some("0.01 A"));
    let error = encode_record(port, device.order, &[("x", Raw::Unsigned(1))]).unwrap_err();
    assert_eq!(error.to_string(), "no field `x`");
    let error = encode_record(port, device.order, &[("port_number", Raw::Unsigned(256))]).unwrap_err();
    assert_eq!(error.to_string(), "field `port_number`: the value does not fit the field");
}

#[test]
fn coils_are_filled_and_read_by_their_number() {
    let text = "blocks: {c: {read: coils, address: 0, count: 12, fields: {a: {at: 3, type: bool}, b: {at: 11, type: bool}}}}";
    let device = device(text);
    let block = device.blocks.get("c").unwrap();
    let data = encode_record(block, device.order, &[("a", Raw::Bool(true)), ("b", Raw::Bool(true))]).unwrap();
    assert_eq!(data, [0b1000, 0b1000]);
}
