//! ROOM: archives. Finds the dump in the ZIP, writes the `.tgz` into any `Write`, and reads it out of any `Read`. Never
//! touches the disk itself.
//!
//! - `directory`: the ZIP's directory, found and bounded; `zipped_dump`: the dump in the ZIP, found without reading it
//! - `pack`: the archive: a `tar` in a `gzip` file
//! - `reuse`: the ZIP's own deflate data, not compressed again; `recompress`: any other data
//! - `content`: the dump's bytes, checked as they pass
//! - `origin`: whose archive it is, by its first bytes
//! - `unpack`: the dump out of the archive again, all of which is checked; `gunzip`: the gzip file around it

mod allowance;
mod content;
mod directory;
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

pub use error::ArchiveError;
pub use gunzip::gunzipped;
pub use origin::origin;
pub use unpack::{PackedDump, unpack};
pub use zipped_dump::ZippedDump;
