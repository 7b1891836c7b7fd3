//! What can be wrong with a ZIP, and what the operator can do about it.

use std::io;

use thiserror::Error;
use zip::result::ZipError;

use crate::rules::dump::DumpError;
use crate::runtime::interrupt::Interrupted;

/// Why there is no archive.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The web server sent something else.
    #[error(
        "what the web server sent is not a ZIP but {} ({size} bytes). {}",
        .kind.map_or_else(|| format!("something that begins with {beginning:?}"), str::to_owned),
        if kind.is_some() {
            "Have the dump published in a ZIP, or correct source.url"
        } else {
            "Open source.url in a browser to see what it is"
        }
    )]
    NotAZip {
        /// What it is, with its article, if that is recognised.
        kind: Option<&'static str>,
        /// Its first characters.
        beginning: String,
        /// Its size in bytes.
        size: u64,
    },
    /// The end is missing.
    #[error(
        "the ZIP is cut off: its {0} bytes begin like a ZIP, but its end record is missing. It was probably fetched \
         while it was being made or copied. Start the run later, or write the ZIP under another name and rename it at \
         the end"
    )]
    Truncated(u64),
    /// The directory has more entries or bytes (these many, as the end record says) than are read.
    #[error(
        "the ZIP's directory is too large: {0} entries and {1} bytes, where at most 65535 entries and 16777216 \
         bytes are read. Make a ZIP that holds little besides the dump"
    )]
    LargeDirectory(u64, u64),
    /// The ZIP is damaged or made to mislead.
    #[error("the ZIP cannot be trusted: {0}. Make it again")]
    Inconsistent(&'static str),
    /// The dump's bytes are not what the ZIP's directory says.
    #[error("the dump in the ZIP is damaged; make the ZIP again")]
    Damaged(#[source] io::Error),
    /// The dump's entry cannot be read.
    #[error("the dump in the ZIP cannot be read")]
    Unreadable(#[source] ZipError),
    /// There is no dump to pack.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// The ZIP could not be read.
    #[error("reading the ZIP")]
    Read(#[source] io::Error),
    /// The archive could not be written.
    #[error("writing the archive to archive.work_directory. Check its free space and permissions")]
    Write(#[source] io::Error),
    /// The run was told to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl From<ZipError> for ArchiveError {
    fn from(error: ZipError) -> ArchiveError {
        match error {
            ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => ArchiveError::Read(error),
            other => ArchiveError::Unreadable(other),
        }
    }
}
