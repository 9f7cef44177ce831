//! Files a stage names in its options, wherever the pipeline itself came from.

use std::io;

/// Reads files relative to the pipeline file, or from the copies embedded in the binary.
pub trait Files: Send + Sync {
    /// The whole file as text.
    ///
    /// # Errors
    /// What the file system says; `InvalidData` where it is not UTF-8.
    fn read(&self, path: &str) -> io::Result<String>;

    /// The names of the files directly in a folder, sorted.
    ///
    /// # Errors
    /// What the file system says.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
}
