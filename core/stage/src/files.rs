//! Files that a user names: those a stage reads, wherever the pipeline itself came from, and the one way to read any.

use std::fs::{FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

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

/// The whole of a file that a user names, as a text or as bytes: a regular one, of at most `limit` bytes. A pipe has no
/// end and may have no writer, a device may give bytes for ever: neither is opened.
///
/// # Errors
/// What the file system says; `IsADirectory` for a folder, `InvalidInput` for a pipe, a device or a socket,
/// `FileTooLarge` beyond the limit, `InvalidData` where the text asked for is not UTF-8.
pub fn read_limited<T: TryFrom<Vec<u8>>>(path: &Path, limit: u64) -> io::Result<T> {
    // To open a device may already do something to it.
    regular(&std::fs::metadata(path)?)?;
    // What stands there now may be another thing: to open a pipe without a writer waits for one.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    regular(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read > limit) {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {}", size(limit))));
    }
    T::try_from(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

fn regular(about: &Metadata) -> io::Result<()> {
    if about.is_file() {
        return Ok(());
    }
    let (kind, word) = kind(about.file_type());
    Err(io::Error::new(kind, format!("it is a {word}, not a file")))
}

fn kind(found: FileType) -> (ErrorKind, &'static str) {
    if found.is_dir() {
        (ErrorKind::IsADirectory, "folder")
    } else if found.is_fifo() {
        (ErrorKind::InvalidInput, "pipe")
    } else if found.is_socket() {
        (ErrorKind::InvalidInput, "socket")
    } else {
        (ErrorKind::InvalidInput, "device")
    }
}

fn size(limit: u64) -> String {
    match limit {
        mebibytes if mebibytes % (1 << 20) == 0 => format!("{} MiB", mebibytes >> 20),
        kibibytes if kibibytes % (1 << 10) == 0 => format!("{} KiB", kibibytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    fn refused(path: &Path, limit: u64) -> (ErrorKind, String) {
        let error = read_limited::<Vec<u8>>(path, limit).unwrap_err();
        (error.kind(), error.to_string())
    }

    #[test]
    fn only_files_are_read_and_nothing_waits() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        mkfifoat(CWD, at("pipe"), Mode::RWXU).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        symlink(at("pipe"), at("link")).unwrap();
        let rows: [(PathBuf, ErrorKind, &str); 6] = [
            (at("pipe"), ErrorKind::InvalidInput, "it is a pipe, not a file"),
            (at("link"), ErrorKind::InvalidInput, "it is a pipe, not a file"),
            (at("socket"), ErrorKind::InvalidInput, "it is a socket, not a file"),
            (at("."), ErrorKind::IsADirectory, "it is a folder, not a file"),
            ("/dev/zero".into(), ErrorKind::InvalidInput, "it is a device, not a file"),
            ("/dev/null".into(), ErrorKind::InvalidInput, "it is a device, not a file"),
        ];
        for (path, kind, said) in rows {
            assert_eq!(refused(&path, 10), (kind, said.to_owned()), "{}", path.display());
        }
        assert_eq!(refused(&at("none"), 10).0, ErrorKind::NotFound);
    }

    #[test]
    fn a_file_may_be_as_large_as_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        symlink(&path, folder.path().join("link")).unwrap();
        std::fs::write(&path, vec![b'x'; 1 << 10]).unwrap();
        for path in [&path, &folder.path().join("link")] {
            assert_eq!(read_limited::<String>(path, 1 << 10).unwrap().len(), 1 << 10);
        }
        assert_eq!(
            refused(&path, 1023),
            (ErrorKind::FileTooLarge, "it is larger than 1023 bytes".to_owned())
        );
        std::fs::write(&path, vec![b'x'; (1 << 10) + 1]).unwrap();
        assert_eq!(refused(&path, 1 << 10).1, "it is larger than 1 KiB");
        std::fs::write(&path, vec![b'x'; (1 << 20) + 1]).unwrap();
        assert_eq!(refused(&path, 1 << 20).1, "it is larger than 1 MiB");
    }

    #[test]
    fn bytes_may_be_any_and_a_text_is_utf_8() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(read_limited::<Vec<u8>>(&path, 10).unwrap(), [0xff, 0xfe]);
        let error = read_limited::<String>(&path, 10).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::InvalidData, "it is not UTF-8 text".to_owned())
        );
    }
}
