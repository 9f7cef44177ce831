//! Modbus/TCP frames of a server, and what its faults make of an answer. Bytes only, no sockets.

use crate::faults::Faults;
use crate::layout::{Data, Exception};
use crate::noise::hash;

/// Bytes of an MBAP header up to and with the unit (Modbus Messaging on TCP/IP V1.0b, 3.1.3).
pub(crate) const HEADER: usize = 7;
/// The most bytes a length field may announce: unit and a PDU of 253.
const LENGTH_MAX: usize = 254;

const SILENT: u64 = 301;
const EXCEPTION: u64 = 302;
const GARBAGE: u64 = 303;
const TRUNCATE: u64 = 304;
const SHORT: u64 = 305;
const WRONG_UNIT: u64 = 306;
const WRONG_TRANSACTION: u64 = 307;

/// "Device failure" (Modbus Application Protocol V1.1b3, 7).
const DEVICE_FAILURE: u8 = 4;

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) transaction: u16,
    pub(crate) unit: u8,
    pub(crate) pdu: Vec<u8>,
}

/// What goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Nothing,
    HangUp,
    Bytes(Vec<u8>),
    BytesThenHangUp(Vec<u8>),
}

/// The stream is not Modbus/TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotModbus;

/// Takes the first whole frame from `buffer`; `None`: more must come.
pub(crate) fn take_frame(buffer: &mut Vec<u8>) -> Result<Option<Frame>, NotModbus> {
    let Some(&[t1, t2, p1, p2, l1, l2, unit]) = buffer.first_chunk::<HEADER>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([l1, l2]));
    if (p1, p2) != (0, 0) || !(2..=LENGTH_MAX).contains(&length) {
        return Err(NotModbus);
    }
    let end = HEADER - 1 + length;
    let Some(pdu) = buffer.get(HEADER..end).map(<[u8]>::to_vec) else { return Ok(None) };
    buffer.drain(..end);
    Ok(Some(Frame { transaction: u16::from_be_bytes([t1, t2]), unit, pdu }))
}

/// The function, address and count of a read; `None` for anything else.
pub(crate) fn read_of(pdu: &[u8]) -> Option<(u8, u16, u16)> {
    match *pdu {
        [function @ 1..=4, a1, a2, c1, c2] => {
            Some((function, u16::from_be_bytes([a1, a2]), u16::from_be_bytes([c1, c2])))
        }
        _ => None,
    }
}

/// The answer to the `number`-th request (from 1), as these faults make it.
pub(crate) fn reply(
    frame: &Frame,
    number: u64,
    faults: &Faults,
    seed: u64,
    read: impl FnOnce() -> Result<Data, Exception>,
) -> Reply {
    if faults.refuse_after.is_some_and(|after| number > after) {
        return Reply::HangUp;
    }
    if faults.silent.strikes(number, seed, SILENT) {
        return Reply::Nothing;
    }
    let function = frame.pdu.first().copied().unwrap_or_default();
    let pdu = if faults.exception.strikes(number, seed, EXCEPTION) {
        let code = if faults.exception_code == 0 { DEVICE_FAILURE } else { faults.exception_code };
        vec![function | 0x80, code]
    } else {
        match read() {
            Ok(data) => data_pdu(function, data, faults, faults.short.strikes(number, seed, SHORT)),
            Err(exception) => vec![function | 0x80, exception.code()],
        }
    };
    let transaction =
        if faults.wrong_transaction.strikes(number, seed, WRONG_TRANSACTION) { 0x1000 } else { 0 };
    let unit = u8::from(faults.wrong_unit.strikes(number, seed, WRONG_UNIT));
    let mut bytes = framed(frame.transaction.wrapping_add(transaction), frame.unit.wrapping_add(unit), &pdu);
    if faults.garbage.strikes(number, seed, GARBAGE) {
        bytes = noise(number, seed, bytes.len());
    }
    if faults.truncate.strikes(number, seed, TRUNCATE) {
        bytes.truncate(bytes.len() / 2);
        return Reply::BytesThenHangUp(bytes);
    }
    Reply::Bytes(bytes)
}

fn data_pdu(function: u8, data: Data, faults: &Faults, short: bool) -> Vec<u8> {
    let mut bytes = data.bytes;
    if faults.surplus_data && data.past_end {
        bytes.resize((bytes.len() * 2).min(LENGTH_MAX - 3), 0);
    }
    if short {
        bytes.truncate(bytes.len() / 4 * 2);
    }
    if faults.no_data && data.in_list {
        bytes.clear();
    }
    // A list of registers that one request can ask for fits into a byte.
    let count = faults.wrong_byte_count.unwrap_or(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    let mut pdu = vec![function, count];
    pdu.extend(bytes);
    pdu
}

fn framed(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(HEADER + pdu.len());
    bytes.extend(transaction.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(length.to_be_bytes());
    bytes.push(unit);
    bytes.extend(pdu);
    bytes
}

/// Bytes that are no frame: their protocol is not Modbus.
fn noise(number: u64, seed: u64, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..length as u64).map(|place| hash(seed, &[GARBAGE, number, place]).to_be_bytes()[0]).collect();
    if let Some(protocol) = bytes.get_mut(2) {
        *protocol |= 0x80;
    }
    bytes
}

impl Exception {
    fn code(self) -> u8 {
        match self {
            Self::Function => 1,
            Self::Address => 2,
            Self::Value => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Rate;

    fn request() -> Frame {
        Frame { transaction: 6, unit: 1, pdu: vec![3, 0x10, 0xC8, 0, 2] }
    }

    fn data(past_end: bool) -> Result<Data, Exception> {
        Ok(Data { bytes: vec![0x0c, 1, 2, 3], in_list: true, past_end })
    }

    fn answered(faults: &Faults, past_end: bool) -> Reply {
        reply(&request(), 1, faults, 9, || data(past_end))
    }

    #[test]
    fn frames_are_taken_whole_and_one_by_one() {
        let bytes = [0, 6, 0, 0, 0, 6, 1, 3, 0x10, 0xC8, 0, 2];
        let mut buffer = Vec::new();
        for byte in bytes {
            assert_eq!(take_frame(&mut buffer), Ok(None));
            buffer.push(byte);
        }
        buffer.extend([0, 7]);
        assert_eq!(take_frame(&mut buffer), Ok(Some(request())));
        assert_eq!(buffer, [0, 7], "what follows stays");
        for (place, value) in [(2, 1), (5, 1), (4, 1)] {
            let mut foreign = bytes.to_vec();
            foreign[place] = value;
            assert_eq!(take_frame(&mut foreign), Err(NotModbus), "byte {place} is {value}");
        }
        assert_eq!(read_of(&request().pdu), Some((3, 0x10C8, 2)));
        assert_eq!(read_of(&[5, 0, 0, 0xff, 0]), None);
    }

    #[test]
    fn each_fault_shows_in_the_bytes() {
        let some = |bytes: &[u8]| Reply::Bytes(bytes.to_vec());
        let none = Faults::default;
        let rows: Vec<(&str, Faults, bool, Reply)> = vec![
            ("none", none(), true, some(&[0, 6, 0, 0, 0, 7, 1, 3, 4, 0x0c, 1, 2, 3])),
            (
                "wrong byte count",
                Faults { wrong_byte_count: Some(0xFF), ..none() },
                false,
                some(&[0, 6, 0, 0, 0, 7, 1, 3, 0xFF, 0x0c, 1, 2, 3]),
            ),
            (
                "surplus data",
                Faults { surplus_data: true, ..none() },
                true,
                some(&[0, 6, 0, 0, 0, 11, 1, 3, 8, 0x0c, 1, 2, 3, 0, 0, 0, 0]),
            ),
            (
                "surplus data only behind the end",
                Faults { surplus_data: true, ..none() },
                false,
                some(&[0, 6, 0, 0, 0, 7, 1, 3, 4, 0x0c, 1, 2, 3]),
            ),
            ("no data", Faults { no_data: true, ..none() }, false, some(&[0, 6, 0, 0, 0, 3, 1, 3, 0])),
            (
                "no data, but a byte count",
                Faults { no_data: true, wrong_byte_count: Some(4), ..none() },
                false,
                some(&[0, 6, 0, 0, 0, 3, 1, 3, 4]),
            ),
            ("silent", Faults { silent: Rate::Always, ..none() }, false, Reply::Nothing),
            (
                "exception",
                Faults { exception: Rate::Always, ..none() },
                false,
                some(&[0, 6, 0, 0, 0, 3, 1, 0x83, 4]),
            ),
            (
                "exception code",
                Faults { exception: Rate::Always, exception_code: 1, ..none() },
                false,
                some(&[0, 6, 0, 0, 0, 3, 1, 0x83, 1]),
            ),
            (
                "truncate",
                Faults { truncate: Rate::Always, ..none() },
                false,
                Reply::BytesThenHangUp(vec![0, 6, 0, 0, 0, 7]),
            ),
            (
                "short",
                Faults { short: Rate::Always, ..none() },
                false,
                some(&[0, 6, 0, 0, 0, 5, 1, 3, 2, 0x0c, 1]),
            ),
            (
                "wrong unit",
                Faults { wrong_unit: Rate::Always, ..none() },
                false,
                some(&[0, 6, 0, 0, 0, 7, 2, 3, 4, 0x0c, 1, 2, 3]),
            ),
            (
                "wrong transaction",
                Faults { wrong_transaction: Rate::Always, ..none() },
                false,
                some(&[0x10, 6, 0, 0, 0, 7, 1, 3, 4, 0x0c, 1, 2, 3]),
            ),
            ("refuse at once", Faults { refuse_after: Some(0), ..none() }, false, Reply::HangUp),
            (
                "refuse later",
                Faults { refuse_after: Some(1), ..none() },
                false,
                some(&[0, 6, 0, 0, 0, 7, 1, 3, 4, 0x0c, 1, 2, 3]),
            ),
        ];
        for (name, faults, past_end, expected) in rows {
            assert_eq!(answered(&faults, past_end), expected, "{name}");
        }
    }

    #[test]
    fn garbage_is_no_frame() {
        for number in 1..100 {
            let faults = Faults { garbage: Rate::Always, ..Faults::default() };
            let Reply::Bytes(mut bytes) = reply(&request(), number, &faults, 9, || data(false)) else {
                panic!()
            };
            assert_eq!(take_frame(&mut bytes), Err(NotModbus));
        }
    }

    #[test]
    fn refusals_of_the_device_are_exceptions() {
        let rows = [(Exception::Function, 1), (Exception::Address, 2), (Exception::Value, 3)];
        for (exception, code) in rows {
            let got = reply(&request(), 1, &Faults::default(), 9, || Err(exception));
            assert_eq!(got, Reply::Bytes(vec![0, 6, 0, 0, 0, 3, 1, 0x83, code]));
        }
    }
}
