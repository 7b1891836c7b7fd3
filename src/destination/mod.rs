//! SFTP: where the archive is delivered to.
//!
//! - `delivery`: sending, verifying and publishing an archive; `publish`: the final name, which only a verified archive gets
//! - `probe`: what `check` finds out about the server
//! - `session`: connections, the server's identity, the login, the folder
//! - `transfer`: bytes to and from the server, over several connections

mod delivery;
mod error;
mod probe;
mod publish;
mod session;
mod transfer;

pub use delivery::{Delivery, Sent, SentState, Verified};
pub use error::DestinationError;
pub use probe::{SeenHostKey, Trial, Trust, try_writing};
pub use publish::{Published, Replaced, put_back};
pub use session::authentication::Login;
pub use session::connection::Connection;
pub use session::folder::Durability;
pub use session::server::Server;
pub use transfer::fetch::{Fetched, fetch};
