//! Regular expressions of a schema.

use regex_lite::Regex;

/// The pattern, if it is of the common forms. One that is not understood refuses no file: it is told to the schema's
/// author.
pub(crate) fn compiled(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}
