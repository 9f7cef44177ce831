//! Repairs faulty answers: pure functions on the bytes of a frame, so that the protocol library above sees only
//! valid ones. What is repaired is what the device file tolerates; everything else is refused with its cause.

use crate::device::block::Tolerance;

/// Bytes in front of a PDU: transaction, protocol, length, unit ("Modbus Messaging on TCP/IP" V1.0b, 3.1.3).
pub(crate) const HEADER: usize = 7;

/// The longest PDU; a length above it is not Modbus (V1.1b3, 4.1).
const PDU_MAX: usize = 253;

/// What the answer to a request must agree with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) transaction: u16,
    pub(crate) unit: u8,
    pub(crate) function: u8,
    /// Bytes of data that answer the request.
    pub(crate) data_bytes: usize,
}

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) transaction: u16,
    pub(crate) unit: u8,
    pub(crate) pdu: Vec<u8>,
}

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the answer is not Modbus TCP (it begins {0})")]
    NotModbus(String),
    #[error("the answer is for function {answered} where {asked} was asked")]
    Function { asked: u8, answered: u8 },
    #[error("the answer ends after its function code")]
    NoCount,
    #[error(
        "the answer says {said} bytes and holds {held}; `tolerate: [wrong_byte_count]` would believe the latter"
    )]
    Count { said: u8, held: usize },
    #[error(
        "the answer holds {held} bytes where {asked} were asked; `tolerate: [surplus_data]` would cut it"
    )]
    Surplus { asked: usize, held: usize },
    #[error("the answer holds {held} bytes where {asked} were asked")]
    Short { asked: usize, held: usize },
    #[error("the device closed the connection without an answer")]
    Closed,
    #[error("the device closed the connection after {held} of {whole} bytes of the answer")]
    Cut { held: usize, whole: usize },
}

/// How long the frame at the beginning of `bytes` is; `None` while that cannot be known.
///
/// # Errors
/// The bytes are not the beginning of a frame.
pub(crate) fn frame_length(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let not_modbus = || FrameError::NotModbus(beginning(bytes));
    if bytes.get(2..4).is_some_and(|protocol| protocol != [0, 0]) {
        return Err(not_modbus());
    }
    let Some(length) = bytes.get(4..6) else { return Ok(None) };
    let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    // The length counts the unit, which stands in the header, and at least a function code.
    if !(2..=PDU_MAX + 1).contains(&length) {
        return Err(not_modbus());
    }
    Ok(Some(HEADER - 1 + length))
}

/// Takes the first whole frame off the front; `None` if there is none yet.
///
/// # Errors
/// The bytes are not the beginning of a frame.
pub(crate) fn take_frame(bytes: &mut Vec<u8>) -> Result<Option<Frame>, FrameError> {
    let Some(whole) = frame_length(bytes)?.filter(|whole| *whole <= bytes.len()) else { return Ok(None) };
    let rest = bytes.split_off(whole);
    let frame = std::mem::replace(bytes, rest);
    let [high, low, _, _, _, _, unit, pdu @ ..] = frame.as_slice() else { return Ok(None) };
    Ok(Some(Frame { transaction: u16::from_be_bytes([*high, *low]), unit: *unit, pdu: pdu.to_vec() }))
}

/// The PDU as it should have been sent: a count that is true, and as much data as asked for, or none at all.
///
/// # Errors
/// Anything wrong that `tolerate` does not name.
pub(crate) fn repair(pdu: &[u8], asked: Expected, tolerate: &[Tolerance]) -> Result<Vec<u8>, FrameError> {
    let Some((function, rest)) = pdu.split_first() else { return Err(FrameError::NoCount) };
    if function & 0x7F != asked.function {
        return Err(FrameError::Function { asked: asked.function, answered: *function });
    }
    let Some((second, data)) = rest.split_first() else { return Err(FrameError::NoCount) };
    if *function != asked.function {
        return Ok(vec![*function, *second]);
    }
    if usize::from(*second) != data.len() && !tolerate.contains(&Tolerance::WrongByteCount) {
        return Err(FrameError::Count { said: *second, held: data.len() });
    }
    let kept = match data.get(..asked.data_bytes) {
        Some(kept) if kept.len() == data.len() || tolerate.contains(&Tolerance::SurplusData) => kept,
        Some(_) => return Err(FrameError::Surplus { asked: asked.data_bytes, held: data.len() }),
        None if data.is_empty() => data,
        None => return Err(FrameError::Short { asked: asked.data_bytes, held: data.len() }),
    };
    let count = u8::try_from(kept.len()).map_err(|_| FrameError::Surplus { asked: 255, held: kept.len() })?;
    Ok([&[*function, count], kept].concat())
}

/// The frame around a PDU.
pub(crate) fn framed(frame: &Frame) -> Vec<u8> {
    let length = u16::try_from(frame.pdu.len() + 1).unwrap_or(u16::MAX).to_be_bytes();
    let header = [frame.transaction.to_be_bytes(), [0, 0], length].concat();
    [header.as_slice(), &[frame.unit], &frame.pdu].concat()
}

fn beginning(bytes: &[u8]) -> String {
    hex::encode(&bytes[..bytes.len().min(8)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: &[Tolerance] = &[Tolerance::WrongByteCount, Tolerance::SurplusData];

    fn asked(data_bytes: usize) -> Expected {
        Expected { transaction: 1, unit: 1, function: 3, data_bytes }
    }

    #[test]
    fn answers_are_mended_or_refused() {
        let short = FrameError::Short { asked: 4, held: 2 };
        type Row<'a> = (&'a [u8], &'a [Tolerance], Result<&'a [u8], FrameError>);
        let rows: &[Row<'_>] = &[
            (&[3, 4, 1, 2, 3, 4], &[], Ok(&[3, 4, 1, 2, 3, 4])),
            (&[3, 255, 1, 2, 3, 4], BOTH, Ok(&[3, 4, 1, 2, 3, 4])),
            (&[3, 255, 1, 2, 3, 4], &[], Err(FrameError::Count { said: 255, held: 4 })),
            (&[3, 0, 1, 2, 3, 4], BOTH, Ok(&[3, 4, 1, 2, 3, 4])),
            (&[3, 6, 1, 2, 3, 4, 5, 6], BOTH, Ok(&[3, 4, 1, 2, 3, 4])),
            (&[3, 6, 1, 2, 3, 4, 5, 6], &[], Err(FrameError::Surplus { asked: 4, held: 6 })),
            (&[3, 2, 1, 2], BOTH, Err(short.clone())),
            (&[3, 4, 1, 2], BOTH, Err(short)),
            (&[3, 0], &[], Ok(&[3, 0])),
            (&[3, 4], BOTH, Ok(&[3, 0])),
            (&[3], BOTH, Err(FrameError::NoCount)),
            (&[], BOTH, Err(FrameError::NoCount)),
            (&[4, 4, 1, 2, 3, 4], BOTH, Err(FrameError::Function { asked: 3, answered: 4 })),
            (&[0x83, 1], &[], Ok(&[0x83, 1])),
            (&[0x83, 2, 9, 9], &[], Ok(&[0x83, 2])),
            (&[0x83], &[], Err(FrameError::NoCount)),
        ];
        for (pdu, tolerate, expected) in rows {
            let expected = expected.clone().map(<[u8]>::to_vec);
            assert_eq!(repair(pdu, asked(4), tolerate), expected, "{pdu:02x?} {tolerate:?}");
        }
    }

    #[test]
    fn frames_are_cut_where_they_end() {
        let whole = [0, 7, 0, 0, 0, 3, 1, 3, 0];
        let frame = Frame { transaction: 7, unit: 1, pdu: vec![3, 0] };
        for cut in 0..whole.len() {
            assert_eq!(take_frame(&mut whole[..cut].to_vec()), Ok(None), "{cut} bytes");
        }
        let mut two = [whole.as_slice(), &whole[..4]].concat();
        assert_eq!(take_frame(&mut two), Ok(Some(frame)));
        assert_eq!(two, whole[..4]);
        for garbage in
            [&b"HTTP/1.1 400"[..], &[0, 1, 0, 0, 0, 1, 1], &[0, 1, 0, 0, 0, 0], &[0, 1, 0, 0, 9, 9]]
        {
            assert!(
                matches!(take_frame(&mut garbage.to_vec()), Err(FrameError::NotModbus(_))),
                "{garbage:02x?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_sound_stays_and_what_is_mended_is_sound(
            pdu in prop::collection::vec(any::<u8>(), 0..300),
            honest in any::<bool>(),
            words in 1_usize..=125,
        ) {
            let mut pdu = pdu;
            if honest && pdu.len() >= 2 {
                pdu[0] = 3;
                pdu[1] = u8::try_from(pdu.len() - 2).unwrap_or(255);
            }
            for tolerate in [&[][..], BOTH, &BOTH[..1], &BOTH[1..]] {
                let Ok(repaired) = repair(&pdu, asked(words * 2), tolerate) else { continue };
                prop_assert_eq!(repair(&repaired, asked(words * 2), &[]), Ok(repaired.clone()), "a mended answer is sound");
                if repaired[0] == 3 {
                    prop_assert!(repaired.len() == 2 || repaired.len() == 2 + words * 2);
                    prop_assert_eq!(usize::from(repaired[1]), repaired.len() - 2);
                    prop_assert_eq!(&repaired[2..], &pdu[2..repaired.len()], "the first bytes count");
                }
            }
        }

        #[test]
        fn a_frame_survives_any_cutting(
            transaction: u16, unit: u8, pdu in prop::collection::vec(any::<u8>(), 1..=253), cut in any::<prop::sample::Index>(),
        ) {
            let frame = Frame { transaction, unit, pdu };
            let bytes = framed(&frame);
            let cut = cut.index(bytes.len());
            let mut buffer = bytes[..cut].to_vec();
            prop_assert_eq!(take_frame(&mut buffer), Ok(None));
            buffer.extend_from_slice(&bytes[cut..]);
            prop_assert_eq!(take_frame(&mut buffer), Ok(Some(frame)));
            prop_assert!(buffer.is_empty());
        }
    }
}
