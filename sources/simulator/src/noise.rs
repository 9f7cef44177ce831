//! Repeatable chance: every random-looking number is a hash of the seed and of what it is for, so that the same
//! seed gives the same device however and whenever it is asked.

/// A well-mixed number for this seed and these parts (splitmix64's finaliser over each).
pub(crate) fn hash(seed: u64, parts: &[u64]) -> u64 {
    parts.iter().fold(mix(seed), |state, part| mix(state ^ mix(*part)))
}

/// The hash as a number from 0 up to but not 1.
pub(crate) fn fraction(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// Chance for this seed and these parts, from 0 up to but not 1.
pub(crate) fn chance(seed: u64, parts: &[u64]) -> f64 {
    fraction(hash(seed, parts))
}

/// A smooth curve through random points, one per whole `x`, from 0 to 1.
pub(crate) fn smooth(seed: u64, stream: u64, x: f64) -> f64 {
    let floor = x.floor();
    let part = x - floor;
    let ease = part * part * (3.0 - 2.0 * part);
    // Through i64: times before 1970 have their own points too.
    let point = |at: f64| chance(seed, &[stream, (at as i64).cast_unsigned()]);
    let (left, right) = (point(floor), point(floor + 1.0));
    left + (right - left) * ease
}

pub(crate) fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_even_and_repeats() {
        let mean = (0..10_000).map(|n| chance(7, &[1, n])).sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
        assert_eq!(hash(7, &[1, 2]), hash(7, &[1, 2]));
        assert_ne!(hash(7, &[1, 2]), hash(7, &[2, 1]), "the order of the parts counts");
        assert_ne!(hash(7, &[1, 2]), hash(8, &[1, 2]), "the seed counts");
    }

    #[test]
    fn a_smooth_curve_has_no_steps() {
        for n in -5_000..5_000 {
            let x = f64::from(n) / 100.0;
            let step = (smooth(3, 0, x + 0.01) - smooth(3, 0, x)).abs();
            assert!(step < 0.02, "a step of {step} at {x}");
        }
    }
}
