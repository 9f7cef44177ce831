//! A log file that is rotated at 10 MiB, five old ones kept. Own code, because the libraries for it rotate by
//! time only or bring a second calendar and a compressor.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

const LIMIT_BYTES: u64 = 10 * 1024 * 1024;
const KEPT: usize = 5;

/// Appends to `path`; when it is a file and full, `path` becomes `path.1`, `path.1` becomes `path.2`, and so on.
pub(crate) struct Rotating {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
}

impl Rotating {
    /// Opens or creates the file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = append_to(path)?;
        let found = file.metadata()?;
        // A device or a pipe is nobody's to rename.
        let limit = if found.is_file() { LIMIT_BYTES } else { u64::MAX };
        Ok(Self { path: path.to_owned(), file, size: found.len(), limit })
    }

    fn rotate(&mut self) -> io::Result<()> {
        for age in (1..KEPT).rev() {
            let old = self.aged(age);
            if old.exists() {
                std::fs::rename(old, self.aged(age + 1))?;
            }
        }
        std::fs::rename(&self.path, self.aged(1))?;
        self.file = append_to(&self.path)?;
        self.size = 0;
        Ok(())
    }

    fn aged(&self, age: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{age}"));
        name.into()
    }
}

impl Write for Rotating {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.size > 0 && self.size.saturating_add(bytes.len() as u64) > self.limit {
            // A file that cannot be renamed goes on growing: a log line is worth more than its file's size.
            _ = self.rotate();
        }
        let written = self.file.write(bytes)?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    // A pipe without a reader is refused; one with a reader may wait for it: it has a thread of its own.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().create(true).append(true).custom_flags(flags).open(path)?;
    fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_stay_and_the_oldest_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/smiles.log");
        let mut log = Rotating { limit: 10, ..Rotating::open(&path).unwrap() };
        for line in 0..8 {
            writeln!(log, "line {line}").unwrap();
        }
        let text = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        assert_eq!(text(path.clone()), "line 7\n");
        assert_eq!(text(log.aged(1)), "line 6\n");
        assert_eq!(text(log.aged(KEPT)), "line 2\n");
        assert!(!log.aged(KEPT + 1).exists());
    }

    #[test]
    fn what_is_no_file_is_not_renamed_and_hangs_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        assert!(Rotating::open(&path).is_err(), "nobody reads it");
        let _reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut log = Rotating::open(&path).unwrap();
        assert_eq!(log.limit, u64::MAX);
        log.write_all(b"a line\n").unwrap();
        let null = Rotating::open(Path::new("/dev/null")).unwrap();
        assert_eq!(null.limit, u64::MAX);
    }
}
