//! Finds a ZIP's central directory and limits its size before the `zip` crate parses it (APPNOTE 4.3.12 to 4.3.16).

use std::io::{self, Read, Seek, SeekFrom};

use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

use crate::archive::error::ArchiveError;

const MAX_ENTRIES: u64 = 65_535;
const MAX_SIZE: u64 = 16 * 1024 * 1024;
/// Maximum number of end records to try: a comment may contain bytes that look like one, and each can cost a request to the web server.
const MAX_ATTEMPTS: usize = 16;

const END: &[u8] = b"PK\x05\x06";
const LOCATOR: &[u8] = b"PK\x06\x07";
const END_64: &[u8] = b"PK\x06\x06";
const HEADER: &[u8] = b"PK\x01\x02";
const END_LENGTH: usize = 22;
const LOCATOR_LENGTH: usize = 20;
const END_64_LENGTH: usize = 56;
const HEADER_LENGTH: usize = 46;
/// The end record with the longest comment, preceded by the locator and the end record of ZIP64.
const TAIL: u64 = (END_LENGTH + 65_535 + LOCATOR_LENGTH + END_64_LENGTH) as u64;

/// The ZIP as presented to the `zip` crate: the file up to the directory, then the directory from memory and a new end record.
///
/// The crate tries every end record, searches the whole file for the directory, and allocates the claimed number of entries.
/// With this reader it finds a single, correct end record and has nothing to search for.
pub(super) struct Bounded<R> {
    reader: R,
    position: u64,
    /// Offset of the directory in the file.
    start: u64,
    /// The directory and the new end record.
    end: Vec<u8>,
}

/// An end record's claims about the directory.
#[derive(Clone, Copy)]
struct Claim {
    entries: u64,
    size: u64,
    /// Offset of the directory from the start of the ZIP, which may be after the start of the file.
    offset: u64,
    /// Offset of the end record in the file; the directory must end at or before it.
    limit: u64,
}

/// Opens the ZIP in `reader`; `None` if it has no end record.
///
/// # Errors
/// If reading fails, the directory is too large, or no directory matches an end record.
pub(super) fn open<R: Read + Seek>(mut reader: R) -> Result<Option<ZipArchive<Bounded<R>>>, ArchiveError> {
    let size = reader.seek(SeekFrom::End(0)).map_err(ArchiveError::Read)?;
    let first = size.saturating_sub(TAIL);
    let tail = read(&mut reader, first, size - first)?;
    let comment_end = |at: usize| at + END_LENGTH + number(&tail, at + 20, 2) as usize;
    let candidates = (0..(tail.len() + 1).saturating_sub(END_LENGTH)).rev();
    let mut ends: Vec<usize> =
        candidates.filter(|at| tail[*at..].starts_with(END) && comment_end(*at) <= tail.len()).collect();
    // Some programs append data to a ZIP, so end records that do not reach the end of the file are tried too, but last.
    ends.sort_by_key(|at| comment_end(*at) != tail.len());
    let mut problem = None;
    for at in ends.into_iter().take(MAX_ATTEMPTS) {
        match claim(&tail, first, at).and_then(|claim| directory(&mut reader, claim)) {
            Ok((start, offset, end)) => {
                let config = Config { archive_offset: ArchiveOffset::Known(offset) };
                let bounded = Bounded { reader, position: 0, start, end };
                return ZipArchive::with_config(config, bounded).map(Some).map_err(ArchiveError::from);
            }
            Err(error @ ArchiveError::Read(_)) => return Err(error),
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    problem.map_or(Ok(None), Err)
}

/// Parses the end record at offset `at` of `tail`, or its ZIP64 record. `first` is the tail's offset in the file.
fn claim(tail: &[u8], first: u64, at: usize) -> Result<Claim, ArchiveError> {
    let field = |at: usize, length: usize| number(tail, at, length);
    // Number of this disk, the directory's disk, and whether other disks have entries.
    let mut disks = [field(at + 4, 2), field(at + 6, 2), u64::from(field(at + 8, 2) != field(at + 10, 2))];
    let mut claim = Claim {
        entries: field(at + 10, 2),
        size: field(at + 12, 4),
        offset: field(at + 16, 4),
        limit: first + at as u64,
    };
    let is_saturated = claim.entries == 0xffff || claim.size == 0xffff_ffff || claim.offset == 0xffff_ffff;
    if let Some(locator) = at.checked_sub(LOCATOR_LENGTH).filter(|at| is_saturated && tail[*at..].starts_with(LOCATOR))
    {
        // If data precedes the ZIP, the locator's offset is wrong. The record is then expected directly before the locator, which holds unless it has an extensible data sector.
        let located = field(locator + 8, 8).checked_sub(first).and_then(|offset| usize::try_from(offset).ok());
        let record = [located, locator.checked_sub(END_64_LENGTH)].into_iter().flatten().find(|record| {
            let fits = record.checked_add(END_64_LENGTH).is_some_and(|end| end <= locator);
            fits && tail[*record..].starts_with(END_64) && field(record + 4, 8) == (locator - record - 12) as u64
        });
        let record = record.ok_or(ArchiveError::Inconsistent("its ZIP64 end record is missing"))?;
        disks =
            [field(record + 16, 4), field(record + 20, 4), u64::from(field(record + 24, 8) != field(record + 32, 8))];
        claim = Claim {
            entries: field(record + 32, 8),
            size: field(record + 40, 8),
            offset: field(record + 48, 8),
            limit: first + record as u64,
        };
    }
    if disks != [0; 3] {
        return Err(ArchiveError::Inconsistent("it is one part of a split ZIP"));
    }
    if claim.entries > MAX_ENTRIES || claim.size > MAX_SIZE {
        return Err(ArchiveError::LargeDirectory(claim.entries, claim.size));
    }
    Ok(claim)
}

/// Reads the directory described by `claim`. Returns its offset in the file, the offset of the ZIP in the file, and the
/// directory's bytes with a new end record.
fn directory<R: Read + Seek>(reader: &mut R, claim: Claim) -> Result<(u64, u64, Vec<u8>), ArchiveError> {
    let Claim { entries, size, offset, limit } = claim;
    // Try two positions: directly before the end record, which is right even if data precedes the ZIP, and the offset in the record.
    for start in [limit.checked_sub(size), Some(offset)].into_iter().flatten() {
        // Offsets are signed (lseek(2)).
        let last = limit.min(i64::MAX as u64);
        let is_inside = start >= offset && start.checked_add(size).is_some_and(|end| end <= last);
        if !is_inside || (size > 0 && read(reader, start, size.min(4))? != HEADER) {
            continue;
        }
        let mut bytes = read(reader, start, size)?;
        if count(&bytes) == entries {
            bytes.extend(end_record(claim));
            return Ok((start, start - offset, bytes));
        }
    }
    Err(ArchiveError::Inconsistent("its directory does not match its end record"))
}

/// A ZIP64 end record with its locator and a plain end record, for the directory described by `claim`.
fn end_record(Claim { entries, size, offset, .. }: Claim) -> Vec<u8> {
    let end = (offset + size).to_le_bytes();
    let [entries, size, offset] = [entries, size, offset].map(u64::to_le_bytes);
    let record =
        [END_64, &[44, 0, 0, 0, 0, 0, 0, 0, 45, 0, 45, 0], &[0; 8], &entries, &entries, &size, &offset].concat();
    [&record, LOCATOR, &[0; 4], &end, &[1, 0, 0, 0], END, &[0xff; 16], &[0; 2]].concat()
}

/// Counts the consecutive entry headers at the start of `directory`.
fn count(mut directory: &[u8]) -> u64 {
    let mut entries = 0;
    while directory.len() >= HEADER_LENGTH && directory.starts_with(HEADER) {
        let variable_length: u64 = [28, 30, 32].map(|at| number(directory, at, 2)).iter().sum();
        let Some(rest) = directory.get(HEADER_LENGTH + variable_length as usize..) else { break };
        directory = rest;
        entries += 1;
    }
    entries
}

/// The little-endian number in the `length` bytes at `at`.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes[at..at + length].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn read<R: Read + Seek>(reader: &mut R, at: u64, length: u64) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = vec![0; length as usize];
    reader.seek(SeekFrom::Start(at)).and_then(|_| reader.read_exact(&mut bytes)).map_err(ArchiveError::Read)?;
    Ok(bytes)
}

impl<R: Read + Seek> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = if self.position < self.start {
            self.reader.seek(SeekFrom::Start(self.position))?;
            self.reader.by_ref().take(self.start - self.position).read(buffer)?
        } else {
            let offset = usize::try_from(self.position - self.start).unwrap_or(usize::MAX);
            self.end.get(offset..).unwrap_or_default().read(buffer)?
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl<R> Seek for Bounded<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => (self.start + self.end.len() as u64).checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
