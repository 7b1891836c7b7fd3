//! Finds the dump in a ZIP, packs it into a `.tgz`, encrypts that, and reads it back. Works on any `Read` and `Write`, without
//! files.
//!
//! - `directory`: finds the ZIP's directory and limits its size; `zipped_dump`: finds the dump without reading it
//! - `pack`: writes the archive, with the ZIP's own deflate data (`reuse`) or newly compressed data (`recompress`)
//! - `encryption`: encrypts an archive, and reads an encrypted one
//! - `content`: checks the dump's bytes against the ZIP's directory
//! - `origin`: identifies an archive's job by its first bytes
//! - `unpack`: unpacks the dump and checks the whole archive; `gunzip`: reads the gzip file around the tar

mod allowance;
mod content;
mod directory;
mod encryption;
mod error;
mod gunzip;
mod gzip;
mod origin;
mod pack;
mod recompress;
mod reuse;
mod tar;
mod unpack;
mod zipped_dump;

pub use encryption::{Encryption, Stored, encrypted_size};
pub use error::ArchiveError;
pub use gunzip::gunzip_beginning;
pub use origin::origin;
pub use unpack::{PackedDump, unpack};
pub use zipped_dump::ZippedDump;
