//! Numbers of single precision, of any bits.

/// So many finite ones: first those that are easily spoilt, then any. Always the same.
pub fn singles(count: usize) -> Vec<f32> {
    const SPOILT: [f32; 7] = [230.1, 1234.567, -9999.9, 0.1, -0.1, f32::MAX, f32::MIN_POSITIVE];
    let mut bits = 0x02F6_E2B1_u32;
    let any = std::iter::repeat_with(move || {
        bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The low bits of such a row repeat soon.
        f32::from_bits(bits.rotate_left(16))
    });
    SPOILT.into_iter().chain(any.filter(|single| single.is_finite())).take(count).collect()
}
