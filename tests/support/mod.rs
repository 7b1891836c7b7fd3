//! What the integration tests share: real servers, and a night to run the program on.

#![allow(dead_code, unused_imports, unreachable_pub, reason = "every test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "../../examples/servers/mod.rs"]
pub mod servers;

pub mod night;
pub mod small_disk;
pub mod sshd;

pub use night::{Night, Ran};
pub use small_disk::SmallDisk;
pub use sshd::Sshd;
