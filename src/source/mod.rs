//! ROOM: HTTPS. Gets the ZIP from the web server and hands it on as something to read and seek in.

mod client;
mod download;
mod error;

pub use download::{Zip, fetch};
pub use error::SourceError;
