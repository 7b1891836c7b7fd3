//! Unpacks the dump from an archive of this program or of `tar -czf`, and checks gzip and tar to the last byte.

use std::io::{self, BufReader, Read, Write};

use chrono::{DateTime, Utc};
use tar::{Archive, Entry, EntryType};

use crate::archive::allowance::{Allowance, Limited};
use crate::archive::content::Raw;
use crate::archive::error::ArchiveError;
use crate::archive::gunzip::Gunzip;
use crate::archive::tar::{BLOCK, END};
use crate::rules::packed::{self, MemberKind};
use crate::runtime::interrupt::Interrupt;

const BUFFER: usize = 256 * 1024;

// Locations of damage.
const BEFORE: &str = "at its beginning, or it is not a tar";
const WITHIN: &str = "within the dump";
const AFTER: &str = "after the dump";

/// The dump according to the tar header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedDump {
    /// Without folders.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// Modification time in whole seconds; `None` if the header's value is out of range.
    pub modified: Option<DateTime<Utc>>,
}

/// An error of decrypting the archive is returned unchanged.
fn read_error(error: io::Error) -> ArchiveError {
    error.downcast().unwrap_or_else(ArchiveError::ReadBack)
}

/// Converts an error of reading the tar at `place`.
fn tar_error(place: &'static str) -> impl Fn(io::Error) -> ArchiveError {
    // The tar crate's messages about numbers and checksums do not help the operator.
    move |error| error.downcast().unwrap_or(ArchiveError::Tar(place))
}

/// Unpacks the archive in `reader`, reading it to its end. `begin` creates the output when the dump's name, size and time are
/// known; `expected_name` is the pattern of the dump's base name, if known. The output is valid only if this succeeds.
///
/// # Errors
/// If the archive is damaged or does not contain exactly this one non-empty file; if `reader`, `begin` or the output fails, or
/// the run is interrupted.
pub fn unpack<W: Write>(
    reader: impl Read,
    expected_name: Option<&str>,
    interrupt: &Interrupt,
    begin: impl FnOnce(&PackedDump) -> io::Result<W>,
) -> Result<(PackedDump, W), ArchiveError> {
    let source = BufReader::with_capacity(BUFFER, Raw { inner: reader, interrupt, error: read_error });
    let headers = Allowance::default();
    let mut archive = Archive::new(Limited { inner: Gunzip::new(source), allowance: headers.clone() });
    headers.limit();
    let mut entries = archive.entries().map_err(tar_error(BEFORE))?;
    let first = entries.next().ok_or(ArchiveError::NoMember)?;
    let mut entry = first.map_err(tar_error(BEFORE))?;
    headers.lift();
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let size = entry.size();
    let kind = if is_sparse(&mut entry)? { MemberKind::Other } else { kind_of(entry.header().entry_type()) };
    let plain_name = packed::check(&name, kind, size, expected_name)?.to_owned();
    let seconds = entry.header().mtime().ok().and_then(|seconds| i64::try_from(seconds).ok());
    let modified = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let dump = PackedDump { name: plain_name, size, modified };

    let mut output = begin(&dump).map_err(ArchiveError::WriteDump)?;
    if copy(&mut entry, &mut output)? < size {
        return Err(ArchiveError::TarTruncated("the dump is shorter than its header says"));
    }
    let end = entry.raw_file_position() + size.next_multiple_of(BLOCK);
    headers.limit();
    if let Some(second) = entries.next() {
        let second = second.map_err(tar_error(AFTER))?;
        let second = String::from_utf8_lossy(&second.path_bytes()).into_owned();
        return Err(ArchiveError::Several { first: name, second });
    }
    let mut gunzip = archive.into_inner().inner;
    if !is_all_zeros(&mut gunzip)? {
        return Err(ArchiveError::TarGarbage);
    }
    if gunzip.size() < end + END as u64 {
        return Err(ArchiveError::TarTruncated("its end is missing"));
    }
    Ok((dump, output))
}

/// Whether `entry` is a sparse file. GNU tar's pax format 0.0 marks one only by these records (GNU tar manual, "Storing Sparse
/// Files").
fn is_sparse(entry: &mut Entry<'_, impl Read>) -> Result<bool, ArchiveError> {
    let records = entry.pax_extensions().map_err(tar_error(BEFORE))?;
    let mut records = records.into_iter().flatten();
    Ok(records.any(|record| record.is_ok_and(|record| record.key_bytes().starts_with(b"GNU.sparse."))))
}

fn kind_of(kind: EntryType) -> MemberKind {
    match kind {
        EntryType::Regular => MemberKind::File,
        EntryType::Directory => MemberKind::Directory,
        EntryType::Symlink => MemberKind::Symlink,
        EntryType::Link => MemberKind::HardLink,
        _ => MemberKind::Other,
    }
}

/// Copies all of `reader`; returns the number of bytes.
fn copy(reader: &mut impl Read, output: &mut impl Write) -> Result<u64, ArchiveError> {
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        let count = reader.read(&mut buffer).map_err(tar_error(WITHIN))?;
        if count == 0 {
            return Ok(size);
        }
        output.write_all(&buffer[..count]).map_err(ArchiveError::WriteDump)?;
        size += count as u64;
    }
}

/// Reads the rest of `reader`; returns whether it is all zeros.
fn is_all_zeros(reader: &mut impl Read) -> Result<bool, ArchiveError> {
    let mut buffer = vec![0; BUFFER];
    let mut are_zeros = true;
    loop {
        let count = reader.read(&mut buffer).map_err(tar_error(AFTER))?;
        if count == 0 {
            return Ok(are_zeros);
        }
        are_zeros &= buffer[..count].iter().all(|byte| *byte == 0);
    }
}
