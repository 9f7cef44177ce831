//! The folder of journals and of the embedded store: made, and known to be one that can be written, before anything opens in it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use anyhow::Context;

/// Makes the folder where there is none. One that this user may not write is refused here, by its name: what opens in it
/// would say no more than "permission denied". Any other trouble, such as a full disk, may pass.
///
/// # Errors
/// It cannot be made, or is not ours to write.
pub(crate) fn prepare(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    match fs::create_dir_all(folder) {
        Err(error) if !matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            let advice = advice(folder.parent().unwrap_or(folder));
            return Err(error)
                .with_context(|| format!("cannot create the data folder {shown} (DATA_DIR){advice}"));
        }
        _ => {}
    }
    match writable(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            Err(error).with_context(|| {
                format!("cannot write to the data folder {shown} (DATA_DIR){}", advice(folder))
            })
        }
        _ => Ok(()),
    }
}

fn writable(folder: &Path) -> io::Result<()> {
    let file = folder.join(format!(".writable-{}", std::process::id()));
    fs::write(&file, "")?;
    fs::remove_file(file)
}

/// Whose it must be; what a container is given of its host often is root's.
fn advice(folder: &Path) -> String {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let owner = format!("{}:{}", user.as_raw(), group.as_raw());
    format!(
        ": this process is user {owner}; give it the folder (`chown {owner} {}`, of Docker's volume on the host)",
        folder.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_and_left_empty() {
        let at = tempfile::tempdir().unwrap();
        let folder = at.path().join("a/b");
        prepare(&folder).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_named_with_what_to_do() {
        let at = tempfile::tempdir().unwrap();
        fs::write(at.path().join("file"), "").unwrap();
        let error = prepare(&at.path().join("file/data")).unwrap_err();
        assert!(error.to_string().contains("file/data (DATA_DIR): this process is user "), "{error}");
        assert!(error.to_string().contains("(`chown "), "{error}");
    }
}
