//! Archives: finds the dump in a ZIP, writes it as a `.tgz` to any `Write`, and unpacks that from any `Read`. Uses no files.
//!
//! - `directory`: finds the ZIP's directory and limits its size; `zipped_dump`: finds the dump without reading it
//! - `pack`: writes the archive, with the ZIP's own deflate data (`reuse`) or data compressed anew (`recompress`)
//! - `content`: checks the dump's bytes against the ZIP's directory
//! - `origin`: which job an archive belongs to, by its first bytes
//! - `unpack`: unpacks the dump and checks the whole archive; `gunzip`: the gzip file around it

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
