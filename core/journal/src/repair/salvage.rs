//! Reads a damaged file row by row. Every row's checksum is verified, so that rows may be gathered from whatever
//! version of the file gives them: with its log, with a fresh first page, without its log.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Row};

use crate::format::failure::Failure;
use crate::format::layout::{BATCHES, PAGE, Table};
use crate::format::lock::beside;
use crate::format::seal::is_whole;
use crate::format::{layout, wal};
use crate::repair::settle;

const PAGE_BYTES: usize = 4096;
/// Rows between two unreadable places that are asked for one by one.
const GAP_MAX: i64 = 1 << 20;

/// A version of the damaged file to read from.
#[derive(Clone, Copy)]
struct Image {
    /// With the pages of the log, also those behind a frame that does not verify.
    log: bool,
    /// With the first page of an empty journal: header and schema are the same in every journal.
    first_page: bool,
}

/// The newest first: of two versions of a row the first found stays.
const IMAGES: [Image; 4] = [
    Image { log: true, first_page: false },
    Image { log: true, first_page: true },
    Image { log: false, first_page: false },
    Image { log: false, first_page: true },
];

/// Adds to what was gathered.
pub(crate) type Add<'a> = &'a mut dyn FnMut(&Connection) -> Result<(), Failure>;

/// Gathers what is readable into a new file beside the damaged one, books what is missing, and names the new file.
pub(crate) fn salvage(
    path: &Path,
    pipeline: &str,
    (now, why, aside): (Timestamp, &str, &Path),
    add: Add<'_>,
) -> Result<PathBuf, Failure> {
    let (new, copy) = (beside(path, ".salvage"), beside(path, ".copy"));
    remove(&new)?;
    let connection = Connection::open(&new)?;
    layout::create(&connection, pipeline)?;
    let gathered = gather(path, &copy, &connection, pipeline);
    remove(&copy)?;
    if let Err(failure) = gathered {
        drop(connection);
        remove(&new)?;
        return Err(failure);
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    add(&connection)?;
    settle::settle(&connection, now, why, aside)?;
    connection.execute_batch("COMMIT")?;
    connection.close().map_err(|(_, error)| error)?;
    File::open(&new)?.sync_all()?;
    Ok(new)
}

/// Whether a salvage would find nothing but cursors beyond what SQLite itself reads of the file and its log.
pub(crate) fn adds_nothing(path: &Path, pipeline: &str) -> Result<bool, Failure> {
    let (new, copy) = (beside(path, ".salvage"), beside(path, ".copy"));
    remove(&new)?;
    let connection = Connection::open(&new)?;
    layout::create(&connection, pipeline)?;
    let same = gather(path, &copy, &connection, pipeline).and_then(|()| {
        connection.close().map_err(|(_, error)| error)?;
        holds_all_of(path, &new)
    });
    remove(&copy)?;
    remove(&new)?;
    same
}

/// Whether every row of the salvaged file, but for what follows deliveries, stands in the journal as it is read.
fn holds_all_of(path: &Path, salvaged: &Path) -> Result<bool, Failure> {
    let journal = layout::read_only(path)?;
    journal.execute("ATTACH ?1 AS salvaged", [salvaged.to_string_lossy()])?;
    for table in layout::tables().filter(|table| !matches!(table.name, "meta" | "sinks" | "cursors")) {
        let name = table.name;
        // The checksum stands for the bytes of a batch.
        let columns = if name == BATCHES.name { "ordinal, crc" } else { "*" };
        let more: bool = journal.query_row(
            &format!(
                "SELECT EXISTS (SELECT {columns} FROM salvaged.{name} EXCEPT SELECT {columns} FROM main.{name})"
            ),
            [],
            |row| row.get(0),
        )?;
        if more {
            return Ok(false);
        }
    }
    Ok(true)
}

fn gather(path: &Path, copy: &Path, into: &Connection, pipeline: &str) -> Result<(), Failure> {
    let first_page = template(copy)?;
    for image in IMAGES {
        if !build(path, copy, image, &first_page)? {
            continue;
        }
        into.execute_batch("BEGIN IMMEDIATE")?;
        let complete = collect(copy, into, pipeline);
        into.execute_batch("COMMIT")?;
        if complete? {
            break;
        }
    }
    Ok(())
}

/// The first page of an empty journal.
fn template(scratch: &Path) -> Result<Vec<u8>, Failure> {
    remove(scratch)?;
    let connection = Connection::open(scratch)?;
    layout::create(&connection, "")?;
    connection.close().map_err(|(_, error)| error)?;
    let mut page = vec![0; PAGE_BYTES];
    File::open(scratch)?.read_exact(&mut page)?;
    // No free pages: the list of the damaged file is not to be trusted, and reading needs none.
    page[32..40].fill(0);
    Ok(page)
}

/// Writes the image to `copy`; false if there is not even a page.
fn build(path: &Path, copy: &Path, image: Image, first_page: &[u8]) -> Result<bool, Failure> {
    remove(copy)?;
    if path.exists() {
        fs::copy(path, copy)?;
    } else {
        File::create(copy)?;
    }
    let mut file = File::options().read(true).write(true).open(copy)?;
    let mut pages = file.metadata()?.len().div_ceil(PAGE);
    if image.log {
        pages = apply_log(&beside(path, "-wal"), &mut file, pages)?;
    }
    if pages == 0 {
        return Ok(false);
    }
    file.set_len(pages * PAGE)?;
    if image.first_page {
        write_at(&mut file, 0, first_page)?;
    }
    // A rollback-journal file of as many pages as there are: the header's own number may be ahead of a cut file.
    write_at(&mut file, 18, &[1, 1])?;
    write_at(&mut file, 28, &u32::try_from(pages).unwrap_or(u32::MAX).to_be_bytes())?;
    let mut change = [0; 4];
    file.seek(SeekFrom::Start(24))?;
    file.read_exact(&mut change)?;
    write_at(&mut file, 92, &change)?;
    Ok(true)
}

/// Puts the log's pages in place; the number of pages after that.
fn apply_log(log: &Path, file: &mut File, pages: u64) -> Result<u64, Failure> {
    let frames = wal::read(log)?.frames;
    if frames.is_empty() {
        return Ok(pages);
    }
    // A page number beyond this is a flipped bit and would make the file huge.
    let limit = pages + u64::try_from(frames.len()).unwrap_or(u64::MAX);
    let mut source = File::open(log)?;
    let mut pages = pages;
    let mut page = vec![0; PAGE_BYTES];
    for (number, place) in frames {
        let number = u64::from(number);
        if number == 0 || number > limit {
            continue;
        }
        source.seek(SeekFrom::Start(place))?;
        source.read_exact(&mut page)?;
        write_at(file, (number - 1) * PAGE, &page)?;
        pages = pages.max(number);
    }
    Ok(pages)
}

fn write_at(file: &mut File, place: u64, bytes: &[u8]) -> Result<(), Failure> {
    file.seek(SeekFrom::Start(place))?;
    Ok(file.write_all(bytes)?)
}

/// Copies every whole row that is not there yet; whether every row of the image could be read and was whole.
fn collect(image: &Path, into: &Connection, pipeline: &str) -> Result<bool, Failure> {
    let Ok(from) = layout::read_only(image) else { return Ok(false) };
    if let Ok(owner) = layout::pipeline_of(&from)
        && owner != pipeline
    {
        return Err(Failure::Refused(format!(
            "the journal is damaged and belongs to the pipeline `{owner}`, not to `{pipeline}`"
        )));
    }
    let mut complete = true;
    for table in layout::tables().filter(|table| table.name != "meta") {
        complete &= walk(&from, table, &mut |row| keep(into, table, row))?;
    }
    Ok(complete)
}

/// Whether the row was whole.
fn keep(into: &Connection, table: &Table, row: &Row<'_>) -> Result<bool, Failure> {
    if !is_whole(row, table.columns).unwrap_or(false) {
        return Ok(false);
    }
    let marks = "?,".repeat(table.columns);
    let mut insert =
        into.prepare_cached(&format!("INSERT OR IGNORE INTO {} VALUES ({marks}?)", table.name))?;
    for column in 0..=table.columns {
        insert.raw_bind_parameter(column + 1, ToSqlOutput::Borrowed(row.get_ref(column)?))?;
    }
    insert.raw_execute()?;
    Ok(true)
}

type Visit<'a> = &'a mut dyn FnMut(&Row<'_>) -> Result<bool, Failure>;

/// Visits rows from the front up to an unreadable place, from the back down to one, and what can be found between.
fn walk(from: &Connection, table: &Table, visit: Visit<'_>) -> Result<bool, Failure> {
    let (front, mut whole) = sweep(from, table, "ASC", visit)?;
    let Err(front) = front else { return Ok(whole) };
    whole = false;
    let (back, _) = sweep(from, table, "DESC", visit)?;
    let Err(Some(back)) = back else { return Ok(whole) };
    let front = front.unwrap_or(0);
    if table.name == BATCHES.name && back.saturating_sub(front) <= GAP_MAX {
        for rowid in front.saturating_add(1)..back {
            let one = format!("SELECT *, rowid FROM {} WHERE rowid = {rowid}", table.name);
            // Unreadable rows between the two places are what is lost.
            let _ = visit_rows(from, table, &one, visit)?;
        }
    }
    Ok(whole)
}

/// `Ok`: to the end; `Err`: stopped at damage after this rowid. And whether all rows seen were whole.
type Swept = (Result<(), Option<i64>>, bool);

fn sweep(from: &Connection, table: &Table, order: &str, visit: Visit<'_>) -> Result<Swept, Failure> {
    let all = format!("SELECT *, rowid FROM {} NOT INDEXED ORDER BY rowid {order}", table.name);
    visit_rows(from, table, &all, visit)
}

/// Reading may fail anywhere, which is the point; only failures of `visit` are passed on.
fn visit_rows(from: &Connection, table: &Table, sql: &str, visit: Visit<'_>) -> Result<Swept, Failure> {
    let (mut last, mut whole) = (None, true);
    let Ok(mut statement) = from.prepare(sql) else { return Ok((Err(None), false)) };
    let Ok(mut rows) = statement.query([]) else { return Ok((Err(None), false)) };
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                whole &= visit(row)?;
                last = row.get(table.columns + 1).ok().or(last);
            }
            Ok(None) => return Ok((Ok(()), whole)),
            Err(_) => return Ok((Err(last), whole)),
        }
    }
}

/// Removes a working file and whatever SQLite put beside it.
pub(crate) fn remove(path: &Path) -> Result<(), Failure> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let file = if suffix.is_empty() { path.to_owned() } else { beside(path, suffix) };
        match fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
