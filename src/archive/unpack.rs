//! The dump out of the archive again: gzip, tar and the dump's presence are checked to the last byte.
//!
//! Archives of this program are read, and those that a shell's `tar -czf` made of the one file.

use std::io::{self, BufReader, Read, Write};

use chrono::{DateTime, Utc};
use tar::{Archive, Entry, EntryType};
use thiserror::Error;

use crate::archive::allowance::{Allowance, Limited};
use crate::archive::content::{Raw, SourceFault};
use crate::archive::gunzip::{Gunzip, GzipFault};
use crate::archive::tar::{BLOCK, END};
use crate::rules::packed::{self, MemberError, MemberKind};
use crate::runtime::interrupt::{Interrupt, Interrupted};

const BUFFER: usize = 256 * 1024;

// Where a tar is damaged.
const BEFORE: &str = "at its beginning, or is none";
const WITHIN: &str = "within the dump";
const BEHIND: &str = "behind the dump";

/// The dump, as its archive describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedDump {
    /// Its name, without folders.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// When it was modified, in whole seconds; `None` where that makes no time.
    pub modified: Option<DateTime<Utc>>,
}

/// Why an archive does not give the dump.
#[derive(Debug, Error)]
pub enum UnpackError {
    /// The gzip file is damaged.
    #[error("{0}")]
    Gzip(String),
    /// The tar is damaged.
    #[error("the tar in it is damaged {0}")]
    Tar(&'static str),
    /// The tar is cut.
    #[error("the tar in it breaks off: {0}")]
    BreaksOff(&'static str),
    /// The tar has more bytes than a tar may have.
    #[error("something follows behind the end of the tar in it")]
    Garbage,
    /// The tar holds nothing.
    #[error("the tar in it holds no file")]
    NoMember,
    /// The tar holds more than the dump.
    #[error("it holds {second:?} beside {first:?}, and must hold one file alone")]
    Several {
        /// The dump.
        first: String,
        /// What comes next.
        second: String,
    },
    /// What it holds is not the dump.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// The archive could not be read.
    #[error(transparent)]
    Read(io::Error),
    /// The dump could not be written.
    #[error(transparent)]
    Write(io::Error),
    /// The run was told to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl UnpackError {
    /// Whether the archive itself is bad, as far as it could be read.
    pub fn is_of_the_archive(&self) -> bool {
        !matches!(self, UnpackError::Read(_) | UnpackError::Write(_) | UnpackError::Interrupted(_))
    }

    /// What `error` means, met while the tar was read there.
    fn of_reading(error: io::Error, place: &'static str) -> UnpackError {
        match error.downcast::<SourceFault>() {
            Ok(SourceFault::Interrupted(interrupted)) => interrupted.into(),
            Ok(SourceFault::Read(error)) => UnpackError::Read(error),
            Err(error) => match error.downcast::<GzipFault>() {
                Ok(fault) => UnpackError::Gzip(fault.to_string()),
                // The tar's reader tells of numbers and sums, which say no more to whoever needs the dump.
                Err(_) => UnpackError::Tar(place),
            },
        }
    }
}

/// Reads the archive that `reader` gives to its end, and writes the dump in it, whose base name is `wanted` where that is
/// known, into what `begin` gives once the dump's name, size and time are known. What was written is the dump only if this returns it.
///
/// # Errors
/// If the archive is damaged in any way, or holds anything but this one file, with content; if `reader`, `begin` or the
/// output fails, or the run is told to end.
pub fn unpack<W: Write>(
    reader: impl Read,
    wanted: Option<&str>,
    interrupt: &Interrupt,
    begin: impl FnOnce(&PackedDump) -> io::Result<W>,
) -> Result<(PackedDump, W), UnpackError> {
    let source = BufReader::with_capacity(BUFFER, Raw { inner: reader, interrupt });
    let headers = Allowance::default();
    let mut archive = Archive::new(Limited { inner: Gunzip::new(source), allowance: headers.clone() });
    headers.limit();
    let mut entries = archive.entries().map_err(|error| UnpackError::of_reading(error, BEFORE))?;
    let first = entries.next().ok_or(UnpackError::NoMember)?;
    let mut entry = first.map_err(|error| UnpackError::of_reading(error, BEFORE))?;
    headers.lift();
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let size = entry.size();
    let kind = if has_holes(&mut entry)? { MemberKind::Other } else { kind_of(entry.header().entry_type()) };
    let plain_name = packed::check(&name, kind, size, wanted)?.to_owned();
    let seconds = entry.header().mtime().ok().and_then(|seconds| i64::try_from(seconds).ok());
    let modified = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let dump = PackedDump { name: plain_name, size, modified };

    let mut output = begin(&dump).map_err(UnpackError::Write)?;
    if copy(&mut entry, &mut output)? < size {
        return Err(UnpackError::BreaksOff("the dump is shorter than its header says"));
    }
    let end = entry.raw_file_position() + size.next_multiple_of(BLOCK);
    headers.limit();
    if let Some(second) = entries.next() {
        let second = second.map_err(|error| UnpackError::of_reading(error, BEHIND))?;
        let second = String::from_utf8_lossy(&second.path_bytes()).into_owned();
        return Err(UnpackError::Several { first: name, second });
    }
    let mut gunzip = archive.into_inner().inner;
    if !is_all_zeros(&mut gunzip)? {
        return Err(UnpackError::Garbage);
    }
    if gunzip.size() < end + END as u64 {
        return Err(UnpackError::BreaksOff("its end is missing"));
    }
    Ok((dump, output))
}

/// Whether `entry` is a file of which only the parts that are no holes are there. GNU tar's format 0.0 of such a file in
/// pax tells by these records alone (GNU tar manual, "Storing Sparse Files").
fn has_holes(entry: &mut Entry<'_, impl Read>) -> Result<bool, UnpackError> {
    let records = entry.pax_extensions().map_err(|error| UnpackError::of_reading(error, BEFORE))?;
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

/// Copies all of `reader` and tells how much it was.
fn copy(reader: &mut impl Read, output: &mut impl Write) -> Result<u64, UnpackError> {
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        let count = reader.read(&mut buffer).map_err(|error| UnpackError::of_reading(error, WITHIN))?;
        if count == 0 {
            return Ok(size);
        }
        output.write_all(&buffer[..count]).map_err(UnpackError::Write)?;
        size += count as u64;
    }
}

/// Reads the rest of `reader`, which may be nothing but zeros.
fn is_all_zeros(reader: &mut impl Read) -> Result<bool, UnpackError> {
    let mut buffer = vec![0; BUFFER];
    let mut are_zeros = true;
    loop {
        let count = reader.read(&mut buffer).map_err(|error| UnpackError::of_reading(error, BEHIND))?;
        if count == 0 {
            return Ok(are_zeros);
        }
        are_zeros &= buffer[..count].iter().all(|byte| *byte == 0);
    }
}
