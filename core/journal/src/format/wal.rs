//! SQLite's write-ahead log as bytes (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>): SQLite itself
//! ends silently at the first frame that does not verify, and so would drop committed records behind a flipped bit.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::format::layout::PAGE;

const HEADER: usize = 32;
const FRAME: usize = 24;
const PAGE_BYTES: usize = 4096;
/// The magic number, whose lowest bit says that checksums read words big-endian.
const MAGIC: u32 = 0x377f_0682;

/// The committed frames of the log's newest generation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    /// Page number and place of its content in the log, in the order written.
    pub(crate) frames: Vec<(u32, u64)>,
    /// Whether a commit stands behind a frame that does not verify. A process that was killed leaves at most one
    /// torn frame, and nothing behind it.
    pub(crate) damaged: bool,
}

/// Reads the log; an absent or empty one has no frames.
pub(crate) fn read(path: &Path) -> std::io::Result<Log> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Log::default()),
        Err(error) => return Err(error),
    };
    let mut file = BufReader::new(file);
    let mut header = [0; HEADER];
    if !fill(&mut file, &mut header)? {
        return Ok(Log::default());
    }
    let big_endian = word(&header, 0) == MAGIC + 1;
    let stored = (word(&header, 24), word(&header, 28));
    let known = word(&header, 0) | 1 == MAGIC + 1;
    let mut sound = known && checksum((0, 0), &header[..24], big_endian) == stored;
    let mut salts = sound.then(|| (word(&header, 16), word(&header, 20)));
    let (mut chain, mut broken_by_header) = (stored, !sound);
    let mut log = Log::default();
    let (mut committed, mut index) = (0, 0_u64);
    let mut frame = [0; FRAME];
    let mut page = [0; PAGE_BYTES];
    while fill(&mut file, &mut frame)? && fill(&mut file, &mut page)? {
        let generation = (word(&frame, 8), word(&frame, 12));
        let ours = *salts.get_or_insert(generation) == generation;
        if ours {
            let stands_behind = !sound;
            chain = checksum(checksum(chain, &frame[..8], big_endian), &page, big_endian);
            sound &= chain == (word(&frame, 16), word(&frame, 20));
            log.frames.push((word(&frame, 0), place(index)));
            if word(&frame, 4) != 0 {
                committed = log.frames.len();
                log.damaged |= stands_behind || broken_by_header;
            }
        } else {
            sound = false;
        }
        broken_by_header = false;
        index += 1;
    }
    log.frames.truncate(committed);
    Ok(log)
}

fn place(index: u64) -> u64 {
    // Both are small constants of the format.
    const HEADER: u64 = 32;
    const FRAME: u64 = 24;
    HEADER + index * (FRAME + PAGE) + FRAME
}

/// Fills the buffer; false if the file ends before.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
}

fn checksum((mut first, mut second): (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let read = if big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
    for pair in bytes.as_chunks::<4>().0.as_chunks::<2>().0 {
        first = first.wrapping_add(read(pair[0])).wrapping_add(second);
        second = second.wrapping_add(read(pair[1])).wrapping_add(first);
    }
    (first, second)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;

    use super::*;

    /// A log of three transactions as SQLite wrote it.
    fn written() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let connection = Connection::open(&file).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1);")
            .unwrap();
        connection.execute_batch("INSERT INTO t VALUES (zeroblob(9000))").unwrap();
        fs::read(folder.path().join("a.db-wal")).unwrap()
    }

    fn read_bytes(bytes: &[u8]) -> Log {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        read(file.path()).unwrap()
    }

    #[test]
    fn a_flipped_bit_is_told_from_a_torn_end() {
        let sound = written();
        let frame = |index: usize| HEADER + index * (FRAME + PAGE_BYTES);
        let frames = (sound.len() - HEADER) / (FRAME + PAGE_BYTES);
        assert!(frames >= 5);
        let flip = |at: usize| {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            bytes
        };
        let rows = [
            ("as written", sound.clone(), frames, false),
            ("empty", Vec::new(), 0, false),
            ("half a header", sound[..20].to_vec(), 0, false),
            ("a torn last frame", sound[..sound.len() - 100].to_vec(), 3, false),
            (
                "garbage in the last frame, as a kill between two writes leaves",
                flip(sound.len() - 9),
                frames,
                false,
            ),
            ("a flipped page", flip(frame(1) + 99), frames, true),
            ("a flipped checksum", flip(frame(0) + 17), frames, true),
            ("another generation in the midst", flip(frame(1) + 9), frames - 1, true),
            ("a flipped header", flip(13), frames, true),
            ("a flipped magic", flip(0), frames, true),
        ];
        for (what, bytes, expected, damaged) in rows {
            let log = read_bytes(&bytes);
            assert_eq!((log.frames.len(), log.damaged), (expected, damaged), "{what}");
        }
    }

    #[test]
    fn no_file_is_no_log() {
        assert_eq!(read(Path::new("/nonexistent/journal.db-wal")).unwrap(), Log::default());
    }
}
