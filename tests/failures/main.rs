//! Faults: each causes the right exit code, is reported to the people who can fix it, and does no harm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod bad_night;
mod bounds;
mod broken_configuration;
mod broken_lines;
mod disks;
mod encryption;
mod forged_zips;
mod host_keys;
mod idle_connections;
mod interruptions;
mod kills;
mod late_dumps;
mod like_openssh;
mod locks;
mod logins;
mod midnight;
mod odd_servers;
mod odd_zips;
mod overlap;
mod panics;
mod power;
mod prune;
mod random_bytes;
mod redirects;
mod removal;
mod same_day;
mod services;
mod shared_folder;
mod signed_urls;
mod stale_dumps;
mod sync;
mod transfers;
mod unusable_zips;
mod web_server;
