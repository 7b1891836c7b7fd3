//! The ZIP on the web server, as something to read and seek in.
//!
//! - `client`: requests and responses; `redirect`: where a redirect leads
//! - `remote`: reads the ZIP in parts; `download`: downloads it from a server that sends no parts
//! - `zip_file`: the ZIP, read either way

mod client;
mod download;
pub mod error;
mod redirect;
mod remote;
mod zip_file;

pub use error::{SourceError, from_handshake};
pub use redirect::target as redirect_target;
pub use zip_file::{ReadSeek, Zip, has_changed, open};
