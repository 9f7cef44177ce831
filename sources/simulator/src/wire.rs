//! What a device and its faults make of a request. Bytes only, no sockets.

use crate::faults::Faults;
use crate::framing::{Frame, Framing, LENGTH_MAX};
use crate::layout::{Data, Exception};
use crate::noise::hash;
use crate::rate::Rate;

const SILENT: u64 = 301;
const EXCEPTION: u64 = 302;
const GARBAGE: u64 = 303;
const TRUNCATE: u64 = 304;
const SHORT: u64 = 305;
const WRONG_UNIT: u64 = 306;
const WRONG_TRANSACTION: u64 = 307;
const BUSY: u64 = 308;
const ACKNOWLEDGE: u64 = 309;
const GATEWAY_PATH: u64 = 310;
const GATEWAY_TARGET: u64 = 311;
const BAD_CRC: u64 = 312;

/// "Device failure" (Modbus Application Protocol V1.1b3, 7).
const DEVICE_FAILURE: u8 = 4;
/// "Server device busy".
const DEVICE_BUSY: u8 = 6;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Nothing,
    HangUp,
    Pdu(Vec<u8>),
}

/// What goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Nothing,
    HangUp,
    Bytes(Vec<u8>),
    BytesThenHangUp(Vec<u8>),
}

impl Answer {
    /// Whether it says that the device is busy.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Pdu(pdu) if matches!(**pdu, [0x80..=0xFF, DEVICE_BUSY]))
    }
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

/// The answer to the `number`-th request (from 1), as these faults make it. `again`: it is the question that was answered
/// by "busy" just before.
pub(crate) fn answer(
    request: &Frame,
    number: u64,
    again: bool,
    faults: &Faults,
    seed: u64,
    read: impl FnOnce() -> Result<Data, Exception>,
) -> Answer {
    if faults.refuse_after.is_some_and(|after| number > after) {
        return Answer::HangUp;
    }
    if faults.silent.strikes(number, seed, SILENT) {
        return Answer::Nothing;
    }
    let function = request.pdu.first().copied().unwrap_or_default();
    let refused = |code: u8| Answer::Pdu(vec![function | 0x80, code]);
    if let Some(code) = exception(number, again, faults, seed) {
        return refused(code);
    }
    match read() {
        Ok(data) => {
            let short = faults.short.strikes(number, seed, SHORT);
            Answer::Pdu(data_pdu(function, data, faults, short))
        }
        Err(exception) => refused(exception.code()),
    }
}

/// The code of the exception that strikes.
fn exception(number: u64, again: bool, faults: &Faults, seed: u64) -> Option<u8> {
    let code = if faults.exception_code == 0 { DEVICE_FAILURE } else { faults.exception_code };
    let busy = if again { Rate::Never } else { faults.busy };
    let rows = [
        (faults.exception, EXCEPTION, code),
        (busy, BUSY, DEVICE_BUSY),
        (faults.acknowledge, ACKNOWLEDGE, 5),
        (faults.gateway_path, GATEWAY_PATH, 10),
        (faults.gateway_target, GATEWAY_TARGET, 11),
    ];
    rows.into_iter().find(|(rate, stream, _)| rate.strikes(number, seed, *stream)).map(|(.., code)| code)
}

/// The bytes of an answer to this request, which was the `number`-th.
pub(crate) fn reply(
    framing: Framing,
    request: &Frame,
    number: u64,
    answer: &Answer,
    faults: &Faults,
    seed: u64,
) -> Reply {
    let pdu = match answer {
        Answer::Nothing => return Reply::Nothing,
        Answer::HangUp => return Reply::HangUp,
        Answer::Pdu(pdu) => pdu,
    };
    let transaction = if faults.wrong_transaction.strikes(number, seed, WRONG_TRANSACTION) {
        faults.other_transaction.instead_of(request.transaction)
    } else {
        request.transaction
    };
    let unit = u8::from(faults.wrong_unit.strikes(number, seed, WRONG_UNIT));
    let mut bytes = framing.put(transaction, request.unit.wrapping_add(unit), pdu);
    if faults.garbage.strikes(number, seed, GARBAGE) {
        bytes = noise(number, seed, bytes.len());
    }
    if framing == Framing::Rtu {
        if let Some(last) = bytes.last_mut().filter(|_| faults.bad_crc.strikes(number, seed, BAD_CRC)) {
            *last ^= 0xFF;
        }
        if faults.echo {
            bytes.splice(..0, framing.put(0, request.unit, &request.pdu));
        }
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
            Self::NoUnit => 11,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::OtherTransaction;

    fn request() -> Frame {
        Frame { transaction: 6, unit: 1, pdu: vec![3, 0x10, 0xC8, 0, 2] }
    }

    fn data(past_end: bool) -> Result<Data, Exception> {
        Ok(Data { bytes: vec![0x0c, 1, 2, 3], in_list: true, past_end })
    }

    fn answered(faults: &Faults, past_end: bool) -> Reply {
        replied(Framing::Tcp, 1, faults, || data(past_end))
    }

    fn replied(
        framing: Framing,
        number: u64,
        faults: &Faults,
        read: impl FnOnce() -> Result<Data, Exception>,
    ) -> Reply {
        let answer = answer(&request(), number, false, faults, 9, read);
        reply(framing, &request(), number, &answer, faults, 9)
    }

    #[test]
    fn reads_are_told_from_the_rest() {
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
            (
                "transaction 0",
                Faults {
                    wrong_transaction: Rate::Always,
                    other_transaction: OtherTransaction::Zero,
                    ..none()
                },
                false,
                some(&[0, 0, 0, 0, 0, 7, 1, 3, 4, 0x0c, 1, 2, 3]),
            ),
            (
                "acknowledge",
                Faults { acknowledge: Rate::Always, ..none() },
                false,
                some(&[0, 6, 0, 0, 0, 3, 1, 0x83, 5]),
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
            let Reply::Bytes(mut bytes) = replied(Framing::Tcp, number, &faults, || data(false)) else {
                panic!()
            };
            assert!(Framing::Tcp.take(&mut bytes).is_err());
        }
    }

    #[test]
    fn refusals_of_the_device_are_exceptions() {
        let rows = [
            (Exception::Function, 1),
            (Exception::Address, 2),
            (Exception::Value, 3),
            (Exception::NoUnit, 11),
        ];
        for (exception, code) in rows {
            let got = replied(Framing::Tcp, 1, &Faults::default(), || Err(exception));
            assert_eq!(got, Reply::Bytes(vec![0, 6, 0, 0, 0, 3, 1, 0x83, code]));
        }
    }

    #[test]
    fn a_busy_device_answers_the_same_question_the_second_time() {
        let faults = Faults { busy: Rate::Always, ..Faults::default() };
        let asked = |again| answer(&request(), 1, again, &faults, 9, || data(false));
        assert_eq!(asked(false), Answer::Pdu(vec![0x83, 6]));
        assert!(asked(false).is_busy() && !asked(true).is_busy());
    }

    #[test]
    fn rtu_has_faults_of_its_own() {
        let plain = Framing::Rtu.put(0, 1, &[3, 4, 0x0c, 1, 2, 3]);
        let rtu = |faults: &Faults| replied(Framing::Rtu, 1, faults, || data(false));
        assert_eq!(rtu(&Faults::default()), Reply::Bytes(plain.clone()));
        let echoed = [Framing::Rtu.put(0, 1, &request().pdu), plain.clone()].concat();
        assert_eq!(rtu(&Faults { echo: true, ..Faults::default() }), Reply::Bytes(echoed));
        let Reply::Bytes(bad) = rtu(&Faults { bad_crc: Rate::Always, ..Faults::default() }) else { panic!() };
        assert_eq!(bad[..8], plain[..8]);
        assert_ne!(bad[8], plain[8], "only the checksum is wrong");
    }
}
