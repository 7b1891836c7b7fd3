//! Reads the ZIP on the web server, with random access.
//!
//! - `client`: requests and responses; `redirect`: the target of a redirect
//! - `version`: which version of the file a response has; `tail`: finds out whether the server supports ranges
//! - `remote`: reads the ZIP in parts; `download`: downloads it from a server without support for that
//! - `zip_file`: the ZIP, read either way

mod client;
mod download;
pub mod error;
mod redirect;
mod remote;
mod tail;
mod version;
mod zip_file;

pub use error::{SourceError, from_handshake};
pub use redirect::target as redirect_target;
pub use zip_file::{Zip, has_changed, open};
