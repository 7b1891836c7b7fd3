//! Connections to the SFTP server: host keys, authentication, folders.

pub(super) mod accounts;
pub(super) mod authentication;
pub(super) mod connection;
pub(super) mod connection_pool;
pub(super) mod folder;
pub(super) mod host_key;
pub(super) mod keep_alive;
pub(super) mod known_hosts;
pub(super) mod server;
