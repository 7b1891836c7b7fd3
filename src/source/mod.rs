//! ROOM: HTTPS. The ZIP on the web server, as something to read and seek in.
//!
//! - `agent`: how the server is spoken to; `client`: requests and their answers; `redirect`: where those lead
//! - `remote`: the ZIP read in parts; `download`: all of it, where the server sends no parts
//! - `zip_file`: either of them

mod client;
mod download;
pub mod error;
mod redirect;
mod remote;
mod zip_file;

pub use error::{SourceError, from_handshake};
pub use redirect::target as redirect_target;
pub use zip_file::{ReadSeek, Zip, has_changed, open};
