//! A library as a copy in memory that nobody can change any more: what is loaded is what was hashed. A path could name another
//! file by then, and a file could be written to after it was read.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::path::PathBuf;

/// Where the copy can be loaded from. It stays for as long as the process, as the library does: another file under the same
/// number would be taken for the library that is loaded already.
///
/// # Errors
/// The system keeps no such copy.
#[cfg(target_os = "linux")]
pub(crate) fn sealed(bytes: &[u8]) -> Result<PathBuf, String> {
    let failed = |doing: &str| {
        let error = std::io::Error::last_os_error();
        format!(
            "its `sha256` cannot be bound to what is loaded ({doing}: {error}): mend that, or leave out `sha256`"
        )
    };
    // SAFETY: a static text that ends with a zero byte.
    let descriptor =
        unsafe { libc::memfd_create(c"plugin".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if descriptor < 0 {
        return Err(failed("memfd_create"));
    }
    // SAFETY: just opened, and nobody else's.
    let mut file = unsafe { File::from_raw_fd(descriptor) };
    file.write_all(bytes).map_err(|error| format!("cannot be copied into memory: {error}"))?;
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;
    // SAFETY: the descriptor is open, and the seals are a number.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
        return Err(failed("F_ADD_SEALS"));
    }
    Ok(PathBuf::from(format!("/proc/self/fd/{}", file.into_raw_fd())))
}

/// As above, where there is no such memory.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sealed(_: &[u8]) -> Result<PathBuf, String> {
    Err("its `sha256` cannot be bound to what is loaded on this system: leave out `sha256`".to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_copy_holds_its_bytes_and_takes_no_others() {
        let path = sealed(b"what was hashed").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"what was hashed");
        let mut opened = File::options().write(true).open(&path).unwrap();
        assert!(opened.write_all(b"another").is_err(), "it is sealed");
        assert!(opened.set_len(0).is_err(), "it is sealed");
        assert_ne!(path, sealed(b"what was hashed").unwrap(), "no number is used twice");
    }
}
