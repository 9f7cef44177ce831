//! How much a file may ask for. A file of a megabyte can ask for terabytes, by aliases of aliases, merges of merges, or
//! includes of includes: every limit holds before time, memory or stack is spent on what exceeds it.

/// Deeper than any pipeline, aliases and includes in their places; keeps recursion over the tree bounded.
pub(crate) const DEPTH: usize = 64;

/// More files than any pipeline has; a file that includes two that include two would never end.
pub(crate) const FILES: usize = 256;

/// All files of one load together.
pub(crate) const TEXT_BYTES: usize = 8 << 20;

/// What is written in all files of one load.
pub(crate) const VALUES: usize = 60_000;

/// What that comes to with aliases, merges and includes in their places; longer texts count for several.
pub(crate) const EXPANDED: u64 = 60_000;

/// What `for_each` makes of one source: 10,000 devices of 400 values.
pub(crate) const EACH: u64 = 4_000_000;

/// Values with `${}` in them, or below an item of `for_each`, are copied.
pub(crate) const COPIED_BYTES: usize = 32 << 20;

/// Texts with `${}` in them, once values stand in their places.
/// A file with a secret, which a variable's place names.
pub(crate) const SECRET_BYTES: usize = 64 << 10;

/// What variables and files put into texts.
pub(crate) const SUBSTITUTED_BYTES: usize = 8 << 20;

/// Nobody reads more complaints than this at once; the rest is counted.
pub(crate) const COMPLAINTS: usize = 100;

/// A text counts for one value more per so many bytes.
pub(crate) const BYTES_PER_VALUE: usize = 64;
