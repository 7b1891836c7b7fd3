//! ROOM: archives. Reads the ZIP, writes the `.tgz` into any `Write`. Never touches the disk itself.

mod error;
mod tgz;
mod zipped_dump;

pub use error::ArchiveError;
pub use zipped_dump::ZippedDump;
