//! Files that are named on the command line.

use std::path::Path;

use smiles_stage::read_limited;

use crate::exit::Failure;

/// More than any device file or image of registers.
const MAX_FILE_BYTES: u64 = 8 << 20;

pub(super) fn read(path: &Path) -> Result<String, Failure> {
    read_limited(path, MAX_FILE_BYTES).map_err(|error| wrong(path, &error))
}

pub(super) fn wrong(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::configuration(format!("{}: {error}", path.display()))
}
