//! Options that are a list in one text, as a variable of the environment gives it.

/// The words of a list with commas or blanks.
pub(crate) fn listed(text: &str) -> Vec<&str> {
    text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()).collect()
}
