//! Delivers archives over SFTP.
//!
//! - `delivery`: sends, verifies and publishes an archive; `publish`: gives a verified archive its final name
//! - `checksum_file`: reads and writes checksum files
//! - `probe`: examines the server for `check`
//! - `session`: connections, host keys, logins, the folder
//! - `transfer`: uploads and downloads over several connections

mod checksum_file;
mod delivery;
mod error;
mod probe;
mod publish;
mod session;
mod transfer;

pub use delivery::{Delivery, Sent, SentState, Verified};
pub use error::DestinationError;
pub use probe::{Trust, try_writing};
pub use publish::{IsOtherJobs, Published, Replaced, put_back};
pub use session::accounts::Accounts;
pub use session::authentication::Login;
pub use session::connection::Connection;
pub use session::folder::Durability;
pub use session::server::Server;
pub use transfer::fetch::{Fetched, fetch};
