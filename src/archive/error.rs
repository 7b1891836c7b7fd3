//! What can be wrong with the ZIP or with an archive, and what the operator can do about it.

use std::io;

use thiserror::Error;
use zip::result::ZipError;

use crate::rules::dump::DumpError;
use crate::rules::packed::MemberError;
use crate::runtime::interrupt::Interrupted;

/// Why the ZIP did not become an archive, or an archive not a dump. None of these is transient: the reader of the bytes
/// retries, and its errors pass through [`Read`](ArchiveError::Read) and [`ReadBack`](ArchiveError::ReadBack).
#[derive(Debug, Error)]
pub enum ArchiveError {
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
        /// In bytes.
        size: u64,
    },
    /// The ZIP of this many bytes has no end.
    #[error(
        "the ZIP is cut off: its {0} bytes begin like a ZIP, but its end record is missing. It was probably fetched \
         while it was being made or copied. Start the run later, or write the ZIP under another name and rename it at \
         the end"
    )]
    Truncated(u64),
    /// The ZIP's end record announces this many entries and bytes.
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
    #[error("the dump in the ZIP cannot be read")]
    Unreadable(#[source] ZipError),
    #[error(transparent)]
    Dump(#[from] DumpError),
    #[error("reading the ZIP")]
    Read(#[source] io::Error),
    #[error("writing the archive to archive.work_directory. Check its free space and permissions")]
    Write(#[source] io::Error),

    #[error("it is empty")]
    Empty,
    #[error("it is not a gzip file: it begins with {0:?}")]
    NotGzip(String),
    #[error("it is truncated after {0} bytes")]
    GzipBreaksOff(u64),
    #[error("its compressed data is damaged, at byte {at} or before: {problem}")]
    GzipDamaged { at: u64, problem: io::Error },
    #[error("the data from byte {at} on is not gzip: it begins with {beginning:?}")]
    GzipGarbage { at: u64, beginning: String },
    /// Where the tar is damaged.
    #[error("the tar in it is damaged {0}")]
    Tar(&'static str),
    #[error("the tar in it is truncated: {0}")]
    TarBreaksOff(&'static str),
    #[error("the tar in it has more data after its end")]
    TarGarbage,
    #[error("the tar in it holds no file")]
    NoMember,
    #[error("it holds {second:?} as well as {first:?}; an archive holds only one file")]
    Several { first: String, second: String },
    #[error(transparent)]
    Member(#[from] MemberError),
    /// The archive could not be read.
    #[error(transparent)]
    ReadBack(io::Error),
    /// The dump could not be written.
    #[error(transparent)]
    WriteDump(io::Error),

    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl ArchiveError {
    /// Whether an error of unpacking is about the archive, not about reading it, writing the dump or an interruption.
    pub fn is_of_the_archive(&self) -> bool {
        !matches!(self, ArchiveError::ReadBack(_) | ArchiveError::WriteDump(_) | ArchiveError::Interrupted(_))
    }
}

impl From<ZipError> for ArchiveError {
    fn from(error: ZipError) -> ArchiveError {
        match error {
            ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => ArchiveError::Read(error),
            other => ArchiveError::Unreadable(other),
        }
    }
}
