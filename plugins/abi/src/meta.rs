//! The metadata text, put together while the plugin is compiled.

/// Bytes of a text in a section of their own, without pointers.
#[repr(transparent)]
#[derive(Debug)]
pub struct MetaText<const N: usize>(pub [u8; N]);

/// How long the parts are together.
pub const fn joined_len(parts: &[&str]) -> usize {
    let (mut total, mut index) = (0, 0);
    while index < parts.len() {
        total += parts[index].len();
        index += 1;
    }
    total
}

/// The parts as one array; `N` is [`joined_len`] of them.
pub const fn join<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut all = [0; N];
    let (mut at, mut index) = (0, 0);
    while index < parts.len() {
        let part = parts[index].as_bytes();
        let mut byte = 0;
        while byte < part.len() {
            all[at] = part[byte];
            at += 1;
            byte += 1;
        }
        index += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_while_compiling() {
        const PARTS: &[&str] = &["{\"a\":", "1", "}"];
        const TEXT: [u8; joined_len(PARTS)] = join(PARTS);
        assert_eq!(&TEXT, b"{\"a\":1}");
    }
}
