//! ROOM: SFTP. Where the archive goes: the server's identity, sending, proving, publishing, removing.
//!
//! - `known_hosts`: the files of known host keys; `host_key`: whether the server's is to be trusted
//! - `authentication`: key, agent or password
//! - `connection`: one connection, from the first packet to a directory that is there
//! - `folder`: looking, renaming and removing in that directory; `glance`: a quick look after a failure
//! - `upload`: the archive under its temporary name; `read_back`: what the server really holds
//! - `fetch`: an archive on its way back to this machine; `incoming`: what has come of it
//! - `parts`: what of it has yet to cross the link; `lanes`: over how many connections, `reserve`: made in advance;
//!   `window`: what is on its way; `reading`: a file that is read
//! - `durability`: whether the server has a file on its disk
//! - `publish`: the final name, which only a verified archive gets
//! - `probe`: what a look at the server tells, and a small file to try what an archive needs

mod durability;
mod error;
mod probe;
mod publish;
mod session;
mod transfer;

pub use durability::Durability;
pub use error::DestinationError;
pub use probe::{SeenHostKey, Trial, Trust, try_writing};
pub use publish::{Publication, Published, Replaced, Standing, prepare, put_back};
pub use session::authentication::Login;
pub use session::connection::{Connection, Server};
pub use session::known_hosts::Place;
pub use transfer::fetch::{Fetched, fetch};
pub use transfer::read_back::ReadBack;
pub use transfer::upload::Upload;
