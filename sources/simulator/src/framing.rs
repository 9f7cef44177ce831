//! How requests and answers stand in a stream of bytes: behind a header (Modbus TCP), or before a checksum (RTU).

/// Bytes of an MBAP header up to and with the unit (Modbus Messaging on TCP/IP V1.0b, 3.1.3).
const HEADER: usize = 7;
/// The most bytes a length field may announce: unit and a PDU of 253.
pub(crate) const LENGTH_MAX: usize = 254;
/// The most bytes of an RTU frame: unit, a PDU of 253, and the checksum.
const RTU_MAX: usize = 256;
/// Bytes of a checksum.
const CRC: usize = 2;

/// How frames are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Modbus TCP: transaction, protocol and length before the unit.
    #[default]
    Tcp,
    /// RTU: unit and PDU, then CRC-16/MODBUS with its low byte first.
    Rtu,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// 0 where frames have none.
    pub(crate) transaction: u16,
    pub(crate) unit: u8,
    pub(crate) pdu: Vec<u8>,
}

/// The stream is not Modbus TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotModbus;

impl Framing {
    /// Takes the first whole frame from `buffer`; `None`: more must come.
    pub(crate) fn take(self, buffer: &mut Vec<u8>) -> Result<Option<Frame>, NotModbus> {
        match self {
            Self::Tcp => take_tcp(buffer),
            Self::Rtu => Ok(take_rtu(buffer)),
        }
    }

    /// The bytes of a frame.
    pub(crate) fn put(self, transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + pdu.len());
        if self == Self::Tcp {
            let length = u16::try_from(pdu.len() + 1).unwrap_or(u16::MAX);
            bytes.extend(transaction.to_be_bytes());
            bytes.extend([0, 0]);
            bytes.extend(length.to_be_bytes());
        }
        bytes.push(unit);
        bytes.extend(pdu);
        if self == Self::Rtu {
            let crc = crc(&bytes);
            bytes.extend(crc.to_le_bytes());
        }
        bytes
    }
}

fn take_tcp(buffer: &mut Vec<u8>) -> Result<Option<Frame>, NotModbus> {
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

/// On a line a pause ends a frame; over TCP there is none to hear, so its function must say how long it is. What has a
/// wrong checksum is not answered, and with it goes all that came: the next frame begins after a pause.
fn take_rtu(buffer: &mut Vec<u8>) -> Option<Frame> {
    let end = match *buffer.get(1)? {
        1..=6 => 8,
        15 | 16 => 9 + usize::from(*buffer.get(6)?),
        // Of others nothing is known but that the checksum fits.
        _ => match (4..=buffer.len()).find(|end| buffer.get(..*end).is_some_and(is_sound)) {
            Some(end) => end,
            None if buffer.len() < RTU_MAX => return None,
            None => buffer.len(),
        },
    };
    let bytes = buffer.get(..end)?;
    let frame = bytes.split_first().filter(|_| is_sound(bytes)).map(|(unit, rest)| Frame {
        transaction: 0,
        unit: *unit,
        pdu: rest.get(..rest.len() - CRC).unwrap_or_default().to_vec(),
    });
    if frame.is_some() {
        buffer.drain(..end);
    } else {
        buffer.clear();
    }
    frame
}

fn is_sound(bytes: &[u8]) -> bool {
    bytes.split_last_chunk::<CRC>().is_some_and(|(frame, sum)| crc(frame).to_le_bytes() == *sum)
}

/// CRC-16/MODBUS (Modbus over Serial Line V1.02, 6.2.2).
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        let shift = |crc: u16| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 };
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| shift(crc))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Frame {
        Frame { transaction: 6, unit: 1, pdu: vec![3, 0x10, 0xC8, 0, 2] }
    }

    #[test]
    fn frames_are_taken_whole_and_one_by_one() {
        for framing in [Framing::Tcp, Framing::Rtu] {
            let transaction = if framing == Framing::Tcp { 6 } else { 0 };
            let expected = Frame { transaction, ..request() };
            let mut buffer = Vec::new();
            for byte in framing.put(6, 1, &request().pdu) {
                assert_eq!(framing.take(&mut buffer), Ok(None));
                buffer.push(byte);
            }
            buffer.extend([0, 7]);
            assert_eq!(framing.take(&mut buffer), Ok(Some(expected)), "{framing:?}");
            assert_eq!(buffer, [0, 7], "what follows stays");
        }
    }

    #[test]
    fn what_is_no_modbus_tcp_is_known_by_its_header() {
        for (place, value) in [(2, 1), (5, 1), (4, 1)] {
            let mut foreign = Framing::Tcp.put(6, 1, &request().pdu);
            foreign[place] = value;
            assert_eq!(Framing::Tcp.take(&mut foreign), Err(NotModbus), "byte {place} is {value}");
        }
    }

    #[test]
    fn rtu_frames_end_with_their_checksum() {
        // Out of "Modbus over Serial Line": the checksum of 02 07 is 0x1241, low byte first.
        assert_eq!(Framing::Rtu.put(0, 2, &[7]), [2, 7, 0x41, 0x12]);
        let take = |mut bytes: Vec<u8>| {
            let frame = Framing::Rtu.take(&mut bytes).unwrap();
            (frame.map(|frame| frame.pdu), bytes.len())
        };
        assert_eq!(take(vec![2, 7, 0x41, 0x12]), (Some(vec![7]), 0), "of no known length");
        assert_eq!(take(vec![2, 7, 0x41]), (None, 3));
        let write = [16, 0, 1, 0, 1, 2, 0, 7];
        assert_eq!(take(Framing::Rtu.put(0, 1, &write)), (Some(write.to_vec()), 0));
        let mut broken = Framing::Rtu.put(0, 1, &request().pdu);
        broken[7] ^= 1;
        assert_eq!(take(broken), (None, 0), "a wrong checksum");
        assert_eq!(take(vec![0x55; RTU_MAX]), (None, 0), "noise");
    }
}
