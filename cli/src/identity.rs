//! The name by which clients know this installation again after it moved or was updated: 32 hexadecimal digits in
//! `bridge-id` in the data folder. Not a secret.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Once;

use smiles_stage::read_limited;

const FILE: &str = "bridge-id";

/// More than an id and what an editor may leave beside it.
const MAX_BYTES: u64 = 1 << 10;

/// Reads the name, or gives one to a new folder. Where it cannot be kept it holds for this run alone, and the log says so:
/// nobody loses a reading for it.
pub(crate) fn of(data_dir: &Path) -> String {
    let fresh = fresh();
    match kept(&data_dir.join(FILE), &fresh) {
        Ok(id) => id,
        Err(error) => {
            let file = data_dir.join(FILE).display().to_string();
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                tracing::warn!(file, %error, "cannot save the bridge's id; after a restart, Home Assistant sees \
                                              another bridge");
            });
            fresh
        }
    }
}

fn kept(file: &Path, fresh: &str) -> io::Result<String> {
    match read_limited::<String>(file, MAX_BYTES) {
        Ok(text) if is_id(text.trim()) => return Ok(text.trim().to_owned()),
        // Half a file, or somebody's edit: a new name is better than none.
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    // Whole or not at all: a crash between must not leave half an id.
    let beside = file.with_extension("new");
    fs::write(&beside, format!("{fresh}\n"))?;
    fs::rename(&beside, file)?;
    Ok(fresh.to_owned())
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Empty where the system has no random numbers: then clients go by host and port.
fn fresh() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        return String::new();
    }
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_lives_as_long_as_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("data");
        let first = of(&inner);
        assert!(is_id(&first), "{first}");
        assert_eq!(of(&inner), first);
        assert_ne!(of(folder.path()), first);
    }

    #[test]
    fn what_is_no_id_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "0123").unwrap();
        let id = of(folder.path());
        assert!(is_id(&id), "{id}");
        assert_eq!(of(folder.path()), id);
    }

    #[test]
    fn a_folder_that_cannot_be_made_costs_the_memory_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(is_id(&of(&file)));
    }
}
