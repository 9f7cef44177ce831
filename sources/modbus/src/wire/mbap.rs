//! Frames of Modbus TCP ("Modbus Messaging on TCP/IP" V1.0b, 3.1.3): transaction, protocol, length, unit, PDU.

use crate::wire::Frame;
use crate::wire::answer::FrameError;

/// Bytes in front of a PDU.
pub(crate) const HEADER: usize = 7;

/// The longest PDU; a length above it is not Modbus (V1.1b3, 4.1).
const PDU_MAX: usize = 253;

/// The frame around a PDU.
pub(crate) fn framed(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).unwrap_or(u16::MAX).to_be_bytes();
    let mut frame = Vec::with_capacity(HEADER + pdu.len());
    frame.extend(transaction.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(length);
    frame.push(unit);
    frame.extend(pdu);
    frame
}

/// How long the frame at the beginning of `bytes` is; `None` while that cannot be known.
///
/// # Errors
/// The bytes are not the beginning of a frame.
pub(crate) fn frame_length(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    if bytes.get(2..4).is_some_and(|protocol| protocol != [0, 0]) {
        return Err(not_modbus(bytes));
    }
    let Some(length) = bytes.get(4..6) else { return Ok(None) };
    let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    // The length counts the unit, which stands in the header, and at least a function code.
    if !(2..=PDU_MAX + 1).contains(&length) {
        return Err(not_modbus(bytes));
    }
    Ok(Some(HEADER - 1 + length))
}

/// Takes the first whole frame off the front; `None` if there is none yet.
///
/// # Errors
/// The bytes are not the beginning of a frame.
pub(crate) fn take_frame(bytes: &mut Vec<u8>) -> Result<Option<Frame>, FrameError> {
    let Some(whole) = frame_length(bytes)?.filter(|whole| *whole <= bytes.len()) else { return Ok(None) };
    let frame = match bytes.get(..whole) {
        Some([high, low, _, _, _, _, unit, pdu @ ..]) => {
            Frame { transaction: Some(u16::from_be_bytes([*high, *low])), unit: *unit, pdu: pdu.to_vec() }
        }
        _ => return Ok(None),
    };
    bytes.drain(..whole);
    Ok(Some(frame))
}

/// Bytes that begin as an RTU answer would (a unit, a read function or its exception) are told as such.
fn not_modbus(bytes: &[u8]) -> FrameError {
    let beginning = bytes.get(..8).unwrap_or(bytes);
    let rtu = match bytes {
        [1..=247, 1..=4, count, ..] => *count > 0 && *count <= 250,
        [1..=247, 0x81..=0x84, 1..=11, ..] => true,
        _ => false,
    };
    FrameError::NotModbus { begins: hex::encode(beginning), rtu }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_are_cut_where_they_end() {
        let whole = [0, 7, 0, 0, 0, 3, 1, 3, 0];
        let frame = Frame { transaction: Some(7), unit: 1, pdu: vec![3, 0] };
        for cut in 0..whole.len() {
            assert_eq!(take_frame(&mut whole[..cut].to_vec()), Ok(None), "{cut} bytes");
        }
        let mut two = [whole.as_slice(), &whole[..4]].concat();
        assert_eq!(take_frame(&mut two), Ok(Some(frame)));
        assert_eq!(two, whole[..4]);
    }

    #[test]
    fn what_is_no_frame_is_told_and_rtu_is_known_by_its_beginning() {
        let rows: [(&[u8], bool); 5] = [
            (b"HTTP/1.1 400", false),
            (&[0, 1, 0, 0, 0, 1, 1], false),
            (&[0, 1, 0, 0, 9, 9], false),
            (&[5, 4, 4, 0, 0x43, 0x66, 0, 0], true),
            (&[5, 0x83, 2, 0xC1, 0x31], true),
        ];
        for (bytes, looks_like_rtu) in rows {
            match take_frame(&mut bytes.to_vec()) {
                Err(FrameError::NotModbus { rtu, .. }) => assert_eq!(rtu, looks_like_rtu, "{bytes:02x?}"),
                other => panic!("{bytes:02x?}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn a_frame_survives_any_cutting(
            transaction: u16, unit: u8, pdu in prop::collection::vec(any::<u8>(), 1..=253), cut in any::<prop::sample::Index>(),
        ) {
            let bytes = framed(transaction, unit, &pdu);
            let cut = cut.index(bytes.len());
            let mut buffer = bytes[..cut].to_vec();
            prop_assert_eq!(take_frame(&mut buffer), Ok(None));
            buffer.extend_from_slice(&bytes[cut..]);
            let frame = Frame { transaction: Some(transaction), unit, pdu };
            prop_assert_eq!(take_frame(&mut buffer), Ok(Some(frame)));
            prop_assert!(buffer.is_empty());
        }
    }
}
