//! Errors of ZIPs and archives, with advice for the operator.

use std::io;

use thiserror::Error;
use zip::result::ZipError;

use crate::rules::dump::DumpError;
use crate::rules::packed::MemberError;
use crate::runtime::interrupt::Interrupted;

/// A failure to pack a ZIP's dump or to unpack an archive. None is transient: the underlying reader retries, and its errors
/// become [`Read`](ArchiveError::Read) and [`ReadBack`](ArchiveError::ReadBack).
#[derive(Debug, Error)]
pub enum ArchiveError {
    #[error(
        "the downloaded file is not a ZIP but {} ({size} bytes). {}",
        .kind.map_or_else(|| format!("something that begins with {beginning:?}"), str::to_owned),
        if kind.is_some() {
            "Publish the dump in a ZIP, or correct source.url"
        } else {
            "Open source.url in a browser to see what it is"
        }
    )]
    NotAZip {
        /// The type with its article, if recognised.
        kind: Option<&'static str>,
        /// Its first characters.
        beginning: String,
        /// In bytes.
        size: u64,
    },
    /// The end of the ZIP of this many bytes is missing.
    #[error(
        "the ZIP is truncated: its {0} bytes begin like a ZIP, but the end record is missing. It was probably fetched \
         while it was being written. Start the run later, or write the ZIP under another name and rename it when it is \
         complete"
    )]
    Truncated(u64),
    /// The ZIP's end record announces this many entries and bytes.
    #[error(
        "the ZIP's directory is too large: {0} entries and {1} bytes; at most 65535 entries and 16777216 bytes are \
         accepted. Make a ZIP with few files besides the dump"
    )]
    LargeDirectory(u64, u64),
    #[error("the ZIP is inconsistent: {0}. Create it again")]
    Inconsistent(&'static str),
    #[error("the dump in the ZIP is damaged; create the ZIP again")]
    Damaged(#[source] io::Error),
    #[error("the dump in the ZIP cannot be read")]
    Unreadable(#[source] ZipError),
    #[error(transparent)]
    Dump(#[from] DumpError),
    #[error("reading the ZIP")]
    Read(#[source] io::Error),
    #[error("writing the archive to archive.work_directory. Check its free space and permissions")]
    Write(#[source] io::Error),

    #[error("encrypting the archive: {0}")]
    Encrypt(String),

    #[error("it is empty")]
    Empty,
    #[error("it is not a gzip file: it begins with {0:?}")]
    NotGzip(String),
    #[error("it is truncated after {0} bytes")]
    GzipTruncated(u64),
    #[error("its compressed data is damaged, at byte {at} or before: {problem}")]
    GzipDamaged { at: u64, problem: io::Error },
    #[error("the data from byte {at} on is not gzip: it begins with {beginning:?}")]
    GzipGarbage { at: u64, beginning: String },
    /// The location of the damage.
    #[error("the tar in it is damaged {0}")]
    Tar(&'static str),
    #[error("the tar in it is truncated: {0}")]
    TarTruncated(&'static str),
    #[error("the tar in it has more data after its end")]
    TarGarbage,
    #[error("the tar in it holds no file")]
    NoMember,
    #[error("it holds {second:?} as well as {first:?}; an archive holds only one file")]
    Several { first: String, second: String },
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error("it cannot be decrypted: {0}")]
    DecryptionFailed(String),
    #[error("its SHA-256 is not that of its checksum file")]
    ChecksumDiffers,
    #[error(
        "its checksum file is damaged. The archive may be good: remove the file {0} from the server, and try again"
    )]
    ChecksumDamaged(String),
    #[error("it is encrypted and has no checksum file; give the private key with --identity FILE")]
    NoIdentity,
    #[error(
        "none of the given keys can decrypt it: give the private key of one of its recipients with --identity FILE"
    )]
    OtherRecipient,
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
    /// Whether unpacking failed because the archive is bad, not because of I/O or an interruption.
    pub fn is_bad_archive(&self) -> bool {
        use ArchiveError::{Interrupted, NoIdentity, OtherRecipient, ReadBack, WriteDump};
        !matches!(self, ReadBack(_) | WriteDump(_) | Interrupted(_) | NoIdentity | OtherRecipient)
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
