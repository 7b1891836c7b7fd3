//! Reads and writes the checksum files of archives on the server.

use ssh2::OpenFlags;

use crate::destination::error::{DestinationError, is_connection_error};
use crate::destination::session::connection::Connection;
use crate::destination::session::folder::Durability;
use crate::destination::transfer::writing::RemoteWriter;
use crate::rules::archive_name::Naming;
use crate::rules::checksum::ChecksumFile;
use crate::rules::listing::Kind;

/// The account that prunes reads it to check who has written it. It may be another one, of the same group.
const MODE: i32 = 0o640;

impl Connection {
    /// The checksum file of `archive`, a final name or that of a set-aside archive; `None` if there is none.
    pub fn checksum(&self, naming: &Naming, archive: &str) -> Result<Option<ChecksumFile>, DestinationError> {
        self.checksum_named(naming, &naming.checksum_name(archive))
    }

    /// The checksum file `name`; `None` if there is none. Anything but a regular file counts as foreign.
    pub fn checksum_named(&self, naming: &Naming, name: &str) -> Result<Option<ChecksumFile>, DestinationError> {
        match (self.lookup(name)?, naming.any_checksum_of(name)) {
            (None, _) => Ok(None),
            (Some(entry), Some(archive)) if entry.kind == Kind::File => {
                Ok(Some(ChecksumFile::parse(&self.beginning(name)?, archive)))
            }
            _ => Ok(Some(ChecksumFile::Foreign)),
        }
    }

    /// Writes `text` to the file `name`, which is missing or a checksum file of this program, syncs it, and reads it back.
    /// Overwrites it in place, because the account may not be allowed to remove files.
    pub(crate) fn write_checksum(&self, name: &str, text: &str) -> Result<(), DestinationError> {
        let open = |flag| RemoteWriter::open(self, name, OpenFlags::CREATE | flag, (Some(text.len() as u64), MODE));
        let mut writer = open(OpenFlags::EXCLUSIVE);
        // Never through a link.
        if writer.as_ref().is_err_and(|error| !is_connection_error(error))
            && self.lookup(name)?.is_some_and(|entry| entry.kind == Kind::File)
        {
            writer = open(OpenFlags::TRUNCATE);
        }
        let mut writer = writer.map_err(|error| self.create_failed(name, None, error))?;
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let count = writer.write(rest)?;
            rest = &rest[count..];
        }
        if let Durability::Failed(why) = writer.sync() {
            tracing::info!("the server failed to sync {name:?} to its disk: {why}");
        }
        writer.close()?;
        if self.beginning(name)? == text.as_bytes() {
            return Ok(());
        }
        let difference = "it was written, and has other content now".to_owned();
        Err(DestinationError::Different { name: name.to_owned(), difference })
    }
}
