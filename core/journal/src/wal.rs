//! SQLite's write-ahead log as bytes (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>): SQLite itself
//! ends silently at the first frame that does not verify, and so would drop committed records behind a flipped bit.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::layout::PAGE;

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
