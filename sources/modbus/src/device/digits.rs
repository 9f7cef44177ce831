//! Numbers in decimal digits: two in a byte, or four in a register.

/// The most a register of four digits holds.
const MOST: i64 = 9_999;

/// Two decimal digits per byte; `None` where a digit is above 9.
pub(super) fn bcd(bytes: impl Iterator<Item = u8>) -> Option<u64> {
    bytes.flat_map(|byte| [byte >> 4, byte & 15]).try_fold(0_u64, |number, digit| {
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(digit.into()) }
    })
}

pub(super) fn to_bcd(mut number: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    for slot in bytes.iter_mut().rev() {
        let pair = u8::try_from(number % 100).ok()?;
        *slot = ((pair / 10) << 4) | (pair % 10);
        number /= 100;
    }
    (number == 0).then_some(bytes)
}

/// Registers that each count to 9,999, the highest first, all with the same sign; `None` where one says anything else.
pub(super) fn mod10k(bytes: &[u8]) -> Option<i64> {
    let words = bytes
        .chunks_exact(2)
        .map(|word| word.try_into().map_or(i64::MAX, |word| i16::from_be_bytes(word).into()));
    words.clone().try_fold(0_i64, |number, word| {
        let one_sign = number.signum() * word.signum() >= 0;
        let sound = (-MOST..=MOST).contains(&word) && one_sign;
        if sound { number.checked_mul(MOST + 1)?.checked_add(word) } else { None }
    })
}

pub(super) fn to_mod10k(mut number: i64, length: usize) -> Option<Vec<u8>> {
    let mut words = Vec::new();
    for _ in 0..length / 2 {
        words.push(i16::try_from(number % (MOST + 1)).ok()?);
        number /= MOST + 1;
    }
    (number == 0).then(|| words.iter().rev().flat_map(|word| word.to_be_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_of_four_digits_make_one_number() {
        for (words, number) in [
            (&[12, 3456][..], Some(123_456)),
            (&[-1, -1], Some(-10_001)),
            (&[0, -5], Some(-5)),
            (&[9_999, 9_999, 9_999, 9_999], Some(9_999_999_999_999_999)),
            (&[1, 10_000], None),
            (&[1, -1], None),
            (&[i16::MIN], None),
        ] {
            let bytes: Vec<u8> = words.iter().flat_map(|word: &i16| word.to_be_bytes()).collect();
            assert_eq!(mod10k(&bytes), number, "{words:?}");
            if let Some(number) = number {
                assert_eq!(to_mod10k(number, bytes.len()), Some(bytes), "{number}");
            }
        }
        assert_eq!(to_mod10k(100_000_000, 4), None);
    }
}
