//! Who may ask: plain data of the options.

use std::path::Path;
use std::{fmt, io};

use schemars::JsonSchema;
use serde::Deserialize;
use smiles_stage::read_limited;

/// More than any token; keeps a wrong file from being sent about.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// A text that is never printed.
#[derive(Clone, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "***" })
    }
}

impl Secret {
    /// The secret in a file, without the blanks around it.
    ///
    /// # Errors
    /// Why there is none, in words that say what of it.
    pub(crate) fn read(path: &str) -> io::Result<Self> {
        let text: String = read_limited(Path::new(path), MAX_FILE_BYTES)?;
        match text.trim() {
            "" => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is empty")),
            secret => Ok(Self(secret.to_owned())),
        }
    }
}
