//! The embedded servers do what real ones do: told by independent clients.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "../examples/servers/mod.rs"]
mod servers;

#[test]
fn the_servers_start() {
    let folder = tempfile::tempdir().unwrap();
    let _https = servers::HttpsServer::builder(folder.path()).start();
}
