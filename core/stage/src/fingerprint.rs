//! A short name for bytes by their content.

/// FNV-1a, 64 bits: stable for ever, unlike the standard library's hasher. Not against anyone who means harm.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    /// The published test vectors: what is stored under a name must be found under it for ever.
    #[test]
    fn names_never_change() {
        for (bytes, name) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fingerprint(bytes.as_bytes()), name, "{bytes}");
        }
    }
}
