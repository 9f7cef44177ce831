//! What an answer is worth: sound, mended as the device file tolerates, or refused with its cause.

use crate::device::block::Tolerance;
use crate::wire::Asked;

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the answer is not Modbus TCP (it begins {begins}){}", if *.rtu { "; it looks like RTU frames: write `rtu+tcp://` in place of `tcp://`" } else { "" })]
    NotModbus { begins: String, rtu: bool },
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
    #[error("the answer was damaged: its CRC is wrong")]
    Damaged,
    #[error("{held} bytes came that are no answer: are baud rate and parity of the serial line right?")]
    Noise { held: usize },
    #[error("the answer looks like Modbus TCP: write `tcp://` in place of `rtu+tcp://`")]
    Mbap,
}

/// A sound answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// As many bytes as asked for, or none.
    Data(Vec<u8>),
    /// An exception code.
    Exception(u8),
}

/// The answer in a PDU.
///
/// # Errors
/// Anything wrong that `tolerate` does not name.
pub(crate) fn answer(mut pdu: Vec<u8>, asked: Asked, tolerate: &[Tolerance]) -> Result<Answer, FrameError> {
    let Some(function) = pdu.first().copied() else { return Err(FrameError::NoCount) };
    if function & 0x7F != asked.function {
        return Err(FrameError::Function { asked: asked.function, answered: function });
    }
    let Some(second) = pdu.get(1).copied() else { return Err(FrameError::NoCount) };
    if function != asked.function {
        return Ok(Answer::Exception(second));
    }
    pdu.drain(..2);
    let mut data = pdu;
    if usize::from(second) != data.len() && !tolerate.contains(&Tolerance::WrongByteCount) {
        return Err(FrameError::Count { said: second, held: data.len() });
    }
    if data.len() > asked.data_bytes && !tolerate.contains(&Tolerance::SurplusData) {
        return Err(FrameError::Surplus { asked: asked.data_bytes, held: data.len() });
    }
    data.truncate(asked.data_bytes);
    if data.len() < asked.data_bytes && !data.is_empty() {
        return Err(FrameError::Short { asked: asked.data_bytes, held: data.len() });
    }
    Ok(Answer::Data(data))
}

/// What an exception says ("Modbus Application Protocol" V1.1b3, 7).
pub(crate) fn exception_text(code: u8) -> &'static str {
    match code {
        1 => "illegal function",
        2 => "illegal data address",
        3 => "illegal data value",
        4 => "device failure",
        5 => "accepted, not done yet",
        6 => "device busy",
        8 => "memory parity error",
        10 => "gateway path unavailable",
        11 => "gateway target does not respond",
        _ => "not a standard code",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: &[Tolerance] = &[Tolerance::WrongByteCount, Tolerance::SurplusData];

    fn asked(data_bytes: usize) -> Asked {
        Asked { transaction: 1, unit: 1, function: 3, data_bytes }
    }

    #[test]
    fn answers_are_mended_or_refused() {
        let short = FrameError::Short { asked: 4, held: 2 };
        let data = |bytes: &[u8]| Ok(Answer::Data(bytes.to_vec()));
        type Row<'a> = (&'a [u8], &'a [Tolerance], Result<Answer, FrameError>);
        let rows: &[Row<'_>] = &[
            (&[3, 4, 1, 2, 3, 4], &[], data(&[1, 2, 3, 4])),
            (&[3, 255, 1, 2, 3, 4], BOTH, data(&[1, 2, 3, 4])),
            (&[3, 255, 1, 2, 3, 4], &[], Err(FrameError::Count { said: 255, held: 4 })),
            (&[3, 0, 1, 2, 3, 4], BOTH, data(&[1, 2, 3, 4])),
            (&[3, 6, 1, 2, 3, 4, 5, 6], BOTH, data(&[1, 2, 3, 4])),
            (&[3, 6, 1, 2, 3, 4, 5, 6], &[], Err(FrameError::Surplus { asked: 4, held: 6 })),
            (&[3, 2, 1, 2], BOTH, Err(short.clone())),
            (&[3, 4, 1, 2], BOTH, Err(short)),
            (&[3, 0], &[], data(&[])),
            (&[3, 4], BOTH, data(&[])),
            (&[3], BOTH, Err(FrameError::NoCount)),
            (&[], BOTH, Err(FrameError::NoCount)),
            (&[4, 4, 1, 2, 3, 4], BOTH, Err(FrameError::Function { asked: 3, answered: 4 })),
            (&[0x83, 1], &[], Ok(Answer::Exception(1))),
            (&[0x83, 2, 9, 9], &[], Ok(Answer::Exception(2))),
            (&[0x83], &[], Err(FrameError::NoCount)),
        ];
        for (pdu, tolerate, expected) in rows {
            assert_eq!(&answer(pdu.to_vec(), asked(4), tolerate), expected, "{pdu:02x?} {tolerate:?}");
        }
    }

    proptest! {
        #[test]
        fn an_answer_holds_the_first_bytes_asked_for_or_none(
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
                let Ok(Answer::Data(data)) = answer(pdu.clone(), asked(words * 2), tolerate) else { continue };
                prop_assert!(data.is_empty() || data.len() == words * 2);
                prop_assert_eq!(&data[..], &pdu[2..2 + data.len()], "the first bytes count");
            }
        }
    }
}
