//! `numeric`: base 10,000 digits, how many of them stand before the point, the sign, digits after the point.

const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;

/// Appends the number of this decimal text (`-12.345`, no exponent), with its length.
pub(super) fn push(text: &str, out: &mut Vec<u8>) {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (NEGATIVE, digits),
        None => (POSITIVE, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let mut groups: Vec<u16> = Vec::new();
    // The first group has what is left over when the others have four digits each.
    let (first, rest) = whole.as_bytes().split_at(whole.len() % 4);
    groups.extend((!first.is_empty()).then(|| group(first, first.len())));
    groups.extend(rest.chunks(4).map(|digits| group(digits, 4)));
    let mut weight = groups.len() as i32 - 1;
    groups.extend(fraction.as_bytes().chunks(4).map(|digits| group(digits, 4)));
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    // A double has at most 1,074 digits after the point and 309 before it: all of these are small numbers.
    out.extend_from_slice(&(8 + 2 * groups.len() as u32).to_be_bytes());
    out.extend_from_slice(&(groups.len() as u16).to_be_bytes());
    out.extend_from_slice(&(weight as i16).to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&(fraction.len() as u16).to_be_bytes());
    groups.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
}

/// Up to four decimal digits as one; what is missing at the end counts as zero up to `width`.
fn group(digits: &[u8], width: usize) -> u16 {
    let value = digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
    (digits.len()..width).fold(value, |value, _| value * 10)
}
