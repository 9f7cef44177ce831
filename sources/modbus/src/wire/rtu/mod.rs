//! Frames of serial lines ("Modbus over Serial Line" V1.02, 2.5.1): unit, PDU, CRC. Nothing says where one begins or ends;
//! the answer is found among noise, echoes of the question and answers to others by its own byte count and a good CRC.
//!
//! Time is no help either: adapters and networks cut and join what the line sent in one piece.

use std::ops::Range;
use std::time::Duration;

use crate::wire::answer::FrameError;
use crate::wire::{Asked, Frame, mbap};

/// More than twice the longest frame: what is older is no part of one that still comes.
const KEPT: usize = 512;

/// Bytes of a frame around a PDU, and in front of and behind the data of an answer.
const AROUND_PDU: usize = 3;
const AROUND_DATA: usize = 5;

/// The longest data of a frame of 256 bytes.
const DATA_MAX: usize = 251;

/// An answer that is awaited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awaited<'a> {
    pub(crate) asked: Asked,
    /// The frame of the question as it was sent: adapters with one pair of wires return it.
    pub(crate) question: &'a [u8],
    /// Whether an answer is taken whose byte count is wrong, if it is as long as the one asked for.
    pub(crate) any_count: bool,
}

/// The frame around a PDU.
pub(crate) fn framed(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(AROUND_PDU + pdu.len());
    frame.push(unit);
    frame.extend(pdu);
    frame.extend(crc(&frame).to_le_bytes());
    frame
}

/// How long a line must be silent between frames: 3.5 characters of 11 bits, and no less than 1.75 ms.
pub(crate) fn silence(baud: u32) -> Duration {
    if baud > 19200 {
        Duration::from_micros(1750)
    } else {
        Duration::from_micros(38_500_000 / u64::from(baud.max(1)))
    }
}

/// Takes the first frame, and what stands in front of it; `None` if there is none yet. An answer of the unit that was
/// asked comes before what others said.
pub(crate) fn take_frame(bytes: &mut Vec<u8>, awaited: Awaited<'_>) -> Option<Frame> {
    let found = own(bytes, awaited).or_else(|| others(bytes, awaited.question));
    let frame = found.and_then(|place| {
        let frame = frame(bytes.get(place.clone())?);
        bytes.drain(..place.end);
        frame
    });
    bytes.drain(..bytes.len().saturating_sub(KEPT));
    frame
}

/// How long the answer would be that was asked for.
pub(crate) fn whole(asked: Asked) -> usize {
    AROUND_DATA + asked.data_bytes
}

/// What bytes are that came and hold no frame; `None` if they are the beginning of an answer.
pub(crate) fn remains(bytes: &[u8], asked: Asked) -> Option<FrameError> {
    let held = bytes.len();
    let is_exception = bytes.starts_with(&[asked.unit, asked.function | 0x80]) && held >= AROUND_DATA;
    if looks_like_mbap(bytes, asked) {
        Some(FrameError::Mbap)
    } else if held >= whole(asked) || is_exception {
        Some(FrameError::Damaged)
    } else if held == 0 || is_begun(bytes, asked) {
        None
    } else {
        Some(FrameError::Noise { held })
    }
}

/// Whether these bytes are an answer of Modbus TCP.
fn looks_like_mbap(bytes: &[u8], asked: Asked) -> bool {
    let function = bytes.get(mbap::HEADER).map(|function| function & 0x7F);
    matches!(mbap::frame_length(bytes), Ok(Some(length)) if length == bytes.len() && length > mbap::HEADER + 1)
        && function == Some(asked.function)
}

/// The place of a frame that the unit asked sent, with the function asked. Echoes are removed on the way.
///
/// An answer as asked that has begun outranks whatever seems to begin within it. That is no trap: if it is noise that
/// looks like one, then as many bytes will have come with the true answer as show it.
fn own(bytes: &mut Vec<u8>, awaited: Awaited<'_>) -> Option<Range<usize>> {
    let mut start = 0;
    while let Some(rest) = bytes.get(start..).filter(|rest| !rest.is_empty()) {
        if !awaited.question.is_empty() && rest.starts_with(awaited.question) {
            bytes.drain(..start + awaited.question.len());
            start = 0;
            continue;
        }
        // May become the echo, whatever its beginning looks like.
        if awaited.question.starts_with(rest) {
            return None;
        }
        if let Some(length) = own_length(rest, awaited) {
            return Some(start..start + length);
        }
        if is_begun(rest, awaited.asked) {
            return None;
        }
        start += 1;
    }
    None
}

/// The length of the frame at the beginning, if it is whole, sound and of the unit and function asked.
fn own_length(rest: &[u8], Awaited { asked, any_count, .. }: Awaited<'_>) -> Option<usize> {
    let (unit, function) = (*rest.first()?, *rest.get(1)?);
    if unit != asked.unit || function & 0x7F != asked.function {
        return None;
    }
    // Any code is an exception that the unit asked sends.
    let of_exception = (function != asked.function).then_some(AROUND_DATA);
    let of_asked = (any_count && function == asked.function).then(|| whole(asked));
    let lengths = of_exception.into_iter().chain(of_asked).chain(own_count(rest));
    lengths.into_iter().find(|length| is_sound(rest, *length))
}

/// Whether an answer as asked has begun and is not yet whole.
fn is_begun(rest: &[u8], asked: Asked) -> bool {
    let count = u8::try_from(asked.data_bytes).unwrap_or(u8::MAX);
    rest.len() < whole(asked) && rest.starts_with(&[asked.unit, asked.function, count])
}

/// The place of the first sound frame, whoever sent it, unless one before it may still come.
fn others(bytes: &[u8], question: &[u8]) -> Option<Range<usize>> {
    for start in 0..bytes.len() {
        let rest = bytes.get(start..)?;
        match own_count(rest) {
            _ if question.starts_with(rest) => return None,
            Some(length) if is_sound(rest, length) => return Some(start..start + length),
            Some(length) if rest.len() < length => return None,
            _ => {}
        }
    }
    None
}

/// The length that the frame at the beginning gives itself, if it answers a question for data.
fn own_count(rest: &[u8]) -> Option<usize> {
    match rest {
        [_, 1..=4, count, ..] => {
            Some(usize::from(*count)).filter(|count| *count <= DATA_MAX).map(|it| AROUND_DATA + it)
        }
        [_, 0x81..=0x84, 1..=11, ..] => Some(AROUND_DATA),
        _ => None,
    }
}

fn is_sound(rest: &[u8], length: usize) -> bool {
    // The CRC of a frame together with its own CRC is 0.
    rest.get(..length).is_some_and(|frame| crc(frame) == 0)
}

fn frame(bytes: &[u8]) -> Option<Frame> {
    match bytes {
        [unit, pdu @ .., _, _] => Some(Frame { transaction: None, unit: *unit, pdu: pdu.to_vec() }),
        _ => None,
    }
}

/// CRC-16/MODBUS.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests;
