//! Bytes that a value needs and that are read with another block.

/// Registers of another block, whose bytes stand behind the data of the one that needs them: the word of a number that lies
/// apart, or a scale factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Borrowed {
    /// The name of the other block.
    pub(crate) block: String,
    /// Bytes from the start of its data.
    pub(crate) at: u16,
    pub(crate) bytes: u16,
}
