//! The plugin ABI in Rust: the mirror of `smiles_plugin.h`, struct by struct, and the rule by which two versions meet.
//!
//! The header is the contract and holds every rule in its comments; a test compares the two with a C and a C++ compiler.

mod arrow;
mod meta;
mod negotiate;
mod table;

pub use arrow::{ARROW_FLAG_NULLABLE, ArrowArray, ArrowSchema};
pub use meta::{PluginText, StageText, rendered, rendered_len};
pub use negotiate::{Sized32, TooSmall, read_sized};
pub use table::{
    ERROR_REOPEN, Entry, LOG_DEBUG, LOG_ERROR, LOG_INFO, LOG_TRACE, LOG_WARN, MESSAGE_MAX, ROLE_SINK,
    ROLE_SOURCE, ROLE_TRANSFORM, STATUS_END, STATUS_HALT, STATUS_OK, STATUS_REJECT, STATUS_RETRY, STREAMED,
    SmilesError, SmilesHost, SmilesPlugin, SmilesPosition, SmilesStage, SmilesStr, SmilesWatermark, Static,
};

/// The contract itself, for tools that hand it to authors.
pub const HEADER: &str = include_str!("../smiles_plugin.h");
/// The major version; part of the symbol's name.
pub const ABI_MAJOR: u32 = 1;
/// The minor version of this header.
pub const ABI_MINOR: u32 = 0;
/// The one symbol a plugin exports.
pub const ENTRY: &str = "smiles_plugin_v1";
/// What that symbol is called in every major version, up to the number.
pub const ENTRY_PREFIX: &str = "smiles_plugin_v";
/// The section that holds the metadata.
pub const META_SECTION: &str = ".smiles_meta";
