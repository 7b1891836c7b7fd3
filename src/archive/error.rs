//! What can be wrong with a ZIP, and what the operator can do about it.

use std::io;

use thiserror::Error;
use zip::result::ZipError;

use crate::interrupt::Interrupted;
use crate::rules::dump::DumpError;

/// Why there is no archive.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// What came is no ZIP.
    #[error(
        "what the web server sent is not a ZIP, or not all of one ({size} bytes beginning with {beginning:?}). Open \
         source.url in a browser to see what it is"
    )]
    NotAZip {
        /// Its size in bytes.
        size: u64,
        /// Its first characters.
        beginning: String,
        /// What the ZIP's reader says.
        source: ZipError,
    },
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
