//! What the clock of a device says.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};

use crate::device::types::Type;

/// The year that a year of two digits is in.
const CENTURY: i16 = 2000;

/// A reading of the clock; `None` where the bytes are no time.
pub(super) fn clock(kind: Type, bytes: &[u8]) -> Option<DateTime> {
    match kind {
        Type::UnixSeconds => after(1970, bytes),
        Type::SecondsSince2000 => after(2000, bytes),
        Type::Date => day(&parts(bytes, 3)).map(|day| day.at(0, 0, 0, 0)),
        _ => {
            let parts = parts(bytes, 6);
            let small = |index: usize| i8::try_from(*parts.get(index)?).ok();
            let time = jiff::civil::Time::new(small(3)?, small(4)?, small(5)?, 0).ok()?;
            Some(day(&parts)?.to_datetime(time))
        }
    }
}

fn after(year: i16, bytes: &[u8]) -> Option<DateTime> {
    let seconds =
        bytes.iter().try_fold(0_i64, |number, byte| number.checked_mul(256)?.checked_add((*byte).into()))?;
    let start = Date::new(year, 1, 1).ok()?.at(0, 0, 0, 0);
    start.checked_add(SignedDuration::from_secs(seconds)).ok()
}

/// A number for each part: of two bytes, or of one where there are too few for two.
fn parts(bytes: &[u8], count: usize) -> Vec<i16> {
    if bytes.len() < count * 2 {
        return bytes.iter().map(|byte| i16::from(*byte)).collect();
    }
    bytes.chunks_exact(2).map(|word| word.try_into().map_or(-1, i16::from_be_bytes)).collect()
}

fn day(parts: &[i16]) -> Option<Date> {
    let [year, month, day, ..] = parts else { return None };
    let year = if (0..100).contains(year) { CENTURY + year } else { *year };
    let day = Date::new(year, i8::try_from(*month).ok()?, i8::try_from(*day).ok()?).ok()?;
    // Beyond four digits no table holds it.
    (day.year() >= 0).then_some(day)
}

/// The bytes of a clock reading; `None` where the type cannot say it.
pub(super) fn to_clock(kind: Type, at: DateTime, length: usize) -> Option<Vec<u8>> {
    let since = |year: i16| {
        let start = Date::new(year, 1, 1).ok()?.at(0, 0, 0, 0);
        let seconds = u64::try_from(at.duration_since(start).as_secs()).ok()?.to_be_bytes();
        let (front, kept) = seconds.split_at_checked(seconds.len().checked_sub(length)?)?;
        front.iter().all(|byte| *byte == 0).then(|| kept.to_vec())
    };
    let (date, time) = (at.date(), at.time());
    let fields = [
        date.year(),
        date.month().into(),
        date.day().into(),
        time.hour().into(),
        time.minute().into(),
        time.second().into(),
    ];
    let count = match kind {
        Type::UnixSeconds => return since(1970),
        Type::SecondsSince2000 => return since(2000),
        Type::Date => 3,
        _ => 6,
    };
    let fields = fields.iter().take(count);
    if length == count {
        return fields
            .map(|part| u8::try_from(if *part >= CENTURY { part - CENTURY } else { *part }).ok())
            .collect();
    }
    (length == count * 2).then(|| fields.flat_map(|part| part.to_be_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_read_in_every_form_and_put_back() {
        let second: u32 = 1_796_162_399;
        for (kind, bytes, expected) in [
            (Type::UnixSeconds, second.to_be_bytes().to_vec(), Some("2026-12-01T21:59:59")),
            (Type::UnixSeconds, u64::from(second).to_be_bytes().to_vec(), Some("2026-12-01T21:59:59")),
            (Type::SecondsSince2000, vec![0, 0, 0, 60], Some("2000-01-01T00:01:00")),
            (Type::Datetime, vec![7, 234, 0, 12, 0, 1, 0, 21, 0, 59, 0, 59], Some("2026-12-01T21:59:59")),
            (Type::Datetime, vec![26, 12, 1, 21, 59, 59], Some("2026-12-01T21:59:59")),
            (Type::Datetime, vec![0; 12], None),
            (Type::Datetime, vec![26, 12, 1, 24, 0, 0], None),
            (Type::Datetime, vec![26, 13, 1, 0, 0, 0], None),
            (Type::Date, vec![7, 234, 0, 12, 0, 1], Some("2026-12-01T00:00:00")),
            (Type::Date, vec![26, 2, 30], None),
            (Type::UnixSeconds, vec![0xFF; 8], None),
        ] {
            let read = clock(kind, &bytes);
            assert_eq!(read.map(|at| at.to_string()).as_deref(), expected, "{kind:?} {bytes:?}");
            if let Some(at) = read {
                assert_eq!(to_clock(kind, at, bytes.len()), Some(bytes), "{kind:?} {at}");
            }
        }
    }
}
